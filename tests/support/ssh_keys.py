"""Public SSH keys, made up: no private key belongs to them."""

from __future__ import annotations

import base64


def an_ssh_key(number: int = 1, *, comment: str = "me@desk") -> str:
    """A line as of id_ed25519.pub."""
    kind = b"ssh-ed25519"
    parts = (kind, number.to_bytes(32, "big"))
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return f"{kind.decode()} {base64.b64encode(blob).decode()} {comment}"

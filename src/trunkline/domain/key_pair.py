"""Key pairs: public SSH keys that users have put into their guests, by name."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from trunkline.domain.ids import UserId

PUBLIC_KEY_CHARS_MAX: Final = 16_384  # An RSA key of 65,536 bits has some 11,000.
# What OpenSSH of today takes, with a plain key or one in a security token. Source: ssh-keygen(1).
KEY_TYPES: Final = (
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """A public key of a user; the private one stays with the user."""

    id: int  # Given by the store; 0: not stored yet.
    user_id: UserId
    name: str  # Unique among the user's.
    public_key: str
    fingerprint: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key as ``authorized_keys`` has it, without options: type, base64, comment."""

    text: str
    fingerprint: str  # MD5 of the key itself in hexadecimal pairs, as Nova shows it.


def parse_public_key(text: str) -> PublicKey:
    """Read a key in OpenSSH's format.

    Raises:
        ValueError: It is none; the text says why.
    """
    text = text.strip()
    words = text.split(None, 2)
    if len(text) > PUBLIC_KEY_CHARS_MAX or not text.isprintable() or len(words) < 2:
        raise ValueError("must be one line as in an id_*.pub file: a type, the key in base64")
    kind, encoded = words[:2]
    if kind not in KEY_TYPES:
        raise ValueError(f"is not of a type that is known: {', '.join(KEY_TYPES)}")
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("has no base64 after its type") from None
    # The key says its type once more, with its length. Source: RFC 4253, section 6.6.
    if not blob.startswith(len(kind).to_bytes(4, "big") + kind.encode()) or len(blob) < 32:
        raise ValueError(f"holds no key of type {kind}")
    digest = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    pairs = (digest[at : at + 2] for at in range(0, len(digest), 2))
    return PublicKey(text=text, fingerprint=":".join(pairs))

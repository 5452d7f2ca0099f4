"""Public SSH keys, as users bring them."""

from __future__ import annotations

import pytest

from tests.support.ssh_keys import an_ssh_key
from trunkline.domain.key_pair import parse_public_key

# Of RFC 8032's first test vector; both told by `ssh-keygen -l -E md5`.
KNOWN = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea"
TYPE, BASE64, _ = an_ssh_key().split()


def test_a_key_is_kept_as_it_is_but_for_the_space_around_it() -> None:
    key = parse_public_key(f"\n{KNOWN} me@desk  \n")
    assert key.text == f"{KNOWN} me@desk"
    assert key.fingerprint == parse_public_key(KNOWN).fingerprint
    assert len(key.fingerprint) == 47
    assert key.fingerprint != parse_public_key(an_ssh_key()).fingerprint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "one line"),
        ("x", "one line"),
        (f"{KNOWN}\n{KNOWN}", "one line"),
        (f"{TYPE} {'A' * 20_000}", "one line"),
        (f'command="sh" {KNOWN}', "of a type"),
        (f"ssh-dss {BASE64}", "of a type"),
        (f"{TYPE} not+base64!", "no base64"),
        (f"ssh-rsa {BASE64}", "no key of type ssh-rsa"),
        (f"{TYPE} {BASE64[:20]}", "no key of type"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "of a type"),
    ],
)
def test_anything_else_is_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_public_key(text)

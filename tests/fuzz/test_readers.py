"""Whatever comes from outside is read or refused in words that are expected; nothing else."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.seeds import COMPUTE, HOST, journal_around
from tests.fuzz.targets import TARGETS

TOKENS = (
    b"\0", b"\xff", b"-1", b"0", b"65536", b"99999999999999999999", b"1e999", b"NaN", b"null",
    b"true", b'""', b"''", b"[" * 2000, b"{", b"}", b"\\ud800", b"\xed\xa0\x80", b"<!DOCTYPE x>",
    b"&x;", b"\n", b"\xef\xbb\xbf", b"0x", b"0000:00:00.0", b"%s", b"../", b"[[x]]\n",
)  # fmt: skip


def damaged(seed: bytes, dice: random.Random) -> bytes:
    """A seed with a few bytes changed, cut, doubled, or put in."""
    data = bytearray(seed)
    for _ in range(dice.randint(1, 4)):
        at = dice.randint(0, len(data))
        until = min(len(data), at + dice.choice((1, 1, 2, 4, 8, 30)))
        match dice.randrange(6):
            case 0:
                data[at:until] = dice.randbytes(until - at)
            case 1:
                del data[at:until]
            case 2:
                data[at:at] = data[at:until]
            case 3:
                data[at:until] = dice.choice(TOKENS)
            case 4:
                data[at:at] = dice.choice(TOKENS)
            case _:
                del data[at:]
    return bytes(data)


@pytest.mark.parametrize("name", TARGETS)
def test_what_it_can_use_is_used(name: str, tmp_path: Path) -> None:
    """A target whose seeds are refused would try nothing but the way to its first refusal."""
    target = TARGETS[name]
    for seed in target.seeds:
        target.read(seed, tmp_path)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("journal", journal_around(b'{"boot_id":"\x80"}')),
        ("journal-content", b'{"epochs":' + b"[" * 5000),
        ("desired", b'{"host":"\x80","generation":3}'),
        ("desired", b"[" * 5000),
        ("enrolment-answer", b'{"error":' + b"[" * 5000),
        *(
            ("compute-toml", COMPUTE[0].replace(b"[0-3]", pattern))
            for pattern in (b"[[0-3]", b"a{99999999999}", b"(" * 5000)
        ),
        ("proc", b"6.1.0\x00-30"),
        ("simulated-host", HOST.replace(b"egress_mbps", b"gress_mbps", 1)),
    ],
)
def test_what_was_found_once_is_refused(name: str, data: bytes, tmp_path: Path) -> None:
    TARGETS[name].run(data, tmp_path)


@pytest.mark.parametrize("name", TARGETS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(dice=st.randoms(use_true_random=False), plain=st.none() | st.binary(max_size=300))
def test_any_bytes_are_used_or_refused(
    name: str, tmp_path: Path, dice: random.Random, plain: bytes | None
) -> None:
    target = TARGETS[name]
    data = plain if plain is not None else damaged(dice.choice(target.seeds), dice)
    target.run(data, tmp_path)

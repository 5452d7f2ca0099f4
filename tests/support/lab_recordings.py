"""What the lab's card was recorded to say; tests/data/lab/README.md says in which states."""

from __future__ import annotations

from pathlib import Path

RECORDINGS = Path(__file__).resolve().parents[1] / "data/lab"


def datagrams(name: str) -> list[bytes]:
    """The datagrams of a recording, as `vf-created.uevents`."""
    return [bytes.fromhex(each) for each in (RECORDINGS / name).read_text().split("\n\n")]

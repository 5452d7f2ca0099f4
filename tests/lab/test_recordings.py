"""The recordings in `tests/data/lab` are still what the lab's card says; else `make lab-record`."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from lab.guest import recording
from lab.machine import LabHost
from tests.support.lab_recordings import RECORDINGS, datagrams

# Source: Linux include/uapi/linux/rtnetlink.h, if_link.h.
IFINFOMSG_BYTES = 16
IFLA_IFNAME, IFLA_VFINFO_LIST, IFLA_VF_INFO = 3, 22, 1
NLA_TYPE_MASK = 0x3FFF
# Numbers that are given out anew at each boot.
GIVEN_OUT = re.compile(r"(?<=ifindex )\d+|(?<=iommu_groups/)\d+")


def lines_of_card(sysfs: str) -> set[str]:
    """What a recording has of card 1 and its VFs."""
    return {GIVEN_OUT.sub("N", line) for line in sysfs.splitlines() if "/0000:01:" in line}


def attributes(data: bytes, *nested: int) -> Iterator[tuple[int, Any]]:
    """Types and lengths of netlink's attributes; those in the first of `nested`, and so on."""
    while data:
        length, kind = struct.unpack_from("=HH", data)
        kind &= NLA_TYPE_MASK
        inner = data[4:length]
        if nested and kind == nested[0]:
            yield kind, list(attributes(inner, *nested[1:]))
        else:
            yield kind, length
        data = data[length + 3 & ~3 :]


def shape(payload: bytes) -> list[tuple[int, Any]]:
    return list(attributes(payload[IFINFOMSG_BYTES:], IFLA_VFINFO_LIST, IFLA_VF_INFO))


def refusal(answer: bytes) -> tuple[int, ...]:
    """Of an answer what does not tell of who asked: its length, its type, the error."""
    length, kind, _flags, _sequence, _port, error = struct.unpack_from("=IHHIIi", answer)
    return length, kind, error


def test_the_card_says_what_was_recorded(lab_host_with_vfs: LabHost) -> None:
    call = lab_host_with_vfs.channel.call
    assert lines_of_card(call(recording.sysfs)) == lines_of_card(
        (RECORDINGS / "vfs.sysfs").read_text()
    )
    [recorded] = datagrams("vfs.getlink")
    assert shape(bytes.fromhex(call(recording.get_link))) == shape(recorded)
    for name, answer in call(recording.refusals).items():
        [recorded] = datagrams(f"refused-{name}.answer")
        assert refusal(bytes.fromhex(answer)) == refusal(recorded), name


@pytest.mark.parametrize("name", ["booted", "vfs", "programmed", "unplugged"])
def test_a_recording_has_the_shape_that_is_compared(name: str) -> None:
    """So that two that say nothing are not found to say the same."""
    [payload] = datagrams(f"{name}.getlink")
    found = dict(shape(payload))
    assert found[IFLA_IFNAME] == 8, "pf1, its zero and the header"
    vfs = found.get(IFLA_VFINFO_LIST, [])
    assert len(vfs) == (0 if name == "booted" else 7)
    assert all(kind == IFLA_VF_INFO and len(inner) > 5 for kind, inner in vfs)
    assert len(lines_of_card((RECORDINGS / f"{name}.sysfs").read_text())) > 10

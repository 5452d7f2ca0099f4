from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.host.linux.uevents import Uevent, parse_uevent

ADDED = (
    b"add@/devices/pci0000:00/0000:00:10.0/0000:01:10.0\0ACTION=add\0"
    b"DEVPATH=/devices/pci0000:00/0000:00:10.0/0000:01:10.0\0SUBSYSTEM=pci\0"
    b"PCI_SLOT_NAME=0000:01:10.0\0SEQNUM=1234\0"
)


def test_a_function_that_comes() -> None:
    assert parse_uevent(ADDED) == Uevent(
        "add", "pci", "/devices/pci0000:00/0000:00:10.0/0000:01:10.0"
    )


@pytest.mark.parametrize(
    "datagram", [b"", b"libudev\0\xfe\xed\xca\xfe", b"add@/devices/x\0ACTION=add\0", b"add@x"]
)
def test_what_is_no_event_of_the_kernel_is_none(datagram: bytes) -> None:
    assert parse_uevent(datagram) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_none(datagram: bytes) -> None:
    parse_uevent(datagram)
    parse_uevent(b"add@x\0" + datagram)

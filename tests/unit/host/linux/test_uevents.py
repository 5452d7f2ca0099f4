from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.host.linux import uevents
from trunkline.host.linux.uevents import Uevent, Uevents, parse_uevent

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


class FromTheKernel(socket.socket):
    """A socket of a pair, whose other end passes for the kernel."""

    def recvfrom(self, bytes_max: int, flags: int = 0) -> tuple[bytes, tuple[int, int]]:
        return self.recv(bytes_max, flags), (0, 1)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    channel = FromTheKernel(fileno=near.detach())
    channel.setblocking(False)
    monkeypatch.setattr(uevents, "open_uevents", lambda: channel)
    with far:
        yield far


OTHER = ADDED.replace(b"0000:01:10.0", b"0000:02:10.0")


def is_ours(function: str) -> bool:
    return function == "0000:01:10.0"


def test_events_of_others_do_not_end_the_waiting(kernel: socket.socket) -> None:
    with Uevents() as news:
        kernel.send(OTHER)
        later = threading.Timer(0.1, kernel.send, [ADDED])
        later.start()
        assert news.wait(30, is_ours)
        later.join()


def test_events_of_others_do_not_prolong_the_waiting(kernel: socket.socket) -> None:
    stop = threading.Event()

    def churn() -> None:
        while not stop.wait(0.01):
            with contextlib.suppress(BlockingIOError):
                kernel.send(OTHER, socket.MSG_DONTWAIT)

    others = threading.Thread(target=churn)
    with Uevents() as news:
        others.start()
        try:
            assert not news.wait(0.1, is_ours)
        finally:
            stop.set()
            others.join()


@pytest.mark.parametrize(
    ("device", "subsystem", "function"),
    [
        ("/devices/pci0000:00/0000:00:10.0/0000:01:10.0", "pci", "0000:01:10.0"),
        ("/devices/pci0000:00/0000:00:10.0/0000:01:10.0/net/eth2", "net", "0000:01:10.0"),
        ("/devices/pci0000:00/0000:00:10.0/0000:01:10.0/net/eth2/queues/rx-0", "queues", None),
        ("/devices/virtual/net/tap0", "net", None),
    ],
)
def test_the_function_that_an_event_is_about(
    device: str, subsystem: str, function: str | None
) -> None:
    assert Uevent("add", subsystem, device).function == function

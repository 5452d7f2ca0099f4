"""What devlink tells, from the kernel's datagrams to what is wrong with a PF."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator

import pytest

from tests.unit.host.linux.devlink_bytes import ANSWERED, NOTIFIED, reporter
from trunkline.domain.pci import PciAddress
from trunkline.host.linux import netlink
from trunkline.host.linux.card_faults import CardFaults
from trunkline.host.linux.devlink_messages import Family
from trunkline.host.linux.health import HealthChannel, open_health
from trunkline.host.linux.netlink import NLMSG_DONE, Malformed

PF, OTHER = "0000:05:00.0", "0000:06:00.0"
DEVLINK = 31


class Devlink:
    """The kernel's end of the channel, and who is told of what comes from there."""

    def __init__(self, channel: HealthChannel, kernel: socket.socket) -> None:
        self.channel = channel
        self.faults = CardFaults()
        self._kernel = kernel

    def asked(self) -> int:
        """Take one question for all; return its sequence number."""
        (message,) = netlink.messages(self._kernel.recv(4096))
        assert (message.type, message.flags) == (DEVLINK, netlink.NLM_F_REQUEST | 0x300)
        return message.sequence

    def tells(self, *payloads: bytes, sequence: int = 0) -> None:
        self._take(b"".join(netlink.message(DEVLINK, 2, sequence, each) for each in payloads))

    def ends(self, sequence: int, *, errno: int = 0) -> None:
        self._take(netlink.message(NLMSG_DONE, 2, sequence, struct.pack("=i", -errno)))

    def fault(self, pf: str = PF) -> bool:
        return self.faults.of(PciAddress.parse(pf)) != ""

    def _take(self, datagram: bytes) -> None:
        for event in self.channel.read(datagram):
            self.faults.note_health(event)


@pytest.fixture
def devlink() -> Iterator[Devlink]:
    ours, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, kernel:
        kernel.setblocking(False)
        yield Devlink(HealthChannel(ours, Family(DEVLINK, 14)), kernel)


def in_error(called: str, *, pf: str = PF, port: int | None = None) -> bytes:
    return reporter("pci", pf, called, state=1, port=port, command=ANSWERED)


def test_a_reporter_that_went_untold_is_missed_when_all_are_told_of(devlink: Devlink) -> None:
    devlink.tells(reporter("pci", PF, "tx", state=1, port=1, command=NOTIFIED))
    devlink.tells(reporter("pci", OTHER, "fw", state=1, command=NOTIFIED))
    devlink.channel.ask_for_all()
    sequence = devlink.asked()
    devlink.tells(reporter("pci", PF, "fw", state=0, command=ANSWERED), sequence=sequence)
    devlink.tells(in_error("fw", pf=OTHER), sequence=sequence)
    assert devlink.fault(), "not all has been told yet"
    devlink.ends(sequence)
    assert not devlink.fault()
    assert devlink.fault(OTHER)


def test_what_changes_while_all_is_told_counts(devlink: Devlink) -> None:
    devlink.channel.ask_for_all()
    devlink.tells(reporter("pci", PF, "fw", state=1, command=NOTIFIED))
    devlink.ends(devlink.asked())
    assert devlink.fault()


def test_who_asks_while_all_is_told_is_answered_after_that(devlink: Devlink) -> None:
    devlink.tells(reporter("pci", PF, "tx", state=1, port=1))
    devlink.channel.ask_for_all()
    devlink.channel.ask_for_all()
    first, refused = devlink.asked(), devlink.asked()
    devlink.ends(first)
    again = devlink.asked()
    assert len({first, refused, again}) == 3
    assert devlink.fault()
    devlink.ends(again)
    assert not devlink.fault()
    with pytest.raises(BlockingIOError):
        devlink.asked()


def test_of_what_was_not_told_whole_nothing_is_missed(devlink: Devlink) -> None:
    devlink.tells(in_error("fw"))
    devlink.channel.ask_for_all()
    devlink.ends(devlink.asked(), errno=errno.EMSGSIZE)
    assert devlink.fault()
    devlink.channel.ask_for_all()
    with pytest.raises(Malformed):
        devlink.tells(b"\x34")
    devlink.ends(devlink.asked())
    assert devlink.fault()
    devlink.channel.ask_for_all()
    devlink.ends(devlink.asked())
    assert not devlink.fault()


def test_a_kernel_without_devlink_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_with(monkeypatch, errno.ENOENT)
    assert open_health() is None


def test_a_kernel_that_does_not_let_itself_be_asked_is_no_kernel_without_devlink(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refuse_with(monkeypatch, errno.ENOMEM)
    with pytest.raises(OSError, match="does not tell of devlink"):
        open_health()


def refuse_with(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Have generic netlink refuse whatever it is asked."""

    class Refusing(socket.socket):
        def recv(self, *_: int) -> bytes:
            request = netlink.message(16, 1, 1, b"")
            return netlink.message(netlink.NLMSG_ERROR, 0, 1, struct.pack("=i", -number) + request)

    monkeypatch.setattr(socket, "socket", Refusing)

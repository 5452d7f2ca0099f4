"""devlink's health reporters, listened to."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator
from typing import Final

from trunkline.host.linux import devlink_messages, netlink
from trunkline.host.linux.devlink_messages import (
    AllReporters,
    DeviceChange,
    Family,
    HealthReporter,
    ReporterState,
)
from trunkline.host.linux.netlink import Malformed, Message
from trunkline.host.linux.rtnetlink import SOL_NETLINK

_NETLINK_GENERIC: Final = 16  # Linux include/uapi/linux/netlink.h.
_NETLINK_ADD_MEMBERSHIP: Final = 1
_DATAGRAM_BYTES_MAX: Final = 1 << 16
_ANSWER_SECONDS_MAX: Final = 10
_FAMILY_SEQUENCE: Final = 1
_ERRNO: Final = struct.Struct("=i")


class HealthChannel:
    """A socket on which devlink tells what health reporters say: of all when asked, and of changes.

    A change of state is told since Linux 5.5. Nothing of it needs privileges.
    Source: net/devlink/health.c, devlink_recover_notify(); net/devlink/netlink.c.
    """

    def __init__(self, opened: socket.socket, family: Family) -> None:
        """Take over a socket that has joined the family's group. Nothing is asked yet."""
        self.socket = opened
        self._family = family
        self._sequence = _FAMILY_SEQUENCE
        self._told: set[HealthReporter] | None = None  # Since last asked; None: not all is known.

    def ask_for_all(self) -> None:
        """Have devlink tell what every reporter says, in what is received from now on.

        While it is telling already the kernel refuses (EBUSY): it is asked again after that.
        Source: Linux net/netlink/af_netlink.c, __netlink_dump_start().
        """
        self._sequence += 1
        self._told = set()
        self.socket.send(devlink_messages.get_reporters(self._family, self._sequence))

    def receive(self) -> Iterator[ReporterState | DeviceChange | AllReporters]:
        """Yield what one datagram tells.

        Raises:
            BlockingIOError: There is none.
            OSError: ENOBUFS: some were lost.
            Malformed: It is not what the kernel's headers say.
        """
        datagram, sender = self.socket.recvfrom(_DATAGRAM_BYTES_MAX)
        if sender[0] == 0:
            yield from self.read(datagram)

    def read(self, datagram: bytes) -> Iterator[ReporterState | DeviceChange | AllReporters]:
        """Yield what a datagram of the kernel tells. Raises `Malformed`."""
        try:
            for message in netlink.messages(datagram):
                if message.type == netlink.NLMSG_DONE:
                    yield from self._end_telling(message)
                elif message.type == self._family.id:
                    event = devlink_messages.parse_event(message.payload)
                    if isinstance(event, ReporterState) and self._told is not None:
                        self._told.add(event.reporter)
                    if event is not None:
                        yield event
        except Malformed:
            self._told = None
            raise

    def _end_telling(self, done: Message) -> Iterator[AllReporters]:
        if done.sequence != self._sequence:
            self.ask_for_all()  # What was asked meanwhile was refused.
        elif self._told is not None and done.payload[: _ERRNO.size] == _ERRNO.pack(0):
            yield AllReporters(frozenset(self._told))


def open_health() -> HealthChannel | None:
    """Begin to listen, and ask for all; None: this kernel has no devlink.

    Raises:
        OSError: It can't be asked, or does not answer.
        Malformed: Its answer is not what its headers say.
    """
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_GENERIC)
    try:
        opened.bind((0, 0))
        opened.settimeout(_ANSWER_SECONDS_MAX)
        family = _ask_for_family(opened)
        if family is None:
            opened.close()
            return None
        opened.setsockopt(SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, family.config_group)
        opened.setblocking(False)  # noqa: FBT003
        channel = HealthChannel(opened, family)
        channel.ask_for_all()
    except BaseException:
        opened.close()
        raise
    return channel


def _ask_for_family(opened: socket.socket) -> Family | None:
    opened.send(devlink_messages.get_family(_FAMILY_SEQUENCE))
    for message in netlink.messages(opened.recv(_DATAGRAM_BYTES_MAX)):
        if message.type == netlink.NLMSG_ERROR:
            answer = netlink.parse_answer(message)
            if answer.errno == errno.ENOENT:
                return None
            raise OSError(answer.errno, "generic netlink does not tell of devlink")
        return devlink_messages.parse_family(message.payload)
    raise Malformed("generic netlink answers with nothing")

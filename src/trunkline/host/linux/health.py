"""devlink's health reporters, listened to."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from typing import Final

import structlog

from trunkline.host.linux import devlink_messages, netlink
from trunkline.host.linux.devlink_messages import DeviceChange, Family, ReporterState
from trunkline.host.linux.netlink import Malformed
from trunkline.host.linux.rtnetlink import SOL_NETLINK

_log = structlog.get_logger(__name__)

_NETLINK_GENERIC: Final = 16  # Linux include/uapi/linux/netlink.h.
_NETLINK_ADD_MEMBERSHIP: Final = 1
_DATAGRAM_BYTES_MAX: Final = 1 << 16
_ANSWER_SECONDS_MAX: Final = 10
_FAMILY_SEQUENCE: Final = 1
_ALL_SEQUENCE: Final = 2


class HealthChannel:
    """A socket on which devlink tells what health reporters say: at first of all, then of changes.

    A change of state is told since Linux 5.5. Nothing of it needs privileges.
    Source: net/devlink/health.c, devlink_recover_notify(); net/devlink/netlink.c.
    """

    def __init__(self) -> None:
        """Open it and ask for all.

        Raises:
            OSError: ENOENT: this kernel has no devlink.
            Malformed: The kernel's answer is not what its headers say.
        """
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_GENERIC)
        try:
            self.socket.bind((0, 0))
            self.socket.settimeout(_ANSWER_SECONDS_MAX)
            self._family = self._ask_for_family()
            self.socket.setsockopt(SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, self._family.config_group)
            self.socket.setblocking(False)  # noqa: FBT003
            self.ask_for_all()
        except BaseException:
            self.socket.close()
            raise

    def ask_for_all(self) -> None:
        """Have devlink tell what every reporter says, in what is received from now on."""
        self.socket.send(devlink_messages.get_reporters(self._family, _ALL_SEQUENCE))

    def receive(self) -> Iterator[ReporterState | DeviceChange]:
        """Yield what one datagram tells.

        Raises:
            BlockingIOError: There is none.
            OSError: ENOBUFS: some were lost.
            Malformed: It is not what the kernel's headers say.
        """
        datagram, sender = self.socket.recvfrom(_DATAGRAM_BYTES_MAX)
        if sender[0] != 0:
            return
        for message in netlink.messages(datagram):
            if message.type == self._family.id:
                event = devlink_messages.parse_event(message.payload)
                if event is not None:
                    yield event

    def _ask_for_family(self) -> Family:
        self.socket.send(devlink_messages.get_family(_FAMILY_SEQUENCE))
        for message in netlink.messages(self.socket.recv(_DATAGRAM_BYTES_MAX)):
            if message.type == netlink.NLMSG_ERROR:
                answer = netlink.parse_answer(message)
                raise OSError(answer.errno, "generic netlink does not tell of devlink")
            return devlink_messages.parse_family(message.payload)
        raise Malformed("generic netlink answers with nothing")


def open_health() -> HealthChannel | None:
    """Begin to listen; None: this kernel has no devlink, or does not let itself be asked."""
    try:
        return HealthChannel()
    except (OSError, Malformed) as problem:
        if not isinstance(problem, OSError) or problem.errno != errno.ENOENT:
            _log.warning("devlink is not heard", problem=str(problem))
        return None

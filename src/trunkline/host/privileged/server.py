"""The helper that runs as root: one request a connection, from callers that it knows."""

from __future__ import annotations

import errno
import select
import socket
import struct
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import structlog

from trunkline.host.privileged.interfaces import Privileged
from trunkline.host.privileged.permissions import NotAdded, NotAllowed, Permissions
from trunkline.host.privileged.requests import (
    REQUEST_BYTES_MAX,
    Answer,
    BadMessage,
    Done,
    NoMessage,
    Refused,
    parse_request,
    perform,
    receive,
    send,
)
from trunkline.host.refusals import errno_name
from trunkline.reconcile.interfaces import NOTHING_OF_OURS, HostRefused
from trunkline.wire import json

_log = structlog.get_logger(__name__)

# A caller has its request ready when it connects. Meanwhile the others wait.
PATIENCE_SECONDS: Final = 5.0
BACKLOG: Final = 8
# Source: Linux include/uapi/asm-generic/socket.h; not in Python's `socket`. Since Linux 4.13.
_SO_PEERGROUPS: Final = 59
# Of one process; one that has more is refused (ERANGE). Python reads no more than 1024 bytes.
_GROUPS_MAX: Final = 256
_GID: Final = struct.Struct("=I")
_UCRED: Final = struct.Struct("=iII")  # Process, user, group. Source: unix(7), SO_PEERCRED.


@dataclass(frozen=True, slots=True, kw_only=True)
class Callers:
    """Who may ask, by what the kernel says of the process at the other end."""

    users: Collection[int]
    groups: Collection[int] = ()

    def include(self, user: int, groups: Collection[int]) -> bool:
        """Whether a process of this user, in these groups, may ask."""
        return user in self.users or not set(self.groups).isdisjoint(groups)


def peer_groups(connection: socket.socket) -> list[int]:
    """Return the supplementary groups of the process at the other end, when it connected."""
    packed = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _GROUPS_MAX * _GID.size)
    return [group for (group,) in _GID.iter_unpack(packed)]


class Helper:
    """Answers requests, one after the other."""

    def __init__(self, writes: Privileged, permissions: Permissions, callers: Callers) -> None:
        self._writes = writes
        self._permissions = permissions
        self._callers = callers

    def serve(self, listener: socket.socket, *, stop: int) -> None:
        """Answer until `stop`, a descriptor, can be read."""
        poller = select.poll()
        poller.register(listener, select.POLLIN)
        poller.register(stop, select.POLLIN)
        while stop not in {descriptor for descriptor, _ in poller.poll()}:
            try:
                connection, _ = listener.accept()
            except OSError:
                continue  # It has gone again.
            with connection:
                self.answer(connection)

    def answer(self, connection: socket.socket) -> None:
        """Answer the one request of a connection; a caller not known gets none."""
        try:
            process, user, group = _UCRED.unpack(
                connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
            )
            groups = peer_groups(connection)
        except OSError as problem:
            _log.warning("caller unknown", problem=str(problem))
            return
        if not self._callers.include(user, [group, *groups]):
            _log.warning("caller refused", process=process, user=user, group=group)
            return
        try:
            answer = self._answer_to(
                receive(connection, REQUEST_BYTES_MAX, seconds=PATIENCE_SECONDS)
            )
            connection.settimeout(PATIENCE_SECONDS)
            send(connection, json.encode(answer))
        except NoMessage:
            return
        except (OSError, BadMessage) as problem:
            _log.warning("caller gone or unclear", process=process, problem=str(problem))

    def _answer_to(self, data: bytes) -> Answer:
        try:
            request = parse_request(data)
        except BadMessage as problem:
            _log.warning("request refused", problem=str(problem))
            return Refused(operation="ask the host helper", problem=f"not a request: {problem}")
        try:
            self._permissions.check(request)
            data = perform(request, self._writes)
            self._permissions.note_done(request)
            return Done(data=data)
        except NotAdded as problem:
            _log.warning("request not allowed", request=str(request), problem=str(problem))
            return Refused(
                operation="ask the host helper",
                problem=f"{problem}, which takes away nothing else",
                errno_name=NOTHING_OF_OURS,
            )
        except NotAllowed as problem:
            _log.warning("request not allowed", request=str(request), problem=str(problem))
            return Refused(
                operation="ask the host helper",
                problem=f"{problem}; the configuration that it was started with decides",
                errno_name="EPERM",
                unasked=True,
            )
        except HostRefused as refusal:
            return Refused(
                operation=refusal.operation,
                problem=refusal.problem,
                errno_name=refusal.errno_name,
                transient=refusal.transient,
            )
        except (OSError, ValueError) as problem:
            # A device that goes away while it is looked at must not end the helper.
            _log.warning("request failed", request=str(request), problem=str(problem))
            number = problem.errno if isinstance(problem, OSError) else None
            return Refused(
                operation="ask the host helper",
                problem=f"reading the host failed: {problem}",
                errno_name=errno_name(number or errno.EIO),
                transient=True,
            )

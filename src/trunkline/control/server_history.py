"""What people asked to be done with a server, and what came of it: read off the audit trail.

The trail tells of each change in the order in which they were made. An *action* is what one
request asked; what the host and the service themselves put on record after it, until the next
action, came of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from trunkline.control.access import of_server, require_seen
from trunkline.control.services import Services
from trunkline.domain.audit import AuditEvent
from trunkline.domain.errors import NotFound
from trunkline.domain.identity import Caller
from trunkline.domain.policy import compute_rules as rules
from trunkline.domain.server import Server
from trunkline.store.transaction import Transaction

EVENTS_READ_MAX: Final = 10_000  # Of one server, the newest; what is older is not told of.

# By the action of the audit trail: what Nova calls it. Source: nova/compute/instance_actions.py.
ACTIONS: Final[Mapping[str, str]] = MappingProxyType({
    "server.create": "create",
    "server.delete": "delete",
    "server.start": "start",
    "server.stop": "stop",
    "server.reboot": "reboot",
    "server.rebuild": "rebuild",
    "server.pause": "pause",
    "server.unpause": "unpause",
    "server.attach_interface": "attach_interface",
    "server.detach_interface": "detach_interface",
    "server.lock": "lock",
    "server.unlock": "unlock",
    "server.reset_state": "resetState",
})  # fmt: skip
_FAILURES: Final = frozenset(
    {"server.error", "server.refused", "server.attach_failed", "server.detach_failed"}
)
_USER: Final = "user "  # How actors who are people begin.


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAction:
    """What one request asked, with what is on record about it, oldest first."""

    asked: AuditEvent
    events: tuple[AuditEvent, ...]

    @property
    def name(self) -> str:
        """What Nova calls it."""
        return ACTIONS[self.asked.action]

    @property
    def updated_at(self) -> datetime:
        """When something of it was last put on record."""
        return max(self.asked.at, *(event.at for event in self.events))

    @property
    def failed(self) -> bool:
        """Whether it came to nothing, or in the end to an error."""
        return any(is_failure(event) for event in self.events)


def is_failure(event: AuditEvent) -> bool:
    """Say whether an event tells that something went wrong."""
    return event.action in _FAILURES or event.details.get("state") == "ERROR"


def list_actions(
    svc: Services, caller: Caller, server_id: str, *, with_deleted: bool
) -> tuple[Server, list[ServerAction]]:
    """Return a server, and what was asked to be done with it, newest first.

    Args:
        svc: Where it is on record.
        caller: Must be of the server's project, or an admin.
        server_id: Of the server.
        with_deleted: Whether a server that is deleted is still told of.
    """

    def read(tx: Transaction) -> tuple[Server, list[ServerAction]]:
        server = tx.servers.find(server_id)
        if server is None and with_deleted:
            server = tx.servers.find_deleted(server_id)
        if server is None:
            raise NotFound("server", server_id)
        require_seen(caller, rules.LIST_ACTIONS, of_server(server), "server", server_id)
        return server, _actions(tx.events.of_server(server_id, limit=EVENTS_READ_MAX))

    return svc.store.read(read)


def _actions(newest_first: Sequence[AuditEvent]) -> list[ServerAction]:
    asked = {e.request_id: e for e in newest_first if e.action in ACTIONS and e.request_id}
    events: dict[str, list[AuditEvent]] = {request_id: [] for request_id in asked}
    current: str | None = None
    for event in reversed(newest_first):
        if event.request_id in asked:
            current = event.request_id
        elif event.actor.startswith(_USER):
            continue  # A change that is none of Nova's actions, such as a new name.
        if current is not None and event.action.startswith("server."):
            events[current].append(event)
    return [
        ServerAction(asked=event, events=tuple(events[request_id]))
        for request_id, event in asked.items()
    ]

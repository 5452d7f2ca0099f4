"""Locking servers against changes by others than admins, and lifting such locks."""

from __future__ import annotations

from dataclasses import replace

from trunkline.control import audit
from trunkline.control.access import of_server, require
from trunkline.control.audit import actor_of
from trunkline.control.own_servers import own_server
from trunkline.control.services import Services
from trunkline.domain.identity import Caller
from trunkline.domain.policy import compute_rules as rules
from trunkline.domain.server import Server
from trunkline.domain.server_lock import LockedBy
from trunkline.store.transaction import Transaction


def lock(svc: Services, caller: Caller, server_id: str, *, reason: str | None = None) -> None:
    """Lock a server. One that is locked stays as it is, unless an admin takes the lock over."""

    def put(tx: Transaction) -> None:
        server = own_server(tx, caller, server_id, rules.LOCK_SERVER)
        whose = _whose(caller, server)
        if server.locked_by is None or whose is LockedBy.ADMIN:
            locked = replace(server, locked_by=whose, locked_reason=reason)
            _write(tx, svc, caller, locked, "server.lock", reason=reason)

    svc.store.write(put)


def unlock(svc: Services, caller: Caller, server_id: str) -> None:
    """Lift the lock of a server, if there is one.

    Raises:
        Forbidden: An admin put it, and the caller is none.
    """

    def lift(tx: Transaction) -> None:
        server = own_server(tx, caller, server_id, rules.UNLOCK_SERVER)
        if server.locked_by is LockedBy.ADMIN:
            require(caller, rules.OVERRIDE_LOCK, of_server(server))
        if server.locked_by is not None:
            unlocked = replace(server, locked_by=None, locked_reason=None)
            _write(tx, svc, caller, unlocked, "server.unlock")

    svc.store.write(lift)


def _whose(caller: Caller, server: Server) -> LockedBy:
    """Say whose lock it would be: an admin in the server's own project is its owner, as in Nova."""
    return LockedBy.OWNER if server.project_id == caller.project_id else LockedBy.ADMIN


def _write(
    tx: Transaction, svc: Services, caller: Caller, server: Server, action: str, **details: object
) -> None:
    now = svc.clock.now()
    tx.servers.update(replace(server, updated_at=now))
    audit.record(
        tx, actor_of(caller), now, action, f"server {server.id}",
        project_id=server.project_id, server_id=server.id, details=details,
    )  # fmt: skip

"""Servers that a caller is about to change."""

from __future__ import annotations

from trunkline.control.access import of_server, require_change
from trunkline.control.locking import lock_server
from trunkline.domain.identity import Caller
from trunkline.domain.policy import compute_rules as rules
from trunkline.domain.policy.rule import Rule
from trunkline.domain.server import Server
from trunkline.domain.server_lock import ServerLocked
from trunkline.store.transaction import Transaction


def own_server(tx: Transaction, caller: Caller, server_id: str, rule: Rule) -> Server:
    """Return a server that `rule` lets the caller change, its row locked."""
    server = lock_server(tx, server_id)
    require_changeable(caller, server, rule)
    return server


def unlocked_server(tx: Transaction, caller: Caller, server_id: str, rule: Rule) -> Server:
    """Return a server as `own_server` does, if its owner has not locked it against changes.

    Raises:
        ServerLocked: It is locked, and the caller may not lift locks of others.
    """
    server = own_server(tx, caller, server_id, rule)
    require_unlocked(caller, server)
    return server


def require_changeable(caller: Caller, server: Server, rule: Rule) -> None:
    """Raise `NotFound` for a server that the caller can't see, `Forbidden` if `rule` says no."""
    target = of_server(server)
    require_change(caller, rule, target, "server", server.id, see=rules.SHOW_SERVER)


def require_unlocked(caller: Caller, server: Server) -> None:
    """Raise `ServerLocked` if a lock keeps the caller from changing `server`."""
    if server.locked_by is None or caller.may(rules.OVERRIDE_LOCK, of_server(server)):
        return
    raise ServerLocked(server.id)

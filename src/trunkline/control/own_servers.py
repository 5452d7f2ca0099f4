"""Servers that a caller is about to change."""

from __future__ import annotations

from trunkline.control.access import require_owner
from trunkline.control.locking import lock_server
from trunkline.domain.identity import Caller
from trunkline.domain.server import Server
from trunkline.domain.server_lock import ServerLocked
from trunkline.store.transaction import Transaction


def own_server(tx: Transaction, caller: Caller, server_id: str) -> Server:
    """Return a server that the caller may change, its row locked."""
    server = lock_server(tx, server_id)
    require_owner(caller, server, "server", server_id)
    return server


def unlocked_server(tx: Transaction, caller: Caller, server_id: str) -> Server:
    """Return a server as `own_server` does, if its owner has not locked it against changes.

    Raises:
        ServerLocked: It is locked, and the caller is no admin.
    """
    server = own_server(tx, caller, server_id)
    require_unlocked(caller, server)
    return server


def require_unlocked(caller: Caller, server: Server) -> None:
    """Raise `ServerLocked` if a lock keeps the caller from changing `server`."""
    if server.locked_by is not None and not caller.is_admin:
        raise ServerLocked(server.id)

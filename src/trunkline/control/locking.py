"""Reading what is about to be changed, so that nobody else changes it meanwhile.

On PostgreSQL transactions run side by side, and two that read the same row and write it whole
would undo each other's change. See `store.locks` for the order.
"""

from __future__ import annotations

from trunkline.domain.binding import Binding
from trunkline.domain.port import Port
from trunkline.domain.server import Server
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction


def lock_server(tx: Transaction, server_id: str) -> Server:
    """Return a server, its host and it locked; raise `NotFound` if there is none."""
    server = tx.servers.get(server_id)
    while True:
        if server.host_id is not None:
            tx.hosts.get(server.host_id, Lock.EXCLUSIVE)  # First, as whoever takes a report in.
        locked = tx.servers.get(server_id, Lock.EXCLUSIVE)
        if locked.host_id == server.host_id:
            return locked
        server = locked  # Placed anew while we waited.


def lock_port(tx: Transaction, port_id: str) -> tuple[Port, Binding | None]:
    """Return a port and its binding, both to stay as they are; raise `NotFound` if there is none.

    The host of a port that a server has is locked too: it lets go of the port in that order.
    """
    port = tx.ports.get(port_id)
    before = tx.bindings.find(port.id)
    if before is not None and before.server_id is not None:
        tx.hosts.get(before.host_id, Lock.EXCLUSIVE)
    port = tx.ports.get(port_id, Lock.EXCLUSIVE)
    return port, tx.bindings.find(port.id)

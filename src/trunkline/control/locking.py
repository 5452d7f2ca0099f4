"""Reading what is about to be changed, so that nobody else changes it meanwhile.

On PostgreSQL transactions run side by side, and two that read the same row and write it whole
would undo each other's change. See `store.locks` for the order.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from trunkline.domain.binding import Binding
from trunkline.domain.errors import GenerationMoved
from trunkline.domain.ids import HostId, PortId
from trunkline.domain.port import Port
from trunkline.domain.server import Server
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction


class Revised(Protocol):
    """Something that counts its changes."""

    @property
    def id(self) -> str:
        """Its ID."""
        ...

    @property
    def revision(self) -> int:
        """How often it has changed."""
        ...


def require_revision(what: str, thing: Revised, seen: int | None) -> None:
    """Raise `GenerationMoved` unless the thing, which is locked, is as the caller has seen it.

    None: the caller does not say.
    """
    if seen not in (None, thing.revision):
        raise GenerationMoved(what, thing.id, seen_generation=seen or 0)


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
    before = tx.bindings.find(PortId(port_id))
    if before is not None and before.server_id is not None:
        tx.hosts.get(before.host_id, Lock.EXCLUSIVE)
    port = tx.ports.get(port_id, Lock.EXCLUSIVE)
    return port, tx.bindings.find(port.id)


def lock_ports(tx: Transaction, port_ids: Collection[PortId]) -> list[Port]:
    """Return several ports, they and the hosts that they are bound to locked.

    Raises:
        GenerationMoved: One was bound elsewhere while we waited.
    """
    before = _hosts_of(tx, port_ids)
    for host_id in sorted({*before.values()}):
        tx.hosts.get(host_id, Lock.EXCLUSIVE)
    ports = tx.ports.get_many(sorted(port_ids), Lock.EXCLUSIVE)
    after = _hosts_of(tx, port_ids)
    for port_id in port_ids:
        if before.get(port_id) != after.get(port_id):
            raise GenerationMoved("port", port_id, seen_generation=0)
    return ports


def _hosts_of(tx: Transaction, port_ids: Collection[PortId]) -> dict[PortId, HostId]:
    bindings = tx.bindings.of_ports(list(port_ids)) if port_ids else {}
    return {port_id: binding.host_id for port_id, binding in bindings.items()}

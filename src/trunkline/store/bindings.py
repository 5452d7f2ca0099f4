"""Bindings: one row is the truth about where a port is; the views derive from it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select
from sqlalchemy.exc import IntegrityError

from trunkline.domain.binding import Binding, BindingState
from trunkline.domain.errors import AlreadyExists
from trunkline.domain.ids import HostId, PortId, ServerId
from trunkline.store.prepared import Prepared, Row
from trunkline.store.statements import (
    among,
    insert_row,
    row_values,
    select_where_in,
    update_row,
)
from trunkline.store.tables import bindings

_OF_PORTS = Prepared(select_where_in(bindings, "port_id").order_by(bindings.c.port_id))
_OF_SERVERS = Prepared(select_where_in(bindings, "server_id").order_by(bindings.c.port_id))
_OF_HOSTS = Prepared(select_where_in(bindings, "host_id").order_by(bindings.c.port_id))
_INSERT = Prepared(insert_row(bindings))
_UPDATE = Prepared(update_row(bindings, "port_id"))
_DELETE = Prepared(delete(bindings).where(bindings.c.port_id == bindparam("this_port")))


class Bindings:
    """Rows of bindings."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, port_id: PortId) -> Binding | None:
        """Return a port's binding; None: it is unbound."""
        return self.of_ports([port_id]).get(port_id)

    def of_ports(self, port_ids: Collection[PortId]) -> dict[PortId, Binding]:
        """Return the bindings of those ports that are bound."""
        if not port_ids:
            return {}
        found = self._read(_OF_PORTS, port_ids)
        return {binding.port_id: binding for binding in found}

    def of_server(self, server_id: ServerId) -> list[Binding]:
        """Return the bindings of a server's ports."""
        return self._read(_OF_SERVERS, [server_id])

    def of_host(self, host_id: HostId) -> list[Binding]:
        """Return every binding on a host."""
        return self._read(_OF_HOSTS, [host_id])

    def count_on_segment(self, segment_id: str) -> int:
        """Return how many ports are bound on a segment."""
        count: int | None = self._connection.scalar(
            select(func.count()).select_from(bindings).where(bindings.c.segment_id == segment_id)
        )
        return count or 0

    def insert(self, binding: Binding) -> None:
        """Store a new binding; raise `AlreadyExists` if the port has one."""
        try:
            _INSERT.run(self._connection, _row(binding))
        except IntegrityError as taken:
            raise AlreadyExists("binding of port", binding.port_id) from taken

    def update(self, binding: Binding) -> None:
        """Store a changed binding."""
        _UPDATE.run(self._connection, row_values(_row(binding), port_id=binding.port_id))

    def delete(self, port_id: PortId) -> None:
        """Unbind a port."""
        _DELETE.run(self._connection, {"this_port": port_id})

    def _read(self, statement: Prepared, wanted: Collection[str]) -> list[Binding]:
        return [_binding(row) for row in statement.all(self._connection, among(wanted))]


def _row(binding: Binding) -> dict[str, Any]:
    return {
        "port_id": binding.port_id,
        "host_id": binding.host_id,
        "server_id": binding.server_id,
        "state": binding.state.value,
        "segment_id": binding.segment_id,
        "device_id": binding.device_id,
        "vif_type": binding.vif_type,
        "vif_details": binding.vif_details,
        "generation": binding.generation,
    }


def _binding(row: Row) -> Binding:
    return Binding(**dict(row) | {"state": BindingState(row["state"])})

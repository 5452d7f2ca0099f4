"""Bindings: one row is the truth about where a port is; the views derive from it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from trunkline.domain.binding import Binding, BindingState
from trunkline.domain.errors import AlreadyExists
from trunkline.domain.ids import HostId, PortId, ServerId
from trunkline.store.statements import among, row_values, select_where_in, update_row
from trunkline.store.tables import bindings

_OF_PORTS = select_where_in(bindings, "port_id").order_by(bindings.c.port_id)
_OF_SERVERS = select_where_in(bindings, "server_id").order_by(bindings.c.port_id)
_OF_HOSTS = select_where_in(bindings, "host_id").order_by(bindings.c.port_id)
_INSERT = insert(bindings)
_UPDATE = update_row(bindings, "port_id")


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
        found = self._read(_OF_PORTS, among(port_ids))
        return {binding.port_id: binding for binding in found}

    def of_server(self, server_id: ServerId) -> list[Binding]:
        """Return the bindings of a server's ports."""
        return self._read(_OF_SERVERS, among([server_id]))

    def of_host(self, host_id: HostId) -> list[Binding]:
        """Return every binding on a host."""
        return self._read(_OF_HOSTS, among([host_id]))

    def count_on_segment(self, segment_id: str) -> int:
        """Return how many ports are bound on a segment."""
        count: int | None = self._connection.scalar(
            select(func.count()).select_from(bindings).where(bindings.c.segment_id == segment_id)
        )
        return count or 0

    def insert(self, binding: Binding) -> None:
        """Store a new binding; raise `AlreadyExists` if the port has one."""
        try:
            self._connection.execute(_INSERT, _row(binding))
        except IntegrityError as taken:
            raise AlreadyExists("binding of port", binding.port_id) from taken

    def update(self, binding: Binding) -> None:
        """Store a changed binding."""
        self._connection.execute(_UPDATE, row_values(_row(binding), port_id=binding.port_id))

    def delete(self, port_id: PortId) -> None:
        """Unbind a port."""
        self._connection.execute(delete(bindings).where(bindings.c.port_id == port_id))

    def _read(self, statement: Select[Any], parameters: Mapping[str, object]) -> list[Binding]:
        rows = self._connection.execute(statement, parameters).mappings()
        return [_binding(row) for row in rows]


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
    }


def _binding(row: RowMapping) -> Binding:
    return Binding(**dict(row) | {"state": BindingState(row["state"])})

"""Quotas of projects, and what counts against them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, func, select

from trunkline.domain.allocation import AllocationState
from trunkline.domain.device import DeviceKind
from trunkline.domain.ids import PhysicalNetwork, PortId, ProjectId, ServerId
from trunkline.domain.quota import Quota
from trunkline.store.locks import Lock
from trunkline.store.prepared import Row
from trunkline.store.statements import by_lock, insert_or_update
from trunkline.store.tables import allocations, devices, quotas

_OF_PROJECT = (
    select(quotas)
    .where(quotas.c.project_id == bindparam("project"))
    .order_by(quotas.c.kind, quotas.c.physical_network)
)
_BY_LOCK = by_lock(_OF_PROJECT)
_ALL = select(quotas).order_by(quotas.c.project_id, quotas.c.kind, quotas.c.physical_network)
# What is being taken back is nobody's any more: a project need not wait for a slow host.
_HELD = (
    select(devices.c.kind, devices.c.physical_network, func.count())
    .select_from(allocations.join(devices, devices.c.id == allocations.c.device_id))
    .where(
        allocations.c.project_id == bindparam("project"),
        allocations.c.state.in_([AllocationState.CLAIMED.value, AllocationState.ACTIVE.value]),
    )
    .group_by(devices.c.kind, devices.c.physical_network)
)
_HELD_BY_SERVERS = _HELD.where(allocations.c.server_id.in_(bindparam("servers", expanding=True)))
_HELD_BY_PORT = _HELD.where(allocations.c.port_id == bindparam("port"))

DeviceCounts = Counter[tuple[DeviceKind, PhysicalNetwork | None]]


class Quotas:
    """Rows of quotas."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> list[Quota]:
        """Return every quota, by project."""
        return [_quota(row) for row in self._connection.execute(_ALL).mappings()]

    def of_project(self, project_id: ProjectId, lock: Lock = Lock.NONE) -> list[Quota]:
        """Return a project's quotas.

        With `Lock.EXCLUSIVE` nobody else can find out meanwhile how much of them is left: what is
        counted then stands until the transaction ends.
        """
        rows = _BY_LOCK[lock].all(self._connection, {"project": project_id})
        return [_quota(row) for row in rows]

    def held(
        self,
        project_id: ProjectId,
        *,
        server_ids: Collection[ServerId] = (),
        port_id: PortId | None = None,
    ) -> DeviceCounts:
        """Count the devices that a project, or servers or a port of it, holds."""
        values: dict[str, object] = {"project": project_id}
        statement = _HELD
        if server_ids:
            statement, values["servers"] = _HELD_BY_SERVERS, list(server_ids)
        elif port_id is not None:
            statement, values["port"] = _HELD_BY_PORT, port_id
        rows = self._connection.execute(statement, values)
        return Counter({(DeviceKind(kind), name): count for kind, name, count in rows})

    def put(self, quota: Quota) -> None:
        """Set one, whether there was one or not."""
        statement = insert_or_update(self._connection, quotas).values(_row(quota))
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["project_id", "kind", "physical_network"],
                set_={"most": quota.limit},
            )
        )

    def delete(
        self, project_id: ProjectId, kind: DeviceKind, physical_network: PhysicalNetwork | None
    ) -> bool:
        """Take one away; say whether there was one."""
        found = self._connection.execute(
            delete(quotas).where(
                and_(
                    quotas.c.project_id == project_id,
                    quotas.c.kind == kind.value,
                    quotas.c.physical_network == (physical_network or ""),
                )
            )
        )
        return found.rowcount > 0


def _row(quota: Quota) -> dict[str, Any]:
    return {
        "project_id": quota.project_id,
        "kind": quota.kind.value,
        "physical_network": quota.physical_network or "",
        "most": quota.limit,
    }


def _quota(row: Row) -> Quota:
    return Quota(
        project_id=ProjectId(row["project_id"]),
        kind=DeviceKind(row["kind"]),
        physical_network=PhysicalNetwork(row["physical_network"]) or None,
        limit=row["most"],
    )

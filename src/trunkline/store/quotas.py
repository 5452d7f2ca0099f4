"""Quotas of projects, and what counts against them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    Connection,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
)

from trunkline.domain.allocation import AllocationState
from trunkline.domain.device import DeviceKind
from trunkline.domain.ids import PhysicalNetwork, PortId, ProjectId, ServerId
from trunkline.domain.quota import CABLED, OF_DEVICE_KIND, Quota, Resource
from trunkline.domain.server import ServerState
from trunkline.store.group_tables import server_groups
from trunkline.store.prepared import Prepared, Row
from trunkline.store.security_group_tables import security_group_rules, security_groups
from trunkline.store.share_tables import shares
from trunkline.store.statements import insert_or_update
from trunkline.store.tables import (
    allocations,
    devices,
    networks,
    ports,
    quota_guards,
    quotas,
    servers,
    subnets,
)

_ANY_AMOUNT: Final = -1
_EVERY_PROJECT: Final = ""  # What the column has of a quota for all that have none of their own.
_ORDER = (quotas.c.project_id, quotas.c.resource, quotas.c.physical_network)
_ALL = select(quotas).order_by(*_ORDER)
_OF_PROJECT = Prepared(
    select(quotas)
    .where(or_(quotas.c.project_id == bindparam("project"), quotas.c.project_id == _EVERY_PROJECT))
    .order_by(*_ORDER)
)
# What is being taken back is nobody's any more: a project need not wait for a slow host.
_DEVICES = (
    select(
        devices.c.kind,
        devices.c.physical_network,
        func.count(),
        func.sum(allocations.c.egress_mbps),
        func.sum(allocations.c.ingress_mbps),
    )
    .select_from(allocations.join(devices, devices.c.id == allocations.c.device_id))
    .where(
        allocations.c.project_id == bindparam("project"),
        allocations.c.state.in_([AllocationState.CLAIMED.value, AllocationState.ACTIVE.value]),
    )
    .group_by(devices.c.kind, devices.c.physical_network)
)
_DEVICES_OF_SERVERS = _DEVICES.where(
    allocations.c.server_id.in_(bindparam("servers", expanding=True))
)
_DEVICES_OF_PORT = _DEVICES.where(allocations.c.port_id == bindparam("port"))
_SERVERS = select(
    func.count(), func.sum(servers.c.vcpus), func.sum(servers.c.memory_mib)
).where(
    servers.c.project_id == bindparam("project"),
    servers.c.state != ServerState.DELETED.value,
)  # fmt: skip

Held: TypeAlias = Counter[tuple[Resource, PhysicalNetwork | None]]


def _rows_of(table: Table) -> Select[Any]:
    return select(func.count()).where(table.c.project_id == bindparam("project"))


_ROWS: Final[Mapping[Resource, Select[Any]]] = {
    Resource.NETWORKS: _rows_of(networks),
    Resource.SUBNETS: _rows_of(subnets),
    Resource.PORTS: _rows_of(ports),
    Resource.SECURITY_GROUPS: _rows_of(security_groups),
    Resource.SECURITY_GROUP_RULES: _rows_of(security_group_rules),
    Resource.RBAC_POLICIES: _rows_of(shares),
    Resource.SERVER_GROUPS: _rows_of(server_groups),
}
_SIZES: Final = (Resource.SERVERS, Resource.CORES, Resource.MEMORY_MIB)


class Quotas:
    """Rows of quotas."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> list[Quota]:
        """Return every quota: those of all projects first, then by project."""
        return [_quota(row) for row in self._connection.execute(_ALL).mappings()]

    def of_project(self, project_id: ProjectId) -> list[Quota]:
        """Return the quotas of a project: its own, and those of all where it has none."""
        rows = _OF_PROJECT.all(self._connection, {"project": project_id})
        found = {}
        for quota in map(_quota, rows):  # Those of all projects come first.
            found[quota.resource, quota.physical_network] = quota
        return list(found.values())

    def guard(self, project_id: ProjectId) -> None:
        """Let nobody else find out how much of its quotas a project has left.

        What is counted from now on stands until the transaction ends.
        """
        # On SQLite, writes take turns anyway. Elsewhere the row is locked, whether it was there or
        # not; quotas themselves are no guard: those of all projects would hold up every project.
        statement = insert_or_update(self._connection, quota_guards).values(project_id=project_id)
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["project_id"], set_={"project_id": project_id}
            )
        )

    def held(
        self,
        project_id: ProjectId,
        resources: Collection[Resource] = frozenset(Resource),
    ) -> Held:
        """Count what a project holds of these resources."""
        found: Held = Counter()
        if CABLED & set(resources):
            found += self._devices(_DEVICES, project=project_id)
        if set(_SIZES) & set(resources):
            sums = self._connection.execute(_SERVERS, {"project": project_id}).one()
            found += Counter(
                {(what, None): amount or 0 for what, amount in zip(_SIZES, sums, strict=True)}
            )
        for resource in _ROWS.keys() & set(resources):
            count = self._connection.scalar(_ROWS[resource], {"project": project_id})
            found[resource, None] = count or 0
        return found

    def held_by_servers(self, project_id: ProjectId, server_ids: Collection[ServerId]) -> Held:
        """Count the devices and guarantees that these servers hold of a project's."""
        return self._devices(_DEVICES_OF_SERVERS, project=project_id, servers=list(server_ids))

    def held_by_port(self, project_id: ProjectId, port_id: PortId) -> Held:
        """Count the devices and guarantees that a port holds of its project's."""
        return self._devices(_DEVICES_OF_PORT, project=project_id, port=port_id)

    def put(self, quota: Quota) -> None:
        """Set one, whether there was one or not."""
        statement = insert_or_update(self._connection, quotas).values(_row(quota))
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["project_id", "resource", "physical_network"],
                set_={"most": statement.excluded.most},
            )
        )

    def delete(
        self,
        project_id: ProjectId | None,
        resource: Resource,
        physical_network: PhysicalNetwork | None,
    ) -> bool:
        """Take one away; say whether there was one."""
        found = self._connection.execute(
            delete(quotas).where(
                and_(
                    quotas.c.project_id == (project_id or _EVERY_PROJECT),
                    quotas.c.resource == resource.value,
                    quotas.c.physical_network == (physical_network or ""),
                )
            )
        )
        return found.rowcount > 0

    def delete_of(self, project_id: ProjectId) -> None:
        """Take away all that are a project's own."""
        for table in (quotas, quota_guards):
            self._connection.execute(delete(table).where(table.c.project_id == project_id))

    def _devices(self, statement: Select[Any], **values: object) -> Held:
        found: Held = Counter()
        for kind, name, count, egress, ingress in self._connection.execute(statement, values):
            found[OF_DEVICE_KIND[DeviceKind(kind)], name] += count
            found[Resource.EGRESS_MBPS, name] += egress
            found[Resource.INGRESS_MBPS, name] += ingress
        return found


def _row(quota: Quota) -> dict[str, Any]:
    return {
        "project_id": quota.project_id or _EVERY_PROJECT,
        "resource": quota.resource.value,
        "physical_network": quota.physical_network or "",
        "most": _ANY_AMOUNT if quota.limit is None else quota.limit,
    }


def _quota(row: Row) -> Quota:
    return Quota(
        project_id=ProjectId(row["project_id"]) or None,
        resource=Resource(row["resource"]),
        physical_network=PhysicalNetwork(row["physical_network"]) or None,
        limit=None if row["most"] == _ANY_AMOUNT else row["most"],
    )

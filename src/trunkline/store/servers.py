"""Servers. A deleted one keeps its row for a while, and while a device of it is held."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, exists, func, select

from trunkline.domain.errors import NotFound
from trunkline.domain.ids import HostId, ImageId, ServerId, ZoneName
from trunkline.domain.listing import ListQuery
from trunkline.domain.nic_rules import NumaPolicy
from trunkline.domain.server import DiskConfig, Flavor, PowerState, Server, ServerState
from trunkline.domain.server_filter import EXISTING, ServerFilter
from trunkline.domain.server_lock import LockedBy
from trunkline.store.listing import select_page
from trunkline.store.locks import Lock
from trunkline.store.prepared import Prepared, Row
from trunkline.store.server_filters import conditions
from trunkline.store.statements import (
    among,
    by_lock,
    insert_row,
    row_values,
    select_where_in,
    update_row,
)
from trunkline.store.tables import allocations, hosts, servers

_LIVE = servers.c.state != ServerState.DELETED.value
_HOST_NAME = select(hosts.c.name).where(hosts.c.id == servers.c.host_id).scalar_subquery()

_BY_IDS = by_lock(select_where_in(servers).where(_LIVE).order_by(servers.c.id))
_OF_HOSTS = Prepared(select_where_in(servers, "host_id").where(_LIVE).order_by(servers.c.id))
_INSERT = Prepared(insert_row(servers))
_UPDATE = Prepared(update_row(servers, "id"))


class Servers:
    """Rows of servers."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, server_id: str, lock: Lock = Lock.NONE) -> Server | None:
        """Return the server with this ID, if there is one that is not deleted."""
        return next(iter(self.get_many([server_id], lock).values()), None)

    def get(self, server_id: str, lock: Lock = Lock.NONE) -> Server:
        """Return the server with this ID; raise `NotFound` if there is none."""
        server = self.find(server_id, lock)
        if server is None:
            raise NotFound("server", server_id)
        return server

    def get_many(
        self, server_ids: Collection[str], lock: Lock = Lock.NONE
    ) -> dict[ServerId, Server]:
        """Return those of the servers that exist and are not deleted."""
        if not server_ids:
            return {}
        rows = _BY_IDS[lock].all(self._connection, among(server_ids))
        return {ServerId(row["id"]): _server(row) for row in rows}

    def find_deleted(self, server_id: str) -> Server | None:
        """Return the server with this ID, if it is deleted and not yet forgotten."""
        found = self.page(ListQuery(equals={"id": (server_id,)}), ServerFilter(deleted=True))
        return found[0] if found else None

    def page(self, query: ListQuery, chosen: ServerFilter = EXISTING) -> list[Server]:
        """Return one page of servers, newest first unless the query sorts."""
        wanted = [*conditions(chosen)]
        if query.visible_to is not None:
            wanted.append(servers.c.project_id == query.visible_to)
        rows = select_page(
            self._connection, servers, query, what="server", conditions=wanted,
            columns={"host": _HOST_NAME},
        )  # fmt: skip
        return [_server(row) for row in rows]

    def of_hosts(self, host_ids: Collection[HostId]) -> list[Server]:
        """Return the servers that belong on any of these hosts."""
        if not host_ids:
            return []
        rows = _OF_HOSTS.all(self._connection, among(host_ids))
        return [_server(row) for row in rows]

    def placed_of_project(
        self, project_id: str, *, user_id: str | None = None
    ) -> dict[ServerId, Flavor]:
        """Return the sizes of a project's servers that are on a host; of one user's only."""
        wanted = select(servers.c.id, servers.c.flavor).where(
            servers.c.project_id == project_id, servers.c.host_id.is_not(None), _LIVE
        )
        if user_id is not None:
            wanted = wanted.where(servers.c.user_id == user_id)
        return {
            ServerId(server_id): flavor for server_id, flavor in self._connection.execute(wanted)
        }

    def count_using_image(self, image_id: ImageId) -> int:
        """Return how many servers were made from an image."""
        count: int | None = self._connection.scalar(
            select(func.count()).select_from(servers).where(servers.c.image_id == image_id, _LIVE)
        )
        return count or 0

    def count_by_host(self, host_ids: Collection[HostId]) -> dict[HostId, int]:
        """Return how many servers each of these hosts has; none is left out."""
        rows = self._connection.execute(
            select(servers.c.host_id, func.count())
            .where(servers.c.host_id.in_(host_ids), _LIVE)
            .group_by(servers.c.host_id)
        )
        return {HostId(host_id): count for host_id, count in rows}

    def zones_asked_for(self, host_ids: Collection[HostId]) -> dict[HostId, set[ZoneName]]:
        """Return the zones that servers on these hosts were asked for in; others are left out."""
        rows = self._connection.execute(
            select(servers.c.host_id, servers.c.zone)
            .where(servers.c.host_id.in_(host_ids), servers.c.zone.is_not(None), _LIVE)
            .distinct()
        )
        found: dict[HostId, set[ZoneName]] = {}
        for host_id, zone in rows:
            found.setdefault(HostId(host_id), set()).add(ZoneName(zone))
        return found

    def insert(self, server: Server) -> None:
        """Store a new server."""
        self.insert_many([server])

    def insert_many(self, new: Sequence[Server]) -> None:
        """Store new servers."""
        _INSERT.run_many(self._connection, [_row(server) for server in new])

    def update(self, server: Server) -> None:
        """Store a changed server, which was read under `Lock.EXCLUSIVE`."""
        _UPDATE.run(self._connection, row_values(_row(server), id=server.id))

    def purge_deleted(self, before: datetime, *, limit: int) -> int:
        """Forget up to `limit` servers that were deleted before a time and hold nothing."""
        held = exists().where(allocations.c.server_id == servers.c.id)
        gone = select(servers.c.id).where(~_LIVE, servers.c.terminated_at < before, ~held)
        return self._connection.execute(
            delete(servers).where(servers.c.id.in_(gone.limit(limit)))
        ).rowcount


def _row(server: Server) -> dict[str, Any]:
    return {
        "id": server.id,
        "project_id": server.project_id,
        "user_id": server.user_id,
        "name": server.name,
        "state": server.state.value,
        "host_id": server.host_id,
        "numa_node": server.numa_node,
        "flavor": server.flavor,
        "flavor_id": server.flavor.id,
        "vcpus": server.flavor.vcpus,
        "memory_mib": server.flavor.memory_mib,
        "image_id": server.image_id,
        "port_ids": server.port_ids,
        "nic_tags": server.nic_tags,
        "places": server.places,
        "pci_requests": server.pci_requests,
        "nic_rules": server.nic_rules,
        "group_id": server.group_id,
        "zone": server.zone,
        "numa_policy": None if server.numa_policy is None else server.numa_policy.value,
        "power": server.power.value,
        "boot_number": server.boot_number,
        "disk_number": server.disk_number,
        "excluded_hosts": server.excluded_hosts,
        "fault": server.fault,
        "description": server.description,
        "metadata": server.metadata,
        "tags": server.tags,
        "config_drive": server.config_drive,
        "key_name": server.key_name,
        "public_key": server.public_key,
        "user_data": server.user_data,
        "hostname": server.hostname,
        "admin_password": server.admin_password,
        "access_ipv4": server.access_ipv4,
        "access_ipv6": server.access_ipv6,
        "disk_config": server.disk_config.value,
        "reservation_id": server.reservation_id,
        "launch_index": server.launch_index,
        "created_at": server.created_at,
        "updated_at": server.updated_at,
        "launched_at": server.launched_at,
        "terminated_at": server.terminated_at,
        "locked_by": None if server.locked_by is None else server.locked_by.value,
        "locked_reason": server.locked_reason,
        "image_properties": server.image_properties,
        "scheduler_hints": server.scheduler_hints,
    }


def _server(row: Row) -> Server:
    fields = dict(row)
    for name in ("flavor_id", "vcpus", "memory_mib"):
        del fields[name]  # The flavor has them.
    return Server(
        **fields
        | {
            "state": ServerState(row["state"]),
            "flavor": row["flavor"],
            "power": PowerState(row["power"]),
            "numa_policy": row["numa_policy"] and NumaPolicy(row["numa_policy"]),
            "disk_config": DiskConfig(row["disk_config"]),
            "port_ids": tuple(row["port_ids"]),
            "excluded_hosts": tuple(row["excluded_hosts"]),
            "tags": tuple(row["tags"]),
            "fault": row["fault"],
            "locked_by": row["locked_by"] and LockedBy(row["locked_by"]),
        }
    )

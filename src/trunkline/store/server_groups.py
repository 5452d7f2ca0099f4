"""Server groups and their members. A deleted server is a member no more."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from trunkline.domain.errors import GenerationMoved, NotFound
from trunkline.domain.ids import HostId, ProjectId, ServerGroupId, ServerId
from trunkline.domain.server import ServerState
from trunkline.domain.server_group import GroupPolicy, ServerGroup
from trunkline.store.group_tables import server_groups
from trunkline.store.prepared import Prepared, Row
from trunkline.store.statements import among, select_where_in
from trunkline.store.tables import servers

_LIVE = servers.c.state != ServerState.DELETED.value
_BY_IDS = Prepared(select_where_in(server_groups))
_MEMBERS = Prepared(
    select(servers.c.group_id, servers.c.id)
    .where(servers.c.group_id.in_(bindparam("among", expanding=True)), _LIVE)
    .order_by(servers.c.created_at, servers.c.launch_index, servers.c.id)
)
_PLACED = Prepared(
    select(servers.c.host_id, func.count().label("count"))
    .where(
        servers.c.group_id == bindparam("group"),
        servers.c.host_id.is_not(None),
        servers.c.id != bindparam("but"),
        _LIVE,
    )
    .group_by(servers.c.host_id)
)
_RAISE = Prepared(
    update(server_groups)
    .where(server_groups.c.id == bindparam("this_id"))
    .where(server_groups.c.generation == bindparam("seen"))
    .values(generation=server_groups.c.generation + 1)
)
# PostgreSQL's advisory locks of placing new members. Two groups may share a number: then one of
# them waits for the other.
_TURNS = 0x67726F75  # "grou"
_AWAIT_TURN = select(
    func.pg_advisory_xact_lock(bindparam("domain"), func.hashtext(bindparam("group")))
)


class ServerGroups:
    """Rows of server groups."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, group_id: str) -> ServerGroup | None:
        """Return the group with this ID, if there is one."""
        return next((_group(row) for row in _BY_IDS.all(self._connection, among([group_id]))), None)

    def get(self, group_id: str) -> ServerGroup:
        """Return the group with this ID; raise `NotFound` if there is none."""
        group = self.find(group_id)
        if group is None:
            raise NotFound("server group", group_id)
        return group

    def get_many(self, group_ids: Collection[str]) -> dict[ServerGroupId, ServerGroup]:
        """Return those of the groups that exist."""
        rows = _BY_IDS.all(self._connection, among(group_ids)) if group_ids else ()
        return {ServerGroupId(row["id"]): _group(row) for row in rows}

    def list_(
        self, project_id: ProjectId | None, *, limit: int, offset: int = 0
    ) -> list[ServerGroup]:
        """Return a project's groups, or those of all projects (None), oldest first."""
        statement = select(server_groups)
        if project_id is not None:
            statement = statement.where(server_groups.c.project_id == project_id)
        statement = statement.order_by(server_groups.c.created_at, server_groups.c.id)
        rows = self._connection.execute(statement.limit(limit).offset(offset)).mappings()
        return [_group(row) for row in rows]

    def members_of(
        self, group_ids: Collection[ServerGroupId]
    ) -> dict[ServerGroupId, tuple[ServerId, ...]]:
        """Return the members of each of these groups, oldest first."""
        found: dict[ServerGroupId, list[ServerId]] = {group_id: [] for group_id in group_ids}
        for row in _MEMBERS.all(self._connection, among(group_ids)) if group_ids else ():
            found[ServerGroupId(row["group_id"])].append(ServerId(row["id"]))
        return {group_id: tuple(members) for group_id, members in found.items()}

    def placed(self, group_id: ServerGroupId, *, but: str) -> dict[HostId, int]:
        """Count the members on each host that has any, one server left out."""
        rows = _PLACED.all(self._connection, {"group": group_id, "but": but})
        return {HostId(row["host_id"]): row["count"] for row in rows}

    def take_turn(self, group_id: str) -> None:
        """Wait until no other transaction places new members.

        So that these don't lose one race after another; it is no guard. Whoever has locked a host
        must not take it.
        """
        if self._connection.dialect.name == "postgresql":
            self._connection.execute(_AWAIT_TURN, {"domain": _TURNS, "group": group_id})

    def raise_generation(self, group_id: ServerGroupId, *, seen: int) -> None:
        """Say that members were placed, from where the others were at a generation.

        Raises:
            GenerationMoved: It has moved past `seen`, or the group is gone; nothing was written.
        """
        if _RAISE.run(self._connection, {"this_id": group_id, "seen": seen}) != 1:
            raise GenerationMoved("server group", group_id, seen_generation=seen)

    def insert(self, group: ServerGroup) -> None:
        """Store a new group."""
        self._connection.execute(insert(server_groups).values(_row(group)))

    def delete(self, group_id: ServerGroupId) -> None:
        """Forget a group; its members stay, and are of none."""
        self._connection.execute(delete(server_groups).where(server_groups.c.id == group_id))
        self._connection.execute(
            update(servers).where(servers.c.group_id == group_id).values(group_id=None)
        )


def _row(group: ServerGroup) -> dict[str, Any]:
    return {
        "id": group.id,
        "project_id": group.project_id,
        "user_id": group.user_id,
        "name": group.name,
        "policy": group.policy.value,
        "max_per_host": group.max_per_host,
        "generation": group.generation,
        "created_at": group.created_at,
    }


def _group(row: Row) -> ServerGroup:
    return ServerGroup(**dict(row) | {"policy": GroupPolicy(row["policy"])})

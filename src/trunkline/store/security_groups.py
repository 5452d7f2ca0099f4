"""Security groups, their rules, and which ports are in which."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, exists, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from trunkline.domain.errors import AlreadyExists, GenerationMoved, InUse, NotFound
from trunkline.domain.ids import PortId, ProjectId, SecurityGroupId
from trunkline.domain.listing import ListQuery
from trunkline.domain.qos import Direction
from trunkline.domain.security_group import Ethertype, SecurityGroup, SecurityGroupRule
from trunkline.store.listing import select_page
from trunkline.store.locks import Lock
from trunkline.store.prepared import Prepared, Row
from trunkline.store.security_group_tables import (
    security_group_ports,
    security_group_rules,
    security_groups,
)
from trunkline.store.shares import is_shared_with
from trunkline.store.statements import among, by_lock, insert_row, select_where_in

_BY_IDS = by_lock(select_where_in(security_groups).order_by(security_groups.c.id))
_RULES = Prepared(
    select_where_in(security_group_rules, "group_id").order_by(
        security_group_rules.c.created_at, security_group_rules.c.id
    )
)
_DEFAULT_OF = Prepared(
    select(security_groups.c.id).where(security_groups.c.default_of == bindparam("this_project"))
)
_OF_PORTS = Prepared(
    select_where_in(security_group_ports, "port_id").order_by(security_group_ports.c.group_id)
)
_ADD_PORT = Prepared(insert_row(security_group_ports))
_TAKE_PORT = Prepared(
    delete(security_group_ports).where(
        security_group_ports.c.port_id == bindparam("this_port"),
        security_group_ports.c.group_id == bindparam("this_group"),
    )
)


class SecurityGroups:
    """Rows of groups, rules, and ports in groups."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, group_id: str, lock: Lock = Lock.NONE) -> SecurityGroup:
        """Return the group with this ID; raise `NotFound` if there is none.

        Locking a group keeps its rules as they are.
        """
        found = self.get_many([group_id], lock)
        if not found:
            raise NotFound("security group", group_id)
        return found[0]

    def get_many(self, group_ids: Collection[str], lock: Lock = Lock.NONE) -> list[SecurityGroup]:
        """Return those of the groups that exist, by ID."""
        if not group_ids:
            return []
        return self._with_rules(_BY_IDS[lock].all(self._connection, among(sorted(group_ids))))

    def names_of(self, group_ids: Collection[str]) -> dict[str, tuple[ProjectId, str]]:
        """Return whose each of these groups is, and its name, without reading rules."""
        if not group_ids:
            return {}
        rows = _BY_IDS[Lock.NONE].all(self._connection, among(sorted(group_ids)))
        return {row["id"]: (ProjectId(row["project_id"]), row["name"]) for row in rows}

    def default_of(self, project_id: ProjectId) -> SecurityGroupId | None:
        """Return the default group of a project, if it has been made."""
        row = _DEFAULT_OF.one_or_none(self._connection, {"this_project": project_id})
        return None if row is None else SecurityGroupId(row["id"])

    def page(self, query: ListQuery) -> list[SecurityGroup]:
        """Return one page of groups."""
        conditions = []
        if query.visible_to is not None:
            conditions.append(
                or_(
                    security_groups.c.project_id == query.visible_to,
                    is_shared_with(security_groups.c.id, query.visible_to),
                )
            )
        rows = select_page(
            self._connection, security_groups, query, what="security group", conditions=conditions
        )
        return self._with_rules(rows)

    def rules_page(self, query: ListQuery) -> list[SecurityGroupRule]:
        """Return one page of rules: to a project its own, and those of its groups."""
        conditions = []
        if query.visible_to is not None:
            mine = exists().where(
                security_groups.c.id == security_group_rules.c.group_id,
                security_groups.c.project_id == query.visible_to,
            )
            conditions.append(or_(security_group_rules.c.project_id == query.visible_to, mine))
        rows = select_page(
            self._connection, security_group_rules, query, what="security group rule",
            conditions=conditions,
        )  # fmt: skip
        return [_rule(row) for row in rows]

    def get_rule(self, rule_id: str) -> SecurityGroupRule:
        """Return the rule with this ID; raise `NotFound` if there is none."""
        rows = self._connection.execute(
            select(security_group_rules).where(security_group_rules.c.id == rule_id)
        ).mappings()
        row = rows.one_or_none()
        if row is None:
            raise NotFound("security group rule", rule_id)
        return _rule(row)

    def insert(self, group: SecurityGroup) -> None:
        """Store a new group with its rules.

        Raises:
            GenerationMoved: It is to be its project's default, and another has just become that.
        """
        try:
            self._connection.execute(insert(security_groups).values(_row(group)))
        except IntegrityError as taken:
            raise GenerationMoved("security group", group.id, seen_generation=0) from taken
        if group.rules:
            rows = [_rule_row(rule) for rule in group.rules]
            self._connection.execute(insert(security_group_rules), rows)

    def insert_rule(self, rule: SecurityGroupRule) -> None:
        """Store a new rule; raise `AlreadyExists` if the group has one that means the same."""
        try:
            self._connection.execute(insert(security_group_rules).values(_rule_row(rule)))
        except IntegrityError as taken:
            raise AlreadyExists("security group rule of group", rule.group_id) from taken

    def delete_rule(self, rule: SecurityGroupRule) -> None:
        """Delete a rule."""
        self._connection.execute(
            delete(security_group_rules).where(security_group_rules.c.id == rule.id)
        )

    def update(self, group: SecurityGroup, *, seen: SecurityGroup) -> None:
        """Store a group's own fields; raise `GenerationMoved` if it is not as seen any more."""
        changed = self._connection.execute(
            update(security_groups)
            .where(security_groups.c.id == group.id, security_groups.c.revision == seen.revision)
            .values(_row(group))
        )
        if changed.rowcount != 1:
            raise GenerationMoved("security group", group.id, seen_generation=seen.revision)

    def delete(self, group: SecurityGroup) -> None:
        """Delete a group, its rules, and all rules about it; raise `InUse` if a port is in it."""
        if self.has_ports(group.id):
            raise InUse("security group", group.id, "ports are in it")
        try:
            self._connection.execute(
                delete(security_groups).where(security_groups.c.id == group.id)
            )
        except IntegrityError as used:
            raise InUse("security group", group.id, "ports are in it") from used

    def has_ports(self, group_id: SecurityGroupId) -> bool:
        """Whether a port is in the group."""
        return bool(
            self._connection.scalar(
                select(exists().where(security_group_ports.c.group_id == group_id))
            )
        )

    def of_ports(self, port_ids: Collection[PortId]) -> dict[PortId, tuple[SecurityGroupId, ...]]:
        """Return the groups that ports are in, of those that are in one."""
        if not port_ids:
            return {}
        found: dict[PortId, tuple[SecurityGroupId, ...]] = {}
        for row in _OF_PORTS.all(self._connection, among(port_ids)):
            port_id = PortId(row["port_id"])
            found[port_id] = (*found.get(port_id, ()), SecurityGroupId(row["group_id"]))
        return found

    def put_port(self, port_id: PortId, group_ids: Iterable[SecurityGroupId]) -> None:
        """Put a port into these groups, which it is not in; raise `NotFound` if one is gone."""
        for group_id in group_ids:
            try:
                _ADD_PORT.run(self._connection, {"port_id": port_id, "group_id": group_id})
            except IntegrityError as gone:
                raise NotFound("security group", group_id) from gone

    def take_port(self, port_id: PortId, group_ids: Collection[SecurityGroupId]) -> None:
        """Take a port out of these groups."""
        left = [{"this_port": port_id, "this_group": group_id} for group_id in group_ids]
        _TAKE_PORT.run_many(self._connection, left)

    def _with_rules(self, rows: Sequence[Row]) -> list[SecurityGroup]:
        if not rows:
            return []
        rules: dict[str, list[SecurityGroupRule]] = {row["id"]: [] for row in rows}
        for row in _RULES.all(self._connection, among(rules)):
            rules[row["group_id"]].append(_rule(row))
        return [_group(row, rules[row["id"]]) for row in rows]


def _row(group: SecurityGroup) -> dict[str, Any]:
    return {
        "id": group.id,
        "project_id": group.project_id,
        "name": group.name,
        "description": group.description,
        "stateful": group.stateful,
        "default_of": group.project_id if group.is_default else None,
        "tags": group.tags,
        "created_at": group.created_at,
        "updated_at": group.updated_at,
        "revision": group.revision,
    }


def _group(row: Row, rules: Sequence[SecurityGroupRule]) -> SecurityGroup:
    fields = {name: row[name] for name in row if name != "default_of"}
    return SecurityGroup(**fields, is_default=row["default_of"] is not None, rules=tuple(rules))


def _rule_row(rule: SecurityGroupRule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "group_id": rule.group_id,
        "project_id": rule.project_id,
        "direction": rule.direction.value,
        "ethertype": rule.ethertype.value,
        "protocol": rule.protocol,
        "port_range_min": rule.port_range_min,
        "port_range_max": rule.port_range_max,
        "remote_ip_prefix": rule.remote_ip_prefix,
        "remote_group_id": rule.remote_group_id,
        "description": rule.description,
        "meaning": rule.meaning,
        "created_at": rule.created_at,
        "updated_at": rule.updated_at,
        "revision": rule.revision,
    }


def _rule(row: Row) -> SecurityGroupRule:
    fields = {name: row[name] for name in row if name != "meaning"}
    return SecurityGroupRule(
        **fields
        | {"direction": Direction(row["direction"]), "ethertype": Ethertype(row["ethertype"])}
    )

"""QoS policies and their rules."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, bindparam, delete, exists, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from trunkline.domain.errors import AlreadyExists, GenerationMoved, InUse, NotFound
from trunkline.domain.ids import NetworkId, PortId, ProjectId, QosPolicyId, QosRuleId
from trunkline.domain.listing import ListQuery
from trunkline.domain.qos import Direction, QosPolicy, QosRule, QosRuleType
from trunkline.store.listing import select_page
from trunkline.store.locks import Lock
from trunkline.store.prepared import Prepared, Row
from trunkline.store.shares import is_seen_as_shared, is_shared_with
from trunkline.store.statements import among, by_lock, select_where_in
from trunkline.store.tables import networks, ports, qos_policies, qos_rules

_BY_IDS = by_lock(select_where_in(qos_policies).order_by(qos_policies.c.id))
_RULES = Prepared(
    select_where_in(qos_rules, "policy_id").order_by(qos_rules.c.type, qos_rules.c.direction)
)
_OF_NETWORKS = Prepared(
    select(networks.c.id, networks.c.qos_policy_id).where(
        networks.c.id.in_(bindparam("among", expanding=True)),
        networks.c.qos_policy_id.is_not(None),
    )
)


class QosPolicies:
    """Rows of policies and rules."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, policy_id: str, lock: Lock = Lock.NONE) -> QosPolicy:
        """Return the policy with this ID; raise `NotFound` if there is none.

        Locking a policy keeps its rules as they are.
        """
        found = self.get_many([policy_id], lock)
        if not found:
            raise NotFound("QoS policy", policy_id)
        return found[QosPolicyId(policy_id)]

    def get_many(
        self, policy_ids: Collection[str], lock: Lock = Lock.NONE
    ) -> dict[QosPolicyId, QosPolicy]:
        """Return those of the policies that exist."""
        if not policy_ids:
            return {}
        rows = _BY_IDS[lock].all(self._connection, among(sorted(policy_ids)))
        return {policy.id: policy for policy in self._with_rules(rows)}

    def of_networks(self, network_ids: Collection[NetworkId]) -> dict[NetworkId, QosPolicyId]:
        """Return which policy each of these networks has, of those that have one."""
        if not network_ids:
            return {}
        rows = _OF_NETWORKS.all(self._connection, among(sorted(network_ids)))
        return {NetworkId(row["id"]): QosPolicyId(row["qos_policy_id"]) for row in rows}

    def default_of(self, project_id: ProjectId) -> QosPolicyId | None:
        """Return the policy that new networks of a project have."""
        found: str | None = self._connection.scalar(
            select(qos_policies.c.id).where(qos_policies.c.default_of == project_id)
        )
        return None if found is None else QosPolicyId(found)

    def page(self, query: ListQuery) -> list[QosPolicy]:
        """Return one page of policies; `is_default` is a filter, too."""
        conditions: list[Any] = []
        if query.visible_to is not None:
            conditions.append(
                or_(
                    qos_policies.c.project_id == query.visible_to,
                    qos_policies.c.shared.is_(True),
                    is_shared_with(qos_policies.c.id, query.visible_to),
                )
            )
        equals = dict(query.equals)
        if "shared" in equals:
            shown = is_seen_as_shared(qos_policies, equals.pop("shared"), query.visible_to)
            conditions.append(shown)
        is_default = qos_policies.c.default_of.is_not(None)
        rows = select_page(
            self._connection, qos_policies, replace(query, equals=equals),
            what="QoS policy", conditions=conditions, columns={"is_default": is_default},
        )  # fmt: skip
        return self._with_rules(rows)

    def ports_with(self, policy_id: QosPolicyId) -> list[PortId]:
        """Return the ports that have a policy, of their own or as their network's, by ID."""
        own = ports.c.qos_policy_id == policy_id
        by_network = ports.c.qos_policy_id.is_(None) & ports.c.network_id.in_(
            select(networks.c.id).where(networks.c.qos_policy_id == policy_id)
        )
        found = self._connection.scalars(
            select(ports.c.id).where(or_(own, by_network)).order_by(ports.c.id)
        )
        return [PortId(port_id) for port_id in found]

    def ports_by_network(self, network_id: NetworkId) -> list[PortId]:
        """Return the ports of a network that have no policy of their own, by ID."""
        found = self._connection.scalars(
            select(ports.c.id)
            .where(ports.c.network_id == network_id, ports.c.qos_policy_id.is_(None))
            .order_by(ports.c.id)
        )
        return [PortId(port_id) for port_id in found]

    def insert(self, policy: QosPolicy) -> None:
        """Store a new policy without rules; raises what `update` raises of defaults."""
        try:
            self._connection.execute(insert(qos_policies).values(_row(policy)))
        except IntegrityError as taken:
            raise AlreadyExists("default QoS policy of project", policy.project_id) from taken

    def update(self, policy: QosPolicy, *, seen: QosPolicy) -> None:
        """Store a policy's changed fields; its rules stay.

        Raises:
            GenerationMoved: It is not as seen any more.
            AlreadyExists: Another one is the default of its project.
        """
        statement = update(qos_policies).where(
            qos_policies.c.id == policy.id, qos_policies.c.revision == seen.revision
        )
        try:
            changed = self._connection.execute(statement.values(_row(policy)))
        except IntegrityError as taken:
            raise AlreadyExists("default QoS policy of project", policy.project_id) from taken
        if changed.rowcount != 1:
            raise GenerationMoved("QoS policy", policy.id, seen_generation=seen.revision)

    def delete(self, policy: QosPolicy) -> None:
        """Delete a policy with its rules; raise `InUse` if a port or a network has it."""
        for table, what in ((networks, "networks have it"), (ports, "ports have it")):
            if self._connection.scalar(select(exists().where(table.c.qos_policy_id == policy.id))):
                raise InUse("QoS policy", policy.id, what)
        try:
            self._connection.execute(delete(qos_policies).where(qos_policies.c.id == policy.id))
        except IntegrityError as used:
            raise InUse("QoS policy", policy.id, "ports or networks have it") from used

    def insert_rule(self, policy_id: QosPolicyId, rule: QosRule) -> None:
        """Store a new rule; raise `AlreadyExists` if there is one of its type and direction."""
        try:
            self._connection.execute(insert(qos_rules).values(_rule_row(policy_id, rule)))
        except IntegrityError as taken:
            raise _exists_already(policy_id, rule) from taken

    def update_rule(self, policy_id: QosPolicyId, rule: QosRule) -> None:
        """Store a changed rule; raises what `insert_rule` raises."""
        statement = update(qos_rules).where(qos_rules.c.id == rule.id)
        try:
            self._connection.execute(statement.values(_rule_row(policy_id, rule)))
        except IntegrityError as taken:
            raise _exists_already(policy_id, rule) from taken

    def delete_rule(self, rule: QosRule) -> None:
        """Delete a rule."""
        self._connection.execute(delete(qos_rules).where(qos_rules.c.id == rule.id))

    def _with_rules(self, rows: Sequence[Row]) -> list[QosPolicy]:
        if not rows:
            return []
        rules: dict[str, list[QosRule]] = {row["id"]: [] for row in rows}
        for row in _RULES.all(self._connection, among(rules)):
            rules[row["policy_id"]].append(_rule(row))
        return [_policy(row, rules[row["id"]]) for row in rows]


def _exists_already(policy_id: QosPolicyId, rule: QosRule) -> AlreadyExists:
    return AlreadyExists(f"{rule.direction.value} {rule.type.value} rule of QoS policy", policy_id)


def _row(policy: QosPolicy) -> dict[str, Any]:
    return {
        "id": policy.id,
        "project_id": policy.project_id,
        "name": policy.name,
        "description": policy.description,
        "shared": policy.shared,
        "default_of": policy.project_id if policy.is_default else None,
        "tags": policy.tags,
        "created_at": policy.created_at,
        "updated_at": policy.updated_at,
        "revision": policy.revision,
    }


def _policy(row: Row, rules: Sequence[QosRule]) -> QosPolicy:
    fields = {name: row[name] for name in row if name != "default_of"}
    return QosPolicy(**fields, is_default=row["default_of"] is not None, rules=tuple(rules))


def _rule_row(policy_id: QosPolicyId, rule: QosRule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "policy_id": policy_id,
        "type": rule.type.value,
        "direction": rule.direction.value,
        "kbps": rule.kbps,
        "burst_kbits": rule.burst_kbits,
    }


def _rule(row: Row) -> QosRule:
    return QosRule(
        id=QosRuleId(row["id"]),
        type=QosRuleType(row["type"]),
        direction=Direction(row["direction"]),
        kbps=row["kbps"],
        burst_kbits=row["burst_kbits"],
    )

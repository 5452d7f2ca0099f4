"""What new security groups have rules of."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, case, delete, func, insert, literal, select
from sqlalchemy.exc import IntegrityError

from trunkline.domain.errors import AlreadyExists, NotFound
from trunkline.domain.listing import ListQuery
from trunkline.domain.qos import Direction
from trunkline.domain.security_group import PARENT, DefaultRule, Ethertype
from trunkline.store.listing import select_page
from trunkline.store.prepared import Prepared, Row
from trunkline.store.security_group_tables import default_security_group_rules as rules

_REMOTE = case((rules.c.about_parent, literal(PARENT)), else_=rules.c.about_group_id)
_OF_DEFAULT = Prepared(select(rules).where(rules.c.in_default).order_by(rules.c.id))
_OF_OTHERS = Prepared(select(rules).where(rules.c.in_others).order_by(rules.c.id))
_BY_ID = Prepared(select(rules).where(rules.c.id == bindparam("this_id")))


class DefaultRules:
    """Rows of default rules."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of_new(self, *, is_default: bool) -> list[DefaultRule]:
        """Return what a new group has rules of, by ID."""
        statement = _OF_DEFAULT if is_default else _OF_OTHERS
        return [_rule(row) for row in statement.all(self._connection, {})]

    def get(self, rule_id: str) -> DefaultRule:
        """Return the rule with this ID; raise `NotFound` if there is none."""
        row = _BY_ID.one_or_none(self._connection, {"this_id": rule_id})
        if row is None:
            raise NotFound("default security group rule", rule_id)
        return _rule(row)

    def count(self) -> int:
        """Count them."""
        return self._connection.scalar(select(func.count()).select_from(rules)) or 0

    def page(self, query: ListQuery) -> list[DefaultRule]:
        """Return one page of them."""
        rows = select_page(
            self._connection, rules, query, what="default security group rule",
            columns={"remote_group_id": _REMOTE},
        )  # fmt: skip
        return [_rule(row) for row in rows]

    def insert(self, rule: DefaultRule) -> None:
        """Store a new one; raise `AlreadyExists` if another means the same for the same groups."""
        try:
            self._connection.execute(insert(rules).values(_row(rule)))
        except IntegrityError as taken:
            raise AlreadyExists("default security group rule", rule.meaning) from taken

    def delete(self, rule_id: str) -> None:
        """Delete one; raise `NotFound` if there is none."""
        gone = self._connection.execute(delete(rules).where(rules.c.id == rule_id))
        if gone.rowcount != 1:
            raise NotFound("default security group rule", rule_id)


def _row(rule: DefaultRule) -> dict[str, Any]:
    is_parent = rule.remote_group_id == PARENT
    return {
        "id": rule.id,
        "direction": rule.direction.value,
        "ethertype": rule.ethertype.value,
        "protocol": rule.protocol,
        "port_range_min": rule.port_range_min,
        "port_range_max": rule.port_range_max,
        "remote_ip_prefix": rule.remote_ip_prefix,
        "about_parent": is_parent,
        "about_group_id": None if is_parent else rule.remote_group_id,
        "description": rule.description,
        "in_default": rule.in_default,
        "in_others": rule.in_others,
        "meaning_in_default": rule.meaning if rule.in_default else None,
        "meaning_in_others": rule.meaning if rule.in_others else None,
    }


def _rule(row: Row) -> DefaultRule:
    derived = ("about_parent", "about_group_id", "meaning_in_default", "meaning_in_others")
    fields = {name: row[name] for name in row if name not in derived}
    return DefaultRule(
        **fields
        | {
            "direction": Direction(row["direction"]),
            "ethertype": Ethertype(row["ethertype"]),
            "remote_group_id": PARENT if row["about_parent"] else row["about_group_id"],
        }
    )

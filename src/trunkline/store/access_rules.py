"""Access rules of application credentials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, delete, exists, insert, select
from sqlalchemy.exc import IntegrityError

from trunkline.domain.access_rules import AccessMethod, AccessRule
from trunkline.domain.errors import AlreadyExists
from trunkline.domain.ids import AccessRuleId, UserId
from trunkline.store.identity_tables import access_rules, application_credential_access_rules
from trunkline.store.prepared import Prepared, Row

_TABLE, _GIVEN = access_rules, application_credential_access_rules
_COLUMNS = (_TABLE.c.id, _TABLE.c.service, _TABLE.c.method, _TABLE.c.path)
_ORDER = (_TABLE.c.service, _TABLE.c.path, _TABLE.c.method)
_WANTED: BindParameter[str] = bindparam("wanted")
_OF_CREDENTIAL = Prepared(
    select(*_COLUMNS)
    .join(_GIVEN, _GIVEN.c.access_rule_id == _TABLE.c.id)
    .where(_GIVEN.c.credential_id == _WANTED)
    .order_by(*_ORDER)
)


class AccessRules:
    """Rows of access rules."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of_credential(self, credential_id: str) -> tuple[AccessRule, ...]:
        """Return those of an application credential."""
        rows = _OF_CREDENTIAL.all(self._connection, {"wanted": credential_id})
        return tuple(_rule(row) for row in rows)

    def of_user(self, user_id: UserId, equals: Mapping[str, str] | None = None) -> list[AccessRule]:
        """Return those of a user, by service, path and method; of those, what columns equal."""
        wanted = [_TABLE.c[name] == value for name, value in (equals or {}).items()]
        statement = select(*_COLUMNS).where(_TABLE.c.user_id == user_id, *wanted).order_by(*_ORDER)
        return [_rule(dict(row)) for row in self._connection.execute(statement).mappings()]

    def insert(self, user_id: UserId, rules: Sequence[AccessRule]) -> None:
        """Store new ones of a user.

        Raises:
            AlreadyExists: The user has one of them.
        """
        if not rules:
            return
        rows = [
            {
                "id": rule.id, "user_id": user_id, "service": rule.service,
                "method": rule.method.value, "path": rule.path,
            }
            for rule in rules
        ]  # fmt: skip
        try:
            self._connection.execute(insert(_TABLE), rows)
        except IntegrityError as taken:
            raise AlreadyExists("access rule", rules[0].path) from taken

    def delete_unused(self, rule_id: AccessRuleId) -> bool:
        """Delete one, unless an application credential has it; say whether it is gone."""
        used = exists().where(_GIVEN.c.access_rule_id == rule_id)
        done = self._connection.execute(delete(_TABLE).where(_TABLE.c.id == rule_id, ~used))
        return done.rowcount == 1


def _rule(row: Row) -> AccessRule:
    values: dict[str, Any] = {**row, "method": AccessMethod(row["method"])}
    return AccessRule(**values)

"""Application credentials."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    bindparam,
    delete,
    func,
    insert,
    select,
)
from sqlalchemy.exc import IntegrityError

from trunkline.domain.errors import AlreadyExists, NotFound
from trunkline.domain.identity import ApplicationCredential
from trunkline.domain.ids import ApplicationCredentialId, ProjectId, RoleId, UserId
from trunkline.store.access_rules import AccessRules
from trunkline.store.identity_tables import (
    application_credential_access_rules,
    application_credential_roles,
    application_credentials,
)
from trunkline.store.prepared import Prepared, Row

_TABLE = application_credentials
_WANTED: BindParameter[str] = bindparam("wanted")
_BY_ID = Prepared(select(_TABLE).where(_TABLE.c.id == _WANTED))
_ROLES = Prepared(
    select(application_credential_roles.c.role_id).where(
        application_credential_roles.c.credential_id == _WANTED
    )
)


class ApplicationCredentials:
    """Rows of application credentials."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, credential_id: str) -> ApplicationCredential | None:
        """Return the application credential with this ID."""
        row = _BY_ID.one_or_none(self._connection, {"wanted": credential_id})
        return None if row is None else self._credential(row)

    def find_named(self, user_id: UserId, name: str) -> ApplicationCredential | None:
        """Return the one of a user that has this name."""
        found = self._where([_TABLE.c.user_id == user_id, _TABLE.c.name == name])
        return found[0] if found else None

    def of_user(self, user_id: UserId, name: str | None = None) -> list[ApplicationCredential]:
        """Return those of a user, by name; of that name if one is given."""
        named = [] if name is None else [_TABLE.c.name == name]
        return self._where([_TABLE.c.user_id == user_id, *named])

    def of_user_in(self, user_id: UserId, project_id: ProjectId) -> list[ApplicationCredential]:
        """Return those of a user in one project, by name."""
        return self._where([_TABLE.c.user_id == user_id, _TABLE.c.project_id == project_id])

    def with_role(self, role_id: RoleId) -> list[ApplicationCredentialId]:
        """Return the IDs of those that have a role."""
        roles = application_credential_roles
        statement = select(roles.c.credential_id).where(roles.c.role_id == role_id)
        return [
            ApplicationCredentialId(found)
            for found in self._connection.scalars(statement.order_by(roles.c.credential_id))
        ]

    def count_of_user(self, user_id: UserId) -> int:
        """Return how many a user has."""
        counted = select(func.count()).select_from(_TABLE).where(_TABLE.c.user_id == user_id)
        return self._connection.scalar(counted) or 0

    def insert(self, credential: ApplicationCredential) -> None:
        """Store a new one.

        Raises:
            AlreadyExists: Its user has one of that name.
        """
        row = {column.name: getattr(credential, column.name) for column in _TABLE.c}
        try:
            self._connection.execute(insert(_TABLE).values(row))
        except IntegrityError as taken:
            raise AlreadyExists("application credential", credential.name) from taken
        of_it = [
            {"credential_id": credential.id, "role_id": role_id}
            for role_id in sorted(credential.role_ids)
        ]
        try:
            self._connection.execute(insert(application_credential_roles), of_it)
        except IntegrityError as gone:
            raise NotFound("role of application credential", credential.name) from gone
        if credential.access_rules:
            self._connection.execute(
                insert(application_credential_access_rules),
                [
                    {"credential_id": credential.id, "access_rule_id": rule.id}
                    for rule in credential.access_rules
                ],
            )

    def delete(self, ids: Collection[ApplicationCredentialId]) -> None:
        """Delete some, with the tokens that were got by them."""
        self._connection.execute(delete(_TABLE).where(_TABLE.c.id.in_(ids)))

    def _where(self, conditions: Sequence[ColumnElement[bool]]) -> list[ApplicationCredential]:
        statement = select(_TABLE).where(*conditions).order_by(_TABLE.c.name)
        rows = self._connection.execute(statement).mappings().all()
        return [self._credential(dict(row)) for row in rows]

    def _credential(self, row: Row) -> ApplicationCredential:
        given = _ROLES.all(self._connection, {"wanted": row["id"]})
        role_ids = frozenset(RoleId(each["role_id"]) for each in given)
        access_rules = AccessRules(self._connection).of_credential(row["id"])
        values: dict[str, Any] = {**row, "role_ids": role_ids, "access_rules": access_rules}
        return ApplicationCredential(**values)

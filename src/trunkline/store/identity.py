"""Users, projects, roles and tokens."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from trunkline.domain.errors import AlreadyExists
from trunkline.domain.identity import Project, User
from trunkline.domain.ids import ProjectId, UserId
from trunkline.store.identity_tables import projects, role_assignments, tokens, users
from trunkline.store.prepared import Prepared

_WANTED: BindParameter[str] = bindparam("wanted")
_USER = Prepared(select(users).where(users.c.id == _WANTED))
_USER_NAMED = Prepared(select(users).where(users.c.name == _WANTED))
_PROJECT = Prepared(select(projects).where(projects.c.id == _WANTED))
_PROJECT_NAMED = Prepared(select(projects).where(projects.c.name == _WANTED))
_TOKEN = Prepared(select(tokens).where(tokens.c.token_hash == _WANTED))
_ROLES = Prepared(
    select(role_assignments.c.role).where(
        role_assignments.c.user_id == bindparam("user"),
        role_assignments.c.project_id == bindparam("project"),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRecord:
    """A token as the store keeps it: its text is known only to whom it was given."""

    token_hash: str  # SHA-256 of its text, in hex.
    user_id: UserId
    project_id: ProjectId
    issued_at: datetime
    expires_at: datetime
    methods: tuple[str, ...]
    audit_id: str


class Identity:
    """Rows of users, projects, role assignments and tokens."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find_user(self, *, user_id: str | None = None, name: str | None = None) -> User | None:
        """Return the user with this ID or, if that is not given, this name."""
        statement = _USER if user_id is not None else _USER_NAMED
        row = statement.one_or_none(
            self._connection, {"wanted": name if user_id is None else user_id}
        )
        return None if row is None else User(**row)

    def find_project(
        self, *, project_id: str | None = None, name: str | None = None
    ) -> Project | None:
        """Return the project with this ID or, if that is not given, this name."""
        statement = _PROJECT if project_id is not None else _PROJECT_NAMED
        row = statement.one_or_none(
            self._connection, {"wanted": name if project_id is None else project_id}
        )
        return None if row is None else Project(**row)

    def projects_of(self, user_id: UserId) -> list[Project]:
        """Return the projects in which a user has a role, by name."""
        rows = self._connection.execute(
            select(projects)
            .where(
                projects.c.id.in_(
                    select(role_assignments.c.project_id).where(
                        role_assignments.c.user_id == user_id
                    )
                )
            )
            .order_by(projects.c.name)
        ).mappings()
        return [Project(**row) for row in rows]

    def all_projects(self) -> list[Project]:
        """Return every project, by name."""
        rows = self._connection.execute(select(projects).order_by(projects.c.name)).mappings()
        return [Project(**row) for row in rows]

    def all_users(self) -> list[User]:
        """Return every user, by name."""
        rows = self._connection.execute(select(users).order_by(users.c.name)).mappings()
        return [User(**row) for row in rows]

    def roles_of(self, user_id: UserId, project_id: ProjectId) -> frozenset[str]:
        """Return the roles that were given to a user in a project."""
        rows = _ROLES.all(self._connection, {"user": user_id, "project": project_id})
        return frozenset(row["role"] for row in rows)

    def insert_user(self, user: User) -> None:
        """Store a new user; raise `AlreadyExists` if the name is taken."""
        self._insert(users, user, "user", user.name)

    def insert_project(self, project: Project) -> None:
        """Store a new project; raise `AlreadyExists` if the name is taken."""
        self._insert(projects, project, "project", project.name)

    def set_password_hash(self, user_id: UserId, password_hash: str) -> None:
        """Store another password, as argon2 encodes it."""
        self._connection.execute(
            update(users).where(users.c.id == user_id).values(password_hash=password_hash)
        )

    def grant(self, user_id: UserId, project_id: ProjectId, roles: Collection[str]) -> None:
        """Give a user roles in a project."""
        for role in sorted(roles):
            self._connection.execute(
                insert(role_assignments).values(user_id=user_id, project_id=project_id, role=role)
            )

    def find_token(self, token_hash: str) -> TokenRecord | None:
        """Return the token with this hash, expired or not."""
        row = _TOKEN.one_or_none(self._connection, {"wanted": token_hash})
        return None if row is None else TokenRecord(**row | {"methods": tuple(row["methods"])})

    def insert_token(self, token: TokenRecord) -> None:
        """Store a new token."""
        self._connection.execute(
            insert(tokens).values(
                token_hash=token.token_hash,
                user_id=token.user_id,
                project_id=token.project_id,
                issued_at=token.issued_at,
                expires_at=token.expires_at,
                methods=token.methods,
                audit_id=token.audit_id,
            )
        )

    def delete_token(self, token_hash: str) -> None:
        """Revoke a token."""
        self._connection.execute(delete(tokens).where(tokens.c.token_hash == token_hash))

    def purge_tokens(self, before: datetime, *, limit: int) -> int:
        """Forget up to `limit` tokens that expired before a time."""
        expired = select(tokens.c.token_hash).where(tokens.c.expires_at < before).limit(limit)
        return self._connection.execute(
            delete(tokens).where(tokens.c.token_hash.in_(expired))
        ).rowcount

    def delete_tokens_of(self, user_id: UserId) -> None:
        """Revoke every token of a user."""
        self._connection.execute(delete(tokens).where(tokens.c.user_id == user_id))

    def _insert(self, table: Any, value: User | Project, what: str, name: str) -> None:
        row = {column.name: getattr(value, column.name) for column in table.c}
        try:
            self._connection.execute(insert(table).values(row))
        except IntegrityError as taken:
            raise AlreadyExists(what, name) from taken

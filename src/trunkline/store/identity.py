"""Users and projects."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Select,
    Text,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.exc import IntegrityError

from trunkline.domain.errors import AlreadyExists
from trunkline.domain.identity import Project, User
from trunkline.domain.ids import ProjectId, UserId
from trunkline.domain.listing import ListQuery
from trunkline.domain.server import ServerState
from trunkline.store.domain_tables import group_role_assignments, user_group_members
from trunkline.store.identity_tables import projects, role_assignments, tokens, users
from trunkline.store.listing import select_page
from trunkline.store.locks import Lock
from trunkline.store.metadata import metadata
from trunkline.store.security_group_tables import security_groups
from trunkline.store.statements import among, by_lock, select_where_in
from trunkline.store.tables import servers
from trunkline.wire.json import encode

_WANTED: BindParameter[str] = bindparam("wanted")
_USER = by_lock(select(users).where(users.c.id == _WANTED))
_PROJECT = by_lock(select(projects).where(projects.c.id == _WANTED))
_USERS = select_where_in(users)
_PROJECTS = select_where_in(projects)

# Tables with a project's ID whose rows are nothing that it owns.
_NOT_OWNED: Final = frozenset({
    "allocations",  # Of its servers, or on their way back to their host by themselves.
    "application_credentials",  # These five go with it.
    "role_assignments",
    "group_role_assignments",
    "shares",  # With what is shared.
    "quotas",
    "quota_guards",
    "security_group_rules",  # With their groups.
    "events",  # The audit trail stays.
})  # fmt: skip


class Identity:
    """Rows of users and projects."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find_user(self, *, user_id: str, lock: Lock = Lock.NONE) -> User | None:
        """Return the user with this ID."""
        row = _USER[lock].one_or_none(self._connection, {"wanted": user_id})
        return None if row is None else User(**row)

    def users_named(self, name: str, domain_id: str | None = None) -> list[User]:
        """Return the users of a name: one of a domain at most, or those of all domains."""
        rows = self._connection.execute(_named(users, name, domain_id)).mappings()
        return [User(**row) for row in rows]

    def find_project(self, *, project_id: str, lock: Lock = Lock.NONE) -> Project | None:
        """Return the project with this ID."""
        row = _PROJECT[lock].one_or_none(self._connection, {"wanted": project_id})
        return None if row is None else Project(**row)

    def projects_named(self, name: str, domain_id: str | None = None) -> list[Project]:
        """Return the projects of a name: one of a domain at most, or those of all domains."""
        rows = self._connection.execute(_named(projects, name, domain_id)).mappings()
        return [Project(**row) for row in rows]

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
                | projects.c.id.in_(
                    select(group_role_assignments.c.project_id)
                    .join(
                        user_group_members,
                        user_group_members.c.group_id == group_role_assignments.c.group_id,
                    )
                    .where(user_group_members.c.user_id == user_id)
                )
            )
            .order_by(projects.c.name, projects.c.id)
        ).mappings()
        return [Project(**row) for row in rows]

    def has_children(self, project_id: ProjectId) -> bool:
        """Say whether there are projects below one."""
        statement = select(projects.c.id).where(projects.c.parent_id == project_id).limit(1)
        return self._connection.scalar(statement) is not None

    def all_projects(self) -> list[Project]:
        """Return every project, by name."""
        rows = self._connection.execute(select(projects).order_by(projects.c.name)).mappings()
        return [Project(**row) for row in rows]

    def all_users(self) -> list[User]:
        """Return every user, by name."""
        rows = self._connection.execute(select(users).order_by(users.c.name)).mappings()
        return [User(**row) for row in rows]

    def users_among(self, user_ids: Collection[UserId]) -> list[User]:
        """Return the users with these IDs."""
        rows = self._connection.execute(_USERS, among(user_ids)).mappings() if user_ids else ()
        return [User(**row) for row in rows]

    def projects_among(self, project_ids: Collection[ProjectId]) -> list[Project]:
        """Return the projects with these IDs."""
        found = among(project_ids)
        rows = self._connection.execute(_PROJECTS, found).mappings() if project_ids else ()
        return [Project(**row) for row in rows]

    def page_of_projects(self, query: ListQuery) -> list[Project]:
        """Return one page of projects.

        Beside the columns there are the filters `tags` (all of those given), `tags_any`,
        `not_tags` (not all of them) and `not_tags_any`.
        """
        equals = dict(query.equals)
        conditions = []
        for name, combine, negated in (
            ("tags", and_, False), ("tags_any", or_, False),
            ("not_tags", and_, True), ("not_tags_any", or_, True),
        ):  # fmt: skip
            if name in equals:
                has = combine(*(_has_tag(tag) for tag in equals.pop(name)))
                conditions.append(~has if negated else has)
        if "parent_id" in equals:  # Of those right below their domain it is the domain.
            above = equals.pop("parent_id")
            conditions.append(
                projects.c.parent_id.in_(above)
                | (projects.c.parent_id.is_(None) & projects.c.domain_id.in_(above))
            )
        query = replace(query, equals=equals)
        rows = select_page(self._connection, projects, query, what="project", conditions=conditions)
        return [Project(**row) for row in rows]

    def page_of_users(self, query: ListQuery) -> list[User]:
        """Return one page of users."""
        rows = select_page(self._connection, users, query, what="user")
        return [User(**row) for row in rows]

    def insert_user(self, user: User) -> None:
        """Store a new user; raise `AlreadyExists` if the name is taken in its domain."""
        try:
            self._connection.execute(insert(users).values(_row(users, user)))
        except IntegrityError as taken:
            raise AlreadyExists("user", user.name) from taken

    def insert_project(self, project: Project) -> None:
        """Store a new project; raise `AlreadyExists` if the name is taken in its domain."""
        try:
            self._connection.execute(insert(projects).values(_row(projects, project)))
        except IntegrityError as taken:
            raise AlreadyExists("project", project.name) from taken

    def update_user(self, user: User) -> None:
        """Store a changed user; raise `AlreadyExists` if the name is taken."""
        statement = update(users).where(users.c.id == user.id).values(_row(users, user))
        try:
            self._connection.execute(statement)
        except IntegrityError as taken:
            raise AlreadyExists("user", user.name) from taken

    def update_project(self, project: Project) -> None:
        """Store a changed project; raise `AlreadyExists` if the name is taken."""
        statement = update(projects).where(projects.c.id == project.id)
        try:
            self._connection.execute(statement.values(_row(projects, project)))
        except IntegrityError as taken:
            raise AlreadyExists("project", project.name) from taken

    def delete_user(self, user_id: UserId) -> None:
        """Delete a user with its roles, credentials and tokens."""
        self._connection.execute(delete(users).where(users.c.id == user_id))

    def delete_project(self, project_id: ProjectId) -> None:
        """Delete a project with what is of no use without it: roles, credentials, tokens…"""
        self._connection.execute(delete(tokens).where(tokens.c.target == project_id))
        self._connection.execute(
            update(users)
            .where(users.c.default_project_id == project_id)
            .values(default_project_id=None)
        )
        self._connection.execute(
            delete(security_groups).where(security_groups.c.default_of == project_id)
        )
        self._connection.execute(delete(projects).where(projects.c.id == project_id))

    def owned_by(self, project_id: str) -> Mapping[str, int]:
        """Count what a project owns, by the names of the tables that it is in."""
        counts = {}
        for table in metadata.sorted_tables:
            if "project_id" not in table.c or table.name in _NOT_OWNED:
                continue
            owned = [table.c.project_id == project_id]
            if table is servers:  # Those that are deleted are kept for a while.
                owned.append(servers.c.state != ServerState.DELETED.value)
            if table is security_groups:  # The default one is made, and goes, by itself.
                owned.append(security_groups.c.default_of.is_(None))
            statement = select(func.count()).select_from(table).where(*owned)
            if count := self._connection.scalar(statement):
                counts[table.name] = count
        return counts

    def set_password_hash(self, user_id: UserId, password_hash: str) -> None:
        """Store another password, as argon2 encodes it."""
        self._connection.execute(
            update(users).where(users.c.id == user_id).values(password_hash=password_hash)
        )


def _has_tag(tag: object) -> ColumnElement[bool]:
    """Say whether a project has a tag: as it stands in JSON its quotes end it."""
    stored = type_coerce(projects.c.tags, Text)
    return func.replace(stored, encode(tag).decode(), "") != stored


def _named(table: Any, name: str, domain_id: str | None) -> Select[Any]:
    statement = select(table).where(table.c.name == name).order_by(table.c.domain_id)
    return statement if domain_id is None else statement.where(table.c.domain_id == domain_id)


def _row(table: Any, value: User | Project) -> dict[str, Any]:
    return {column.name: getattr(value, column.name) for column in table.c}

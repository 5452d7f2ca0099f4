"""Groups of users, and who is in them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from trunkline.domain.errors import AlreadyExists, NotFound
from trunkline.domain.identity import User, UserGroup
from trunkline.domain.ids import GroupId, UserId
from trunkline.domain.listing import ListQuery
from trunkline.store.domain_tables import user_group_members, user_groups
from trunkline.store.identity_tables import users
from trunkline.store.listing import select_page
from trunkline.store.locks import Lock, locked
from trunkline.store.statements import insert_or_update


class UserGroups:
    """Rows of groups of users."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, group_id: str, lock: Lock = Lock.NONE) -> UserGroup | None:
        """Return the group with this ID."""
        statement = locked(select(user_groups).where(user_groups.c.id == group_id), lock)
        row = self._connection.execute(statement).mappings().one_or_none()
        return None if row is None else UserGroup(**row)

    def among(self, group_ids: Collection[GroupId]) -> list[UserGroup]:
        """Return the groups with these IDs."""
        statement = select(user_groups).where(user_groups.c.id.in_(group_ids))
        return [UserGroup(**row) for row in self._connection.execute(statement).mappings()]

    def page(self, query: ListQuery) -> list[UserGroup]:
        """Return one page of groups."""
        rows = select_page(self._connection, user_groups, query, what="group")
        return [UserGroup(**row) for row in rows]

    def of_user(self, user_id: UserId) -> list[UserGroup]:
        """Return the groups that a user is in, by name."""
        statement = (
            select(user_groups)
            .join(user_group_members, user_group_members.c.group_id == user_groups.c.id)
            .where(user_group_members.c.user_id == user_id)
            .order_by(user_groups.c.name, user_groups.c.id)
        )
        return [UserGroup(**row) for row in self._connection.execute(statement).mappings()]

    def page_of_members(self, group_id: GroupId, query: ListQuery) -> list[User]:
        """Return one page of the users who are in a group."""
        within = select(user_group_members.c.user_id).where(
            user_group_members.c.group_id == group_id
        )
        rows = select_page(
            self._connection, users, query, what="user", conditions=[users.c.id.in_(within)]
        )
        return [User(**row) for row in rows]

    def members_of(
        self, group_ids: Collection[GroupId], *, user_id: str | None = None, limit: int
    ) -> dict[GroupId, list[UserId]]:
        """Return who is in each of these groups, group by group up to a number; one user only."""
        table = user_group_members
        statement = select(table.c.group_id, table.c.user_id).where(table.c.group_id.in_(group_ids))
        if user_id is not None:
            statement = statement.where(table.c.user_id == user_id)
        ordered = statement.order_by(table.c.group_id, table.c.user_id).limit(limit)
        found: dict[GroupId, list[UserId]] = {}
        for group_id, member_id in self._connection.execute(ordered):
            found.setdefault(GroupId(group_id), []).append(UserId(member_id))
        return found

    def is_member(self, group_id: GroupId, user_id: UserId) -> bool:
        """Say whether a user is in a group."""
        table = user_group_members
        statement = select(table.c.user_id).where(
            table.c.group_id == group_id, table.c.user_id == user_id
        )
        return self._connection.scalar(statement) is not None

    def insert(self, group: UserGroup) -> None:
        """Store a new group; raise `AlreadyExists` if its domain has one of this name."""
        try:
            self._connection.execute(insert(user_groups).values(_row(group)))
        except IntegrityError as taken:
            raise AlreadyExists("group", group.name) from taken

    def update(self, group: UserGroup) -> None:
        """Store a changed group; raise `AlreadyExists` if its domain has one of this name."""
        statement = update(user_groups).where(user_groups.c.id == group.id).values(_row(group))
        try:
            self._connection.execute(statement)
        except IntegrityError as taken:
            raise AlreadyExists("group", group.name) from taken

    def delete(self, group_id: GroupId) -> None:
        """Delete a group with its roles; its members stay."""
        self._connection.execute(delete(user_groups).where(user_groups.c.id == group_id))

    def add_member(self, group_id: GroupId, user_id: UserId) -> None:
        """Put a user into a group; one who is in it stays so."""
        statement = insert_or_update(self._connection, user_group_members).values(
            group_id=group_id, user_id=user_id
        )
        try:
            self._connection.execute(statement.on_conflict_do_nothing())
        except IntegrityError as gone:
            raise NotFound("group or user", user_id) from gone

    def remove_member(self, group_id: GroupId, user_id: UserId) -> bool:
        """Take a user out of a group; False if the user is not in it."""
        table = user_group_members
        statement = delete(table).where(table.c.group_id == group_id, table.c.user_id == user_id)
        return self._connection.execute(statement).rowcount > 0


def _row(group: UserGroup) -> dict[str, Any]:
    return {column.name: getattr(group, column.name) for column in user_groups.c}

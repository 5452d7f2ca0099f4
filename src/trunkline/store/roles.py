"""Roles, and who was given them where."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    Column,
    Connection,
    Table,
    and_,
    bindparam,
    delete,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from trunkline.domain.errors import AlreadyExists, NotFound
from trunkline.domain.identity import (
    ADMIN,
    HolderKind,
    Role,
    RoleAssignment,
    RoleHolder,
    domain_in,
    names_had,
    project_in,
)
from trunkline.domain.ids import DomainId, RoleId, RoleTarget, UserId
from trunkline.domain.listing import ListQuery
from trunkline.store.domain_tables import (
    domains,
    group_role_assignments,
    implied_roles,
    user_group_members,
)
from trunkline.store.identity_tables import (
    NO_DOMAIN,
    projects,
    role_assignments,
    roles,
    users,
)
from trunkline.store.listing import select_page
from trunkline.store.locks import Lock, locked
from trunkline.store.prepared import Prepared
from trunkline.store.statements import insert_or_update

_IS_ADMIN = and_(roles.c.name == ADMIN, roles.c.domain_id == NO_DOMAIN)
_USER: BindParameter[str] = bindparam("user")
_TARGET: BindParameter[str] = bindparam("target")
_NAMED = Prepared(
    select(roles)
    .where(roles.c.name.in_(bindparam("names", expanding=True)), roles.c.domain_id == NO_DOMAIN)
    .order_by(roles.c.name)
)
_OWN = select(role_assignments.c.role_id).where(
    role_assignments.c.user_id == _USER, role_assignments.c.target == _TARGET
)
_OF_GROUPS = (
    select(group_role_assignments.c.role_id)
    .join(
        user_group_members,
        user_group_members.c.group_id == group_role_assignments.c.group_id,
    )
    .where(user_group_members.c.user_id == _USER, group_role_assignments.c.target == _TARGET)
)
_GIVEN = Prepared(
    select(roles)
    .where(or_(roles.c.id.in_(_OWN), roles.c.id.in_(_OF_GROUPS)))
    .order_by(roles.c.name)
)
_GIVEN_TO: Final[Mapping[HolderKind, Table]] = MappingProxyType(
    {HolderKind.USER: role_assignments, HolderKind.GROUP: group_role_assignments}
)


class Roles:
    """Rows of roles and role assignments."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, role_id: str, lock: Lock = Lock.NONE) -> Role | None:
        """Return the role with this ID."""
        statement = locked(select(roles).where(roles.c.id == role_id), lock)
        row = self._connection.execute(statement).mappings().one_or_none()
        return None if row is None else _role(row)

    def named(self, names: Collection[str]) -> list[Role]:
        """Return the roles of no domain with these names, by name."""
        if not names:
            return []
        rows = _NAMED.all(self._connection, {"names": sorted(names)})
        return [_role(row) for row in rows]

    def among(self, role_ids: Collection[RoleId]) -> list[Role]:
        """Return the roles with these IDs, by name."""
        if not role_ids:
            return []
        statement = select(roles).where(roles.c.id.in_(role_ids)).order_by(roles.c.name)
        return [_role(row) for row in self._connection.execute(statement).mappings()]

    def all(self) -> list[Role]:
        """Return every role, by name."""
        statement = select(roles).order_by(roles.c.name)
        return [_role(row) for row in self._connection.execute(statement).mappings()]

    def page(self, query: ListQuery, domain_id: DomainId | None) -> list[Role]:
        """Return one page of the roles of a domain, or of none."""
        of_it = roles.c.domain_id == (domain_id or NO_DOMAIN)
        rows = select_page(self._connection, roles, query, what="role", conditions=[of_it])
        return [_role(row) for row in rows]

    def insert(self, role: Role) -> None:
        """Store a new role; raise `AlreadyExists` if the name is taken."""
        row = {
            "id": role.id, "name": role.name, "description": role.description,
            "domain_id": role.domain_id or NO_DOMAIN,
        }  # fmt: skip
        try:
            self._connection.execute(insert(roles).values(row))
        except IntegrityError as taken:
            raise AlreadyExists("role", role.name) from taken

    def update(self, role: Role) -> None:
        """Store a changed role; raise `AlreadyExists` if the name is taken."""
        statement = update(roles).where(roles.c.id == role.id)
        try:
            self._connection.execute(statement.values(name=role.name, description=role.description))
        except IntegrityError as taken:
            raise AlreadyExists("role", role.name) from taken

    def delete(self, role_id: RoleId) -> None:
        """Delete a role; who had it has it no more."""
        self._connection.execute(delete(roles).where(roles.c.id == role_id))

    def given(self, user_id: UserId, target: RoleTarget) -> list[Role]:
        """Return the roles that a user has in a target, itself and by groups, by name."""
        rows = _GIVEN.all(self._connection, {"user": user_id, "target": target})
        return [_role(row) for row in rows]

    def given_in_domains(self, user_id: UserId) -> dict[DomainId, list[Role]]:
        """Return the roles that a user has in domains, itself and by groups."""
        own = (
            select(role_assignments.c.target, roles)
            .join(roles, roles.c.id == role_assignments.c.role_id)
            .where(role_assignments.c.user_id == user_id, role_assignments.c.project_id.is_(None))
        )
        table = group_role_assignments
        of_groups = (
            select(table.c.target, roles)
            .join(roles, roles.c.id == table.c.role_id)
            .join(user_group_members, user_group_members.c.group_id == table.c.group_id)
            .where(user_group_members.c.user_id == user_id, table.c.project_id.is_(None))
        )
        found: dict[DomainId, list[Role]] = {}
        for row in self._connection.execute(own.union_all(of_groups)).mappings():
            given = dict(row)
            domain_id = domain_in(given.pop("target"))
            if domain_id is not None:
                found.setdefault(domain_id, []).append(_role(given))
        return found

    def given_itself(self, holder: RoleHolder, target: RoleTarget) -> list[Role]:
        """Return the roles that a user or a group was given itself in a target, by name."""
        table = _GIVEN_TO[holder.kind]
        statement = (
            select(roles)
            .join(table, table.c.role_id == roles.c.id)
            .where(_holders(holder.kind) == holder.id, table.c.target == target)
            .order_by(roles.c.name)
        )
        return [_role(row) for row in self._connection.execute(statement).mappings()]

    def with_implied(self, given: Iterable[Role]) -> frozenset[str]:
        """Return the names that rules know of whoever was given roles, with the implied ones."""
        given = list(given)
        # Nothing can be added to what default roles imply, so that most need not be looked up.
        own = {} if all(role.is_default for role in given) else self.implied()
        return names_had(given, own)

    def implied(self) -> dict[RoleId, list[Role]]:
        """Return which roles an operator's own imply directly, by name; without descriptions.

        They are all read for each request of whoever has one.
        """
        rows = self._connection.execute(
            select(implied_roles.c.prior_id, roles.c.id, roles.c.name, roles.c.domain_id)
            .join(roles, roles.c.id == implied_roles.c.implied_id)
            .order_by(roles.c.name, roles.c.id)
        ).mappings()
        found: dict[RoleId, list[Role]] = {}
        for row in rows:
            implied = dict(row)
            found.setdefault(implied.pop("prior_id"), []).append(_role(implied))
        return found

    def imply(self, prior_id: RoleId, implied_id: RoleId) -> None:
        """Have a role imply another; it may do so already."""
        statement = insert_or_update(self._connection, implied_roles).values(
            prior_id=prior_id, implied_id=implied_id
        )
        try:
            self._connection.execute(statement.on_conflict_do_nothing())
        except IntegrityError as gone:
            raise NotFound("role", implied_id) from gone

    def imply_no_more(self, prior_id: RoleId, implied_id: RoleId) -> bool:
        """Take back that a role implies another; False if it did not."""
        statement = delete(implied_roles).where(
            implied_roles.c.prior_id == prior_id, implied_roles.c.implied_id == implied_id
        )
        return self._connection.execute(statement).rowcount > 0

    def grant(self, assignment: RoleAssignment) -> bool:
        """Give a user or a group a role; False if it has it already.

        Raises:
            NotFound: Its holder, role or project are gone since they were looked up.
        """
        holder, target = assignment.holder, assignment.target
        table = _GIVEN_TO[holder.kind]
        statement = insert_or_update(self._connection, table).values({
            _holders(holder.kind): holder.id,
            table.c.target: target,
            table.c.role_id: assignment.role_id,
            table.c.project_id: project_in(target),
        })  # fmt: skip
        added = statement.on_conflict_do_nothing().returning(table.c.role_id)
        try:
            return self._connection.execute(added).first() is not None
        except IntegrityError as gone:
            raise NotFound(f"{holder.kind}, role or project of a role assignment", "") from gone

    def revoke(self, assignment: RoleAssignment) -> bool:
        """Take a role from a user or a group; False if it does not have it."""
        holder = assignment.holder
        table = _GIVEN_TO[holder.kind]
        statement = delete(table).where(
            _holders(holder.kind) == holder.id,
            table.c.target == assignment.target,
            table.c.role_id == assignment.role_id,
        )
        return self._connection.execute(statement).rowcount > 0

    def assignments(
        self,
        kind: HolderKind,
        *,
        holder_id: str | None = None,
        role_ids: Collection[str] | None = None,
        target: str | None = None,
        limit: int,
    ) -> list[RoleAssignment]:
        """Return what users have, or what groups have, by holder, target and role; all that is
        given holding.
        """
        table, holders = _GIVEN_TO[kind], _holders(kind)
        statement = select(holders, table.c.target, table.c.role_id)
        if holder_id is not None:
            statement = statement.where(holders == holder_id)
        if role_ids is not None:
            statement = statement.where(table.c.role_id.in_(role_ids))
        if target is not None:
            statement = statement.where(table.c.target == target)
        ordered = statement.order_by(holders, table.c.target, table.c.role_id)
        return [
            RoleAssignment(holder=RoleHolder(kind, of), target=target_of, role_id=role_id)
            for of, target_of, role_id in self._connection.execute(ordered.limit(limit))
        ]

    def lock_admins(self) -> None:
        """Let nobody else make anyone less of an admin until the transaction ends."""
        admin = select(roles.c.id).where(_IS_ADMIN)
        self._connection.execute(locked(admin, Lock.EXCLUSIVE)).all()

    def is_anybody_admin(self) -> bool:
        """Say whether somebody can log in who was given all rights itself, not by a group."""
        open_domains = select(domains.c.id).where(domains.c.enabled)
        statement = (
            select(users.c.id)
            .select_from(
                role_assignments.join(roles, roles.c.id == role_assignments.c.role_id)
                .join(users, users.c.id == role_assignments.c.user_id)
                .outerjoin(projects, projects.c.id == role_assignments.c.project_id)
            )
            .where(
                _IS_ADMIN,
                users.c.enabled,
                users.c.password_hash != "",
                (role_assignments.c.target == "system")
                | (projects.c.enabled & projects.c.domain_id.in_(open_domains)),
                users.c.domain_id.in_(open_domains),
            )
            .limit(1)
        )
        return self._connection.scalar(statement) is not None


def _role(row: Mapping[Any, Any]) -> Role:
    return Role(**{**row, "domain_id": row["domain_id"] or None})


def _holders(kind: HolderKind) -> Column[Any]:
    """Return the column that says who was given a role."""
    return _GIVEN_TO[kind].c[f"{kind}_id"]

"""Domains."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from trunkline.domain.errors import AlreadyExists
from trunkline.domain.identity import Domain, target_of_domain
from trunkline.domain.ids import DomainId, ProjectId, UserId
from trunkline.domain.listing import ListQuery
from trunkline.store.domain_tables import domains, group_role_assignments
from trunkline.store.identity_tables import projects, role_assignments, roles, users
from trunkline.store.listing import select_page
from trunkline.store.locks import Lock, locked


class Domains:
    """Rows of domains."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, domain_id: str, lock: Lock = Lock.NONE) -> Domain | None:
        """Return the domain with this ID."""
        statement = locked(select(domains).where(domains.c.id == domain_id), lock)
        row = self._connection.execute(statement).mappings().one_or_none()
        return None if row is None else Domain(**row)

    def find_named(self, name: str) -> Domain | None:
        """Return the domain of this name."""
        row = self._connection.execute(select(domains).where(domains.c.name == name))
        found = row.mappings().one_or_none()
        return None if found is None else Domain(**found)

    def among(self, domain_ids: Collection[DomainId]) -> list[Domain]:
        """Return the domains with these IDs, by name."""
        if not domain_ids:
            return []
        statement = select(domains).where(domains.c.id.in_(domain_ids)).order_by(domains.c.name)
        return [Domain(**row) for row in self._connection.execute(statement).mappings()]

    def names(self) -> dict[DomainId, str]:
        """Return what each domain is called."""
        rows = self._connection.execute(select(domains.c.id, domains.c.name))
        return {DomainId(domain_id): name for domain_id, name in rows}

    def page(self, query: ListQuery) -> list[Domain]:
        """Return one page of domains."""
        rows = select_page(self._connection, domains, query, what="domain")
        return [Domain(**row) for row in rows]

    def insert(self, domain: Domain) -> None:
        """Store a new domain; raise `AlreadyExists` if the name is taken."""
        try:
            self._connection.execute(insert(domains).values(_row(domain)))
        except IntegrityError as taken:
            raise AlreadyExists("domain", domain.name) from taken

    def update(self, domain: Domain) -> None:
        """Store a changed domain; raise `AlreadyExists` if the name is taken."""
        statement = update(domains).where(domains.c.id == domain.id).values(_row(domain))
        try:
            self._connection.execute(statement)
        except IntegrityError as taken:
            raise AlreadyExists("domain", domain.name) from taken

    def delete(self, domain_id: DomainId) -> None:
        """Delete a domain that has no users and projects any more, with its groups and roles."""
        target = target_of_domain(domain_id)
        for table in (role_assignments, group_role_assignments):
            self._connection.execute(delete(table).where(table.c.target == target))
        self._connection.execute(delete(roles).where(roles.c.domain_id == domain_id))
        self._connection.execute(delete(domains).where(domains.c.id == domain_id))

    def projects_of(self, domain_id: DomainId) -> list[ProjectId]:
        """Return the projects of a domain."""
        rows = self._connection.scalars(
            select(projects.c.id).where(projects.c.domain_id == domain_id)
        )
        return [ProjectId(each) for each in rows]

    def users_of(self, domain_id: DomainId) -> list[UserId]:
        """Return the users of a domain."""
        rows = self._connection.scalars(select(users.c.id).where(users.c.domain_id == domain_id))
        return [UserId(each) for each in rows]


def _row(domain: Domain) -> dict[str, Any]:
    return {column.name: getattr(domain, column.name) for column in domains.c}

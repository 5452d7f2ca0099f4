"""Flavors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Text,
    bindparam,
    delete,
    insert,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.exc import IntegrityError

from trunkline.domain.errors import AlreadyExists, NotFound
from trunkline.domain.ids import FlavorId, ProjectId
from trunkline.domain.listing import ListQuery, SortKey
from trunkline.domain.server import Flavor
from trunkline.store.identity_tables import flavor_access
from trunkline.store.listing import select_page
from trunkline.store.prepared import Prepared, Row
from trunkline.store.tables import flavors

_BY_ID = Prepared(select(flavors).where(flavors.c.id == bindparam("this_id")))


class Flavors:
    """Rows of flavors."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, flavor_id: str) -> Flavor:
        """Return the flavor with this ID; raise `NotFound` if there is none."""
        found = _BY_ID.one_or_none(self._connection, {"this_id": flavor_id})
        if found is None:
            raise NotFound("flavor", flavor_id)
        return _flavor(found)

    def page(self, query: ListQuery) -> list[Flavor]:
        """Return one page of flavors, smallest first unless the query sorts.

        `visible_to` adds to the public ones those that a project was given access to.
        """
        if not query.sort:
            query = replace(query, sort=(SortKey("memory_mib"), SortKey("name")))
        conditions: list[ColumnElement[bool]] = []
        if query.visible_to is not None:
            accessible = select(flavor_access.c.flavor_id).where(
                flavor_access.c.project_id == query.visible_to
            )
            conditions = [or_(flavors.c.is_public, flavors.c.id.in_(accessible))]
        rows = select_page(self._connection, flavors, query, what="flavor", conditions=conditions)
        return [_flavor(row) for row in rows]

    def with_extra_spec(self, key: str) -> list[Flavor]:
        """Return every flavor that has an extra spec of this name."""
        statement = select(flavors).where(
            type_coerce(flavors.c.body, Text).contains(key, autoescape=True)
        )
        found = map(_flavor, self._connection.execute(statement).mappings())
        return [flavor for flavor in found if key in flavor.extra_specs]

    def insert(self, flavor: Flavor) -> None:
        """Store a new flavor; raise `AlreadyExists` if its ID or name is taken."""
        try:
            self._connection.execute(insert(flavors).values(_row(flavor)))
        except IntegrityError as taken:
            raise AlreadyExists("flavor", f"{flavor.name} (ID {flavor.id})") from taken

    def update(self, flavor: Flavor) -> None:
        """Store a flavor's changed description or extra specs."""
        self._connection.execute(
            update(flavors).where(flavors.c.id == flavor.id).values(_row(flavor))
        )

    def delete(self, flavor_id: FlavorId) -> None:
        """Delete a flavor; servers keep the copy they were made with."""
        self._connection.execute(delete(flavors).where(flavors.c.id == flavor_id))

    def projects_with_access(self, flavor_id: FlavorId) -> list[ProjectId]:
        """Return the projects that were given access, by ID."""
        access = flavor_access.c
        found = self._connection.scalars(
            select(access.project_id)
            .where(access.flavor_id == flavor_id)
            .order_by(access.project_id)
        )
        return [ProjectId(project_id) for project_id in found]

    def is_accessible(self, flavor_id: FlavorId, project_id: ProjectId) -> bool:
        """Say whether a project was given access."""
        found = self._connection.scalar(
            select(flavor_access.c.flavor_id).where(*_access(flavor_id, project_id))
        )
        return found is not None

    def give_access(self, flavor_id: FlavorId, project_id: ProjectId) -> None:
        """Give a project access; raise `AlreadyExists` if it has it."""
        try:
            self._connection.execute(
                insert(flavor_access).values(flavor_id=flavor_id, project_id=project_id)
            )
        except IntegrityError as given:
            raise AlreadyExists(
                "flavor access", f"of project {project_id} to flavor {flavor_id}"
            ) from given

    def take_access(self, flavor_id: FlavorId, project_id: ProjectId) -> bool:
        """Take a project's access away; return False if it had none."""
        gone = self._connection.execute(
            delete(flavor_access).where(*_access(flavor_id, project_id))
        )
        return gone.rowcount == 1


def _access(flavor_id: FlavorId, project_id: ProjectId) -> tuple[ColumnElement[bool], ...]:
    access = flavor_access.c
    return access.flavor_id == flavor_id, access.project_id == project_id


def _row(flavor: Flavor) -> dict[str, Any]:
    return {
        "id": flavor.id,
        "name": flavor.name,
        "body": flavor,
        "is_public": flavor.is_public,
        "memory_mib": flavor.memory_mib,
        "disk_gib": flavor.disk_gib,
        "created_at": flavor.created_at,
    }


def _flavor(row: Row) -> Flavor:
    flavor: Flavor = row["body"]
    return flavor

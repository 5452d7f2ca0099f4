"""Flavors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import (
    Connection,
    Text,
    bindparam,
    delete,
    insert,
    select,
    type_coerce,
    update,
)
from sqlalchemy.exc import IntegrityError

from trunkline.domain.errors import AlreadyExists, NotFound
from trunkline.domain.ids import FlavorId
from trunkline.domain.listing import ListQuery, SortKey
from trunkline.domain.server import Flavor
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
        """Return one page of flavors, smallest first unless the query sorts."""
        if not query.sort:
            query = replace(query, sort=(SortKey("memory_mib"), SortKey("name")))
        return [
            _flavor(row) for row in select_page(self._connection, flavors, query, what="flavor")
        ]

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

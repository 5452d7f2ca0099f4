"""PCI flavors."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, exists, insert, select, update
from sqlalchemy.exc import IntegrityError

from trunkline.domain.errors import AlreadyExists, InUse, NotFound
from trunkline.domain.listing import ListQuery, SortKey
from trunkline.domain.pci_flavor import PciFlavor
from trunkline.store.listing import select_page
from trunkline.store.tables import pci_flavors, ports


class PciFlavors:
    """Rows of PCI flavors."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, flavor_id: str) -> PciFlavor:
        """Return the one with this ID; raise `NotFound` if there is none."""
        statement = select(pci_flavors).where(pci_flavors.c.id == flavor_id)
        row = self._connection.execute(statement).mappings().one_or_none()
        if row is None:
            raise NotFound("PCI flavor", flavor_id)
        return _pci_flavor(row)

    def named(self, names: Collection[str]) -> dict[str, PciFlavor]:
        """Return those of these names that there are, by name."""
        if not names:
            return {}
        statement = select(pci_flavors).where(pci_flavors.c.name.in_(sorted(names)))
        rows = self._connection.execute(statement).mappings()
        return {row["name"]: _pci_flavor(row) for row in rows}

    def page(self, query: ListQuery) -> list[PciFlavor]:
        """Return one page, by name unless the query sorts."""
        if not query.sort:
            query = replace(query, sort=(SortKey("name"),))
        rows = select_page(self._connection, pci_flavors, query, what="PCI flavor")
        return [_pci_flavor(row) for row in rows]

    def insert(self, flavor: PciFlavor) -> None:
        """Store a new one; raise `AlreadyExists` if its name is taken."""
        try:
            self._connection.execute(insert(pci_flavors).values(_row(flavor)))
        except IntegrityError as taken:
            raise AlreadyExists("PCI flavor", flavor.name) from taken

    def update(self, flavor: PciFlavor) -> None:
        """Store a changed expression or description."""
        statement = update(pci_flavors).where(pci_flavors.c.id == flavor.id)
        self._connection.execute(statement.values(_row(flavor)))

    def delete(self, flavor: PciFlavor) -> None:
        """Delete one; raise `InUse` if a port names it."""
        if self._connection.scalar(select(exists().where(ports.c.pci_flavor == flavor.name))):
            raise InUse("PCI flavor", flavor.name, "ports name it")
        try:
            self._connection.execute(delete(pci_flavors).where(pci_flavors.c.id == flavor.id))
        except IntegrityError as named:
            raise InUse("PCI flavor", flavor.name, "ports name it") from named


def _row(flavor: PciFlavor) -> dict[str, Any]:
    return {
        "id": flavor.id,
        "name": flavor.name,
        "description": flavor.description,
        "alternatives": flavor.alternatives,
        "created_at": flavor.created_at,
        "updated_at": flavor.updated_at,
    }


def _pci_flavor(row: RowMapping) -> PciFlavor:
    return PciFlavor(**row)

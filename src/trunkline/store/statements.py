"""Statements made once, at import: making one costs SQLAlchemy more than SQLite takes to run it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, Insert, Select, Table, Update, bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from trunkline.store.locks import Lock, locked
from trunkline.store.prepared import Prepared


def select_where_in(table: Table, column: str = "id") -> Select[Any]:
    """Make ``SELECT * … WHERE column IN (…)``; run it with `among`."""
    return select(table).where(table.c[column].in_(bindparam("among", expanding=True)))


def among(values: Collection[object]) -> dict[str, object]:
    """Return the parameters of a `select_where_in`."""
    return {"among": list(values)}


def by_lock(statement: Select[Any]) -> Mapping[Lock, Prepared]:
    """Make a statement for each way of locking the rows that it reads."""
    return {lock: Prepared(locked(statement, lock)) for lock in Lock}


def insert_row(table: Table) -> Insert:
    """Make ``INSERT`` of every column but the serial number; run it with a whole row."""
    return (
        insert(table)
        .values(
            {
                column.name: bindparam(column.name)
                for column in table.c
                if column.autoincrement is not True
            }
        )
        .inline()
    )


def update_row(table: Table, *keys: str, columns: Collection[str] | None = None) -> Update:
    """Make ``UPDATE … SET columns WHERE keys equal``; run it with `row_values`.

    Args:
        table: Of the row.
        keys: Columns that say which row.
        columns: To be set; None: all.
    """
    names = [column.name for column in table.c if columns is None or column.name in columns]
    return (
        update(table)
        .where(*(table.c[key] == bindparam(f"key_{key}") for key in keys))
        .values({name: bindparam(f"new_{name}") for name in names})
    )


def insert_or_update(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """Begin an INSERT that can go on with ``ON CONFLICT``, which each database has its own way."""
    on_postgresql = connection.dialect.name == "postgresql"
    return postgresql.insert(table) if on_postgresql else sqlite.insert(table)


def row_values(row: Mapping[str, object], **keys: object) -> dict[str, object]:
    """Return the parameters of an `update_row`."""
    values: dict[str, object] = {f"new_{name}": value for name, value in row.items()}
    return values | {f"key_{name}": value for name, value in keys.items()}

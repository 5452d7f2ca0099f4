"""A `ListQuery` as SQL: filters, order, and a page after a marker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    Table,
    Text,
    and_,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    type_coerce,
)

from trunkline.domain.errors import Invalid, NotFound
from trunkline.domain.listing import ListQuery, SortKey, TagFilter
from trunkline.wire.json import encode


def select_page(
    connection: Connection,
    table: Table,
    query: ListQuery,
    *,
    what: str,
    conditions: Sequence[ColumnElement[bool]] = (),
    columns: Mapping[str, ColumnElement[Any]] | None = None,
) -> Sequence[RowMapping]:
    """Return one page of rows.

    Args:
        connection: Where to read.
        table: Its `id` column ends the order, so that pages never overlap.
        query: Filters and sort keys are named as the columns are.
        what: What the rows are, for the message when the marker is unknown.
        conditions: Further conditions, ANDed.
        columns: Columns that go by another name than the table's.

    Raises:
        Invalid: A filter or sort key is not a column.
        NotFound: There is no row with the marker's ID.
    """
    statement = _page(
        connection, [table], table, query, what=what, conditions=conditions, columns=columns
    )
    return connection.execute(statement).mappings().all()


def select_page_ids(
    connection: Connection,
    table: Table,
    query: ListQuery,
    *,
    what: str,
    conditions: Sequence[ColumnElement[bool]] = (),
) -> Sequence[str]:
    """Return the IDs of one page of rows, as `select_page` does: for rows that are read sooner.

    A statement that is `Prepared` takes a third of the time for a thousand rows.
    """
    statement = _page(connection, [table.c.id], table, query, what=what, conditions=conditions)
    return connection.scalars(statement).all()


def _page(
    connection: Connection,
    read: Sequence[Table | ColumnElement[Any]],
    table: Table,
    query: ListQuery,
    *,
    what: str,
    conditions: Sequence[ColumnElement[bool]],
    columns: Mapping[str, ColumnElement[Any]] | None = None,
) -> Select[Any]:
    named = dict(table.c.items()) | dict(columns or {})
    sort = (*query.sort, SortKey("id")) if all(k.name != "id" for k in query.sort) else query.sort
    statement = select(*read).where(*conditions)
    for name, values in query.equals.items():
        column = _column(named, name)
        statement = statement.where(column.in_(values))
    for name, pattern in query.like.items():
        statement = statement.where(_column(named, name).ilike(pattern, escape="\\"))
    for name, least in query.at_least.items():
        statement = statement.where(_column(named, name) >= least)
    for name, most in query.at_most.items():
        statement = statement.where(_column(named, name) <= most)
    statement = statement.where(*_tagged(table, query.tags))
    statement = _order(statement, named, sort).limit(query.page_size)
    if query.marker is not None:
        columns_sorted = [_column(named, key.name) for key in sort]
        last = connection.execute(select(*columns_sorted).where(table.c.id == query.marker))
        values_last = last.one_or_none()
        if values_last is None:
            raise NotFound(f"marker: {what}", query.marker)
        statement = statement.where(_after(columns_sorted, sort, values_last))
    return statement


def _tagged(table: Table, wanted: TagFilter) -> list[ColumnElement[bool]]:
    """The conditions that a `TagFilter` sets; the table's tags are a list as JSON text."""

    def has(tag: str) -> ColumnElement[bool]:
        text = type_coerce(table.c.tags, Text)
        # A quote that follows one of these is never part of a tag: there it would be escaped.
        # LIKE would not do, since on SQLite it takes no heed of case.
        item = encode(tag).decode()
        return or_(*(func.replace(text, f"{before}{item}", "") != text for before in "[,"))

    conditions = [has(tag) for tag in wanted.all_of]
    if wanted.any_of:
        conditions.append(or_(*map(has, wanted.any_of)))
    if wanted.not_all_of:
        conditions.append(not_(and_(*map(has, wanted.not_all_of))))
    conditions.extend(not_(has(tag)) for tag in wanted.none_of)
    return conditions


def _column(named: Mapping[str, ColumnElement[Any]], name: str) -> ColumnElement[Any]:
    try:
        return named[name]
    except KeyError:
        raise Invalid(
            name, f"not something to filter or sort by; there are {sorted(named)}"
        ) from None


def _order(
    statement: Select[Any], named: Mapping[str, ColumnElement[Any]], sort: Sequence[SortKey]
) -> Select[Any]:
    """Order by the keys. NULL is the least value on every database, as SQLite has it."""
    columns = [(_column(named, key.name), key.descending) for key in sort]
    return statement.order_by(
        *(c.desc().nulls_last() if down else c.asc().nulls_first() for c, down in columns)
    )


def _after(
    columns: Sequence[ColumnElement[Any]], sort: Sequence[SortKey], last: Sequence[Any]
) -> ColumnElement[bool]:
    """Rows that come after one: later in some key, equal in all keys before it."""
    alternatives = []
    for position, key in enumerate(sort):
        equal = [columns[earlier] == last[earlier] for earlier in range(position)]
        alternatives.append(and_(*equal, _later(key, columns[position], last[position])))
    return or_(*alternatives)


def _later(key: SortKey, column: ColumnElement[Any], value: object) -> ColumnElement[bool]:
    """Say that a column comes after `value` in the order that `_order` makes."""
    if value is None:  # The least: everything is above it, and nothing below.
        return false() if key.descending else column.is_not(None)
    known = literal(value, column.type)  # Else a truth value can't be compared with.
    return or_(column < known, column.is_(None)) if key.descending else column > known

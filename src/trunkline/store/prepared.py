"""Statements of the hot path: compiled once, run on the driver's own cursor.

SQLAlchemy takes five times as long to run a short statement as SQLite does. So what runs for every
server is written with SQLAlchemy's expressions, and compiled by it for the database at hand, types
and all; only the running is done here. SQLAlchemy's events are sent and its exceptions raised, so
that nobody need know which way a statement went.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Delete,
    Dialect,
    Insert,
    Select,
    Update,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import visitors
from sqlalchemy.types import TypeEngine

Row: TypeAlias = Mapping[Any, Any]  # By column name; SQLAlchemy's own rows are such, too.
Parameters: TypeAlias = Mapping[str, Any]  # By the names of `bindparam`.
FetchedRow: TypeAlias = tuple[Any, ...]  # As the driver gives it; it can be hashed.
_Convert: TypeAlias = Callable[[Any], Any]
_Bound: TypeAlias = list[Any] | dict[str, Any]  # By place, or by name.
_Statement: TypeAlias = Select[Any] | Insert | Update | Delete

_NO_PARAMETERS: Final[Parameters] = {}
# Up to here, lists are filled up to a power of two with what they end in, so that there are few
# forms of a statement, for us and for the driver, which keeps them prepared.
_FILLED_LENGTH_MAX: Final = 1024


class Prepared:
    """One statement, for every database.

    An expanding parameter (``IN``) takes a list of any length but none.
    """

    def __init__(self, statement: _Statement) -> None:
        self._statement = statement
        binds = [bind for bind in visitors.iterate(statement) if isinstance(bind, BindParameter)]
        self._list_names = sorted({bind.key for bind in binds if bind.expanding and bind.required})
        self._required = frozenset(bind.key for bind in binds if bind.required)
        self._forms: dict[object, Form] = {}  # By database, and lengths of lists if there are any.

    def all(
        self, connection: Connection, parameters: Parameters = _NO_PARAMETERS
    ) -> list[dict[str, Any]]:
        """Return the rows that it reads, or that its RETURNING gives."""
        form, fetched = self.fetch(connection, parameters)
        return form.rows(fetched)

    def fetch(
        self, connection: Connection, parameters: Parameters = _NO_PARAMETERS
    ) -> tuple[Form, Sequence[FetchedRow]]:
        """Return its rows as they were fetched, and what tells what they mean.

        What is made of such a row can be kept and found by it: equal ones hold the same.
        """
        form = self._form(connection.dialect, parameters)
        return form, _run(connection, form.sql, form.bound(parameters), reads=True)

    def one_or_none(
        self, connection: Connection, parameters: Parameters = _NO_PARAMETERS
    ) -> dict[str, Any] | None:
        """Return its only row; None if there is none."""
        rows = self.all(connection, parameters)
        assert len(rows) <= 1, f"one row was expected, not {len(rows)}: {self._statement}"
        return rows[0] if rows else None

    def scalar(self, connection: Connection, parameters: Parameters = _NO_PARAMETERS) -> Any:
        """Return the only column of its only row; None if there is none."""
        row = self.one_or_none(connection, parameters)
        return None if row is None else next(iter(row.values()))

    def run(self, connection: Connection, parameters: Parameters = _NO_PARAMETERS) -> int:
        """Run it, and return how many rows it changed."""
        form = self._form(connection.dialect, parameters)
        changed: int = _run(connection, form.sql, form.bound(parameters))
        return changed

    def run_many(self, connection: Connection, many: Sequence[Parameters]) -> None:
        """Run it for each of the sets of parameters, in order."""
        if len(many) == 1:
            self.run(connection, many[0])
        elif many:
            form = self._form(connection.dialect, many[0])
            _run(connection, form.sql, [form.bound(parameters) for parameters in many], many=True)

    def _form(self, dialect: Dialect, parameters: Parameters) -> Form:
        lengths = [_filled_length(parameters[name]) for name in self._list_names]
        key = (dialect.name, *lengths) if lengths else dialect.name
        form = self._forms.get(key)
        if form is None:  # Two threads may make it at once: they make the same.
            of_lists = dict(zip(self._list_names, lengths, strict=True))
            form = self._forms[key] = _compile(self._statement, dialect, of_lists, self._required)
        return form


def run_text(connection: Connection, sql: str) -> None:
    """Run a statement that has neither parameters nor rows."""
    _run(connection, sql, ())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Form:
    """A statement as one database has it, for lists of certain lengths."""

    sql: str
    names: tuple[str, ...] | None  # Of the places for values; None: they are taken in order.
    keys: tuple[str, ...]  # Which parameter goes to each place; `NAME_1` is the first of a list.
    binding: tuple[tuple[int, _Convert], ...]  # Of the places that need it.
    constants: Parameters  # What the statement itself says.
    lists: Mapping[str, tuple[str, ...]]  # The keys of each one's values.
    columns: tuple[str, ...]
    reading: tuple[tuple[str, _Convert], ...]  # Of the columns that need it.

    def bound(self, parameters: Parameters) -> _Bound:
        """Return the parameters as the driver takes them."""
        given = parameters
        if self.constants or self.lists:
            given = {**self.constants, **parameters, **self._listed(parameters)}
        bound = [given[key] for key in self.keys]
        for place, convert in self.binding:
            bound[place] = convert(bound[place])
        return bound if self.names is None else dict(zip(self.names, bound, strict=True))

    def _listed(self, parameters: Parameters) -> dict[str, Any]:
        """Return the values of the lists, each filled up with what it ends in."""
        listed: dict[str, Any] = {}
        for name, keys in self.lists.items():
            values = parameters[name]
            listed.update(zip(keys, chain(values, repeat(values[-1])), strict=False))
        return listed

    def row(self, fetched: FetchedRow) -> dict[str, Any]:
        """Return one that was fetched as our values."""
        return self.rows([fetched])[0]

    def rows(self, fetched: Sequence[FetchedRow]) -> list[dict[str, Any]]:
        """Return what was fetched as our values."""
        rows = [dict(zip(self.columns, values, strict=True)) for values in fetched]
        for name, convert in self.reading:
            for row in rows:
                row[name] = convert(row[name])
        return rows


def _compile(
    statement: _Statement,
    dialect: Dialect,
    lengths: Mapping[str, int],
    required: Collection[str],
) -> Form:
    if isinstance(statement, Select):  # Others have no lists, nor parameters rendered as text.
        lists = {name: [None] * length for name, length in lengths.items()}
        statement = statement.params(dict.fromkeys(required) | lists)
    compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    sources: dict[str, tuple[str, BindParameter[Any]]] = {}  # By the names of places.
    constants: dict[str, Any] = {}
    for bind, name in compiled.bind_names.items():
        said = {} if bind.key in required else {bind.key: bind.value}
        if not bind.expanding:
            sources[name] = (bind.key, bind)
            constants |= said
            continue
        values = list(said.get(bind.key) or ())
        for n in range(1, lengths.get(bind.key, len(values)) + 1):
            sources[f"{name}_{n}"] = (f"{bind.key}_{n}", bind)
        constants |= {f"{bind.key}_{n}": value for n, value in enumerate(values, 1)}
    order = compiled.positiontup or list(sources)
    columns = list(statement.exported_columns)
    return Form(
        sql=str(compiled),
        names=tuple(order) if compiled.positiontup is None else None,
        keys=tuple(sources[name][0] for name in order),
        binding=tuple(
            (place, convert)
            for place, name in enumerate(order)
            if (convert := _type(sources[name][1], dialect).bind_processor(dialect))
        ),
        constants=constants,
        lists={
            name: tuple(f"{name}_{n}" for n in range(1, length + 1))
            for name, length in lengths.items()
        },
        columns=tuple(str(column.key) for column in columns),
        reading=tuple(
            (str(column.key), convert)
            for column in columns
            if (convert := _type(column, dialect).result_processor(dialect, None))
        ),
    )


def _filled_length(values: Sequence[object]) -> int:
    length = len(values)
    return length if length > _FILLED_LENGTH_MAX else 1 << (length - 1).bit_length()


def _type(element: ColumnElement[Any], dialect: Dialect) -> TypeEngine[Any]:
    return element.type.dialect_impl(dialect)


def _run(
    connection: Connection, sql: str, bound: object, *, reads: bool = False, many: bool = False
) -> Any:
    """Run a statement; return its rows if it `reads`, else how many it changed."""
    dialect, tell = connection.dialect, connection.dispatch
    # Telling nobody takes as long as a short statement. SQLAlchemy has no public way to ask.
    heard = connection.engine._has_events or connection._has_events  # noqa: SLF001
    cursor: Any = connection.connection.cursor()
    try:
        if heard:
            tell.before_cursor_execute(connection, cursor, sql, bound, None, many)
        (cursor.executemany if many else cursor.execute)(sql, bound)
        if heard:
            tell.after_cursor_execute(connection, cursor, sql, bound, None, many)
        return cursor.fetchall() if reads else cursor.rowcount
    except dialect.loaded_dbapi.Error as problem:
        if dialect.is_disconnect(problem, connection.connection, cursor):
            connection.invalidate(problem)
        raise DBAPIError.instance(
            sql, None, problem, dialect.loaded_dbapi.Error, dialect=dialect
        ) from problem
    finally:
        cursor.close()

"""A prepared statement does what SQLAlchemy does with it: on both databases, and when it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import (
    Connection,
    Engine,
    bindparam,
    event,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from trunkline.domain.ids import FlavorId
from trunkline.domain.server import Flavor
from trunkline.store.engine import Store
from trunkline.store.prepared import Prepared, run_text
from trunkline.store.schema import open_store
from trunkline.store.statements import among, insert_row, row_values, select_where_in, update_row
from trunkline.store.tables import flavors
from trunkline.store.upkeep_tables import changes

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
INSERT = Prepared(insert_row(flavors))
BY_IDS = Prepared(select_where_in(flavors).order_by(flavors.c.id))


def a_row(name: str, *, is_public: bool = True) -> dict[str, Any]:
    body = Flavor(id=FlavorId(name), name=name, vcpus=1, memory_mib=512, disk_gib=3, created_at=NOW)
    return {
        "id": name,
        "name": name,
        "body": body,
        "is_public": is_public,
        "memory_mib": 512,
        "disk_gib": 3,
        "created_at": NOW,
    }


@pytest.fixture
def connection(store: Store) -> Iterator[Connection]:
    """A transaction of a test's own, undone in the end."""
    with store._engine.connect() as opened:
        run_text(opened, "BEGIN" if store.dialect == "sqlite" else "SELECT 1")
        yield opened


def test_every_type_of_column_goes_in_and_comes_out_as_it_does_by_sqlalchemy(
    connection: Connection,
) -> None:
    row = a_row("small", is_public=False)
    INSERT.run(connection, row)
    by_sqlalchemy = connection.execute(select(flavors)).mappings().one()
    assert BY_IDS.all(connection, among(["small"])) == [dict(by_sqlalchemy)] == [row]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 64, 65, 1500])
def test_a_list_of_any_length_finds_what_is_in_it(connection: Connection, count: int) -> None:
    names = [f"f{n:04}" for n in range(count)]
    INSERT.run_many(connection, [a_row(name) for name in [*names, "other"]])
    found = BY_IDS.all(connection, among(names))
    assert [row["id"] for row in found] == names


def test_two_lists_are_kept_apart(connection: Connection) -> None:
    INSERT.run_many(connection, [a_row(name) for name in ("a", "b", "c")])
    both = Prepared(
        select(flavors.c.id).where(
            flavors.c.id.in_(bindparam("ids", expanding=True)),
            flavors.c.name.in_(bindparam("names", expanding=True)),
        )
    )
    wanted = {"ids": ["a", "b"], "names": ["b", "c", "x"]}
    assert both.all(connection, wanted) == [{"id": "b"}]
    assert both.all(connection, {"ids": ["c"], "names": ["b", "c"]}) == [{"id": "c"}]


def test_lists_and_other_parameters_go_together(connection: Connection) -> None:
    """And what the statement says itself, of which some databases want a part as text."""
    INSERT.run_many(connection, [a_row(name) for name in ("a", "b", "c")])
    joined = Prepared(
        select(func.aggregate_strings(flavors.c.name, ",").label("names")).where(
            flavors.c.id.in_(bindparam("ids", expanding=True)),
            flavors.c.name != bindparam("besides"),
            flavors.c.name.in_(["a", "b"]),
        )
    )
    assert joined.scalar(connection, {"ids": ["a", "b", "c"], "besides": "b"}) == "a"
    with pytest.raises(KeyError, match="besides"):
        joined.scalar(connection, {"ids": ["a"]})


def test_what_a_statement_itself_says_is_said(connection: Connection) -> None:
    INSERT.run(connection, a_row("small"))
    grow = Prepared(
        update(flavors)
        .where(flavors.c.id == bindparam("this_id"), flavors.c.is_public.is_(True))
        .values(memory_mib=flavors.c.memory_mib + 8, disk_gib=bindparam("disk"))
        .returning(flavors.c.memory_mib)
    )
    assert grow.scalar(connection, {"this_id": "small", "disk": 4}) == 520
    assert grow.scalar(connection, {"this_id": "none", "disk": 4}) is None
    assert BY_IDS.all(connection, among(["small"]))[0]["disk_gib"] == 4


def test_a_change_says_how_many_rows_it_changed(connection: Connection) -> None:
    INSERT.run(connection, a_row("small"))
    change = Prepared(update_row(flavors, "id", "memory_mib"))
    assert change.run(connection, row_values(a_row("small"), id="small", memory_mib=1)) == 0
    assert change.run(connection, row_values(a_row("small"), id="small", memory_mib=512)) == 1


def test_a_parameter_that_is_missing_is_no_null(connection: Connection) -> None:
    row = a_row("small")
    del row["created_at"]
    with pytest.raises(KeyError, match="created_at"):
        INSERT.run(connection, row)


def test_rows_that_number_themselves_are_numbered(connection: Connection) -> None:
    note = Prepared(insert(changes).values(transaction=0, host_id=bindparam("host")).inline())
    note.run_many(connection, [{"host": "h1"}, {"host": "h2"}])
    found = connection.execute(select(changes).order_by(changes.c.number)).mappings()
    assert [row["host_id"] for row in found] == ["h1", "h2"]


def test_a_broken_constraint_is_told_as_sqlalchemy_tells_it(connection: Connection) -> None:
    INSERT.run(connection, a_row("small"))
    with pytest.raises(IntegrityError, match="INSERT INTO flavors"):
        INSERT.run(connection, a_row("small"))


def test_a_statement_that_the_database_refuses_is_told_as_sqlalchemy_tells_it(
    connection: Connection,
) -> None:
    with pytest.raises((OperationalError, ProgrammingError), match="no_such_table"):
        run_text(connection, "SELECT * FROM no_such_table")


def test_sqlalchemys_events_are_sent_before_and_after(connection: Connection) -> None:
    seen: list[tuple[str, str, bool]] = []

    def listen(name: str) -> Callable[..., None]:
        def note(_c: Any, _cu: Any, sql: str, _p: Any, _ctx: Any, many: bool) -> None:
            seen.append((name, sql.split()[0], many))

        return note

    engine: Engine = connection.engine
    before, after = listen("before"), listen("after")
    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
    try:
        INSERT.run_many(connection, [a_row("a"), a_row("b")])
        BY_IDS.all(connection, among(["a"]))
    finally:
        event.remove(engine, "before_cursor_execute", before)
        event.remove(engine, "after_cursor_execute", after)
    assert seen == [
        ("before", "INSERT", True), ("after", "INSERT", True),
        ("before", "SELECT", False), ("after", "SELECT", False),
    ]  # fmt: skip


def test_a_connection_that_the_server_ended_is_not_used_again(
    new_postgres_database: Callable[[], str],
) -> None:
    store = open_store(new_postgres_database())
    try:
        with store._engine.connect() as other, store._engine.connect() as connection:
            pid = Prepared(select(func.pg_backend_pid().label("pid")))
            ended = pid.scalar(connection)
            other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": ended})
            with pytest.raises(OperationalError):
                pid.scalar(connection)
            assert connection.invalidated
    finally:
        store.close()

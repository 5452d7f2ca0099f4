"""A store whose database fails, or whose process dies, at the statement that is chosen."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, inspect
from sqlalchemy.exc import OperationalError

from tests.control.standing_still import before_each_statement
from trunkline.control.services import Services


def contents(database: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table: what was kept. Read past the store."""
    with closing(sqlite3.connect(database)) as connection:
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
        ).fetchall()
        return {
            name: sorted(connection.execute(f'SELECT * FROM "{name}"').fetchall(), key=repr)
            for (name,) in tables
            # A sequence is raised by what was rolled back too; it numbers rows and says nothing.
            if name != "sqlite_sequence"
        }


def contents_at(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Likewise, of a PostgreSQL database."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return {
                name: sorted(map(tuple, connection.exec_driver_sql(f'TABLE "{name}"')), key=repr)
                for name in inspect(connection).get_table_names()
            }
    finally:
        engine.dispose()


@contextmanager
def at_statement(svc: Services, number: int, act: Callable[[], None]) -> Iterator[None]:
    """Call `act` just before the database is given its `number`-th statement, COMMIT included."""
    left = number

    def count(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            act()

    with before_each_statement(svc, count):
        yield


def fail() -> None:
    """What SQLite raises when the disk does not take a page."""
    raise OperationalError("statement", {}, sqlite3.OperationalError("disk I/O error"))


def die() -> None:
    """End this process as a power switch would."""
    os.kill(os.getpid(), signal.SIGKILL)

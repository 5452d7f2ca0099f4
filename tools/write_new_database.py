"""Record what the migrations make of nothing in SQLite: run after a migration was added."""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from trunkline.store.engine import open_engine
from trunkline.store.schema import NEW_SQLITE_DATABASE, migrate

TARGET = Path(str(NEW_SQLITE_DATABASE))

HEAD = """\
-- A new SQLite database, as the migrations make it of nothing (held to them by tests/store).
-- Written by `python -m tools.write_new_database`; each statement ends its line.
"""


def recorded(revision: str = "head") -> str:
    """Return the statements that make what the migrations make, the rows they put in included."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "trunkline.db"
        engine = open_engine(f"sqlite:///{file}")
        with engine.begin() as connection:
            migrate(connection, revision)
        engine.dispose()
        database = sqlite3.connect(file)
        try:
            lines = "\n".join(_statements(database)).splitlines()
            return HEAD + "".join(f"{line.rstrip()}\n" for line in lines)
        finally:
            database.close()


def _statements(database: sqlite3.Connection) -> list[str]:
    """As `iterdump` has them, for one transaction of another's: tables, then indexes, then rows.

    Indexes by name: Alembic makes those of a table that it remakes in any order.
    """
    own = ("BEGIN TRANSACTION;", "COMMIT;")
    found = [statement for statement in database.iterdump() if statement not in own]
    indexes = [each for each in found if each.startswith(("CREATE INDEX", "CREATE UNIQUE INDEX"))]
    rows = [each for each in found if each.startswith("INSERT")]
    tables = [each for each in found if each not in {*indexes, *rows}]
    return [*tables, *sorted(indexes), *rows]


if __name__ == "__main__":
    TARGET.write_text(recorded())

"""Bringing a database to the schema of this version."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import resources
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from trunkline.domain.errors import ErrorKind, TrunklineError
from trunkline.store.engine import Store, open_engine

_MIGRATION_LOCK = 0x7472756E6B  # "trunk": the PostgreSQL advisory lock that migrations hold.
_MIGRATIONS = resources.files("trunkline.store.migrations")
NEW_SQLITE_DATABASE = _MIGRATIONS / "new_sqlite_database.sql"


class DatabaseTooNew(TrunklineError):
    """The database was written by a newer Trunkline; this one would damage it."""

    code = "store.too_new"
    kind = ErrorKind.CONFLICT

    def __init__(self, *, found: str, known: str) -> None:
        super().__init__(
            f"the database is at schema {found}, which this version (up to {known}) does not know: "
            "it was written by a newer Trunkline; run that one, or restore a backup"
        )
        self.found = found
        self.known = known


class DatabaseUnusable(TrunklineError):
    """The database can't be opened: not there, not allowed, damaged, or its driver is missing."""

    code = "store.unusable"
    kind = ErrorKind.CONFLICT

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(f"the database {url} can't be used: {problem}")
        self.url = url


def open_store(url: str) -> Store:
    """Open the database at `url`, bring its schema up to date, and return the Store.

    Args:
        url: ``sqlite:///PATH`` or ``postgresql+psycopg://…``.

    Raises:
        DatabaseTooNew: It was written by a newer version; nothing was touched.
        DatabaseUnusable: It can't be opened at all.
    """
    shown = make_url(url).render_as_string(hide_password=True)
    try:
        engine = open_engine(url)
    except ModuleNotFoundError as problem:  # The base installation has no driver for PostgreSQL.
        raise DatabaseUnusable(
            shown, f"{problem}; do `pip install 'trunkline[postgresql]'`"
        ) from problem
    except ArgumentError as problem:
        raise DatabaseUnusable(shown, str(problem)) from problem
    file = sqlite_file(url)
    try:
        with _first_of_several(file):
            _make_private(file)
            bring_up_to_date(engine)
    except DBAPIError as problem:
        engine.dispose()
        raise DatabaseUnusable(shown, str(problem.orig).strip()) from problem
    except BaseException:
        engine.dispose()
        raise
    return Store(engine)


def sqlite_file(url: str) -> Path | None:
    """Return the file of an SQLite database; None: the database is another one."""
    parsed = make_url(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None


@contextmanager
def _first_of_several(file: Path | None) -> Iterator[None]:
    """Let one opener at a time turn an SQLite database into WAL mode and migrate it.

    SQLite refuses that turn at once ("database is locked"), without the wait that its timeout
    gives everything else, while another connection makes it. The lock is on the directory: one on
    the file would be lost whenever SQLite closes it.
    """
    with ExitStack() as held:
        if file is not None and file.name != ":memory:":
            with suppress(OSError):  # Why it can't be opened SQLite tells itself.
                directory = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                held.callback(os.close, directory)
                fcntl.flock(directory, fcntl.LOCK_EX)
        yield


def _make_private(file: Path | None) -> None:
    """Make a new SQLite database its owner's alone: it has password hashes and the audit trail.

    SQLite gives the journal beside it the same mode. Why it can't be made SQLite tells itself.
    """
    if file is not None and file.name != ":memory:":
        with suppress(OSError):
            os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def bring_up_to_date(engine: Engine) -> None:
    """Make the tables, or run the migrations that the database lacks, all in one transaction."""
    known = known_revisions()
    with engine.connect() as connection, _tables_can_be_remade(connection), connection.begin():
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            # Replicas start together: one migrates, the others wait and find it done.
            connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _MIGRATION_LOCK})
        found = _revision_of(connection)
        if found is not None and found not in known:
            raise DatabaseTooNew(found=found, known=known[-1])
        if found is None and _is_new_sqlite(connection):
            _make(connection)
            found = _revision_of(connection)
        if found != known[-1]:
            migrate(connection)


@contextmanager
def _tables_can_be_remade(connection: Connection) -> Iterator[None]:
    """Let SQLite drop a table that others refer to, and take another in its place.

    It does so for every change of a constraint. With foreign keys looked at, what refers to the
    rows of the dropped table would go with them; within a transaction they can't be left unlooked
    at. Source: https://sqlite.org/lang_altertable.html, section 7.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    with connection.begin():
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        with connection.begin():
            connection.exec_driver_sql("PRAGMA foreign_keys=ON")


def known_revisions() -> tuple[str, ...]:
    """Return the schemas that this version knows, oldest first.

    They are what the names of the migrations' files begin with; asking Alembic would load all of
    them, and Alembic, at each start that finds the schema current.
    """
    files = (_MIGRATIONS / "versions").iterdir()
    names = (file.name.partition("_")[0] for file in files)
    return tuple(sorted(name for name in names if name.isdigit()))


def _revision_of(connection: Connection) -> str | None:
    """Return what Alembic has noted in the database; None: it was never there."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def _is_new_sqlite(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite" and not inspect(connection).get_table_names()


def _make(connection: Connection) -> None:
    """Make what the migrations would, twenty times sooner: from the record of what they made."""
    for statement in NEW_SQLITE_DATABASE.read_text().split(";\n"):
        connection.exec_driver_sql(statement)


def migrate(connection: Connection, revision: str = "head") -> None:
    """Run the migrations that the database lacks, the newest by default the last of them."""
    # Imported by the starts that migrate alone: it takes a fifth of the time of a start.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "trunkline.store:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
        assert broken is None, f"a migration left a reference to nothing: {broken}"

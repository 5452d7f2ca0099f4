"""The Store: transactions on SQLite and PostgreSQL.

A use case is a function of a transaction that may be run again: it has no effect but what it
writes through the transaction and what it registers with `on_commit` and `on_rollback`.

SQLite: one thread writes at a time, that of the caller who has waited longest. All that wait at one
moment share its COMMIT, and none is answered before it (group commit: one fsync for many). One that
fails keeps nothing, and takes nothing of the others with it. Reads run in their callers' threads on
a snapshot.
PostgreSQL: one transaction for each use case.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from trunkline.domain.errors import StoreUnavailable
from trunkline.store.prepared import run_text
from trunkline.store.transaction import Transaction

T = TypeVar("T")

BATCH_SIZE_MAX: Final = 64  # Use cases in one COMMIT: bounds how long the first of them waits.
GATHER_SECONDS_MAX: Final = 0.002  # Waited for as many use cases as the last COMMIT had.
WRITE_QUEUE_MAX: Final = 10_000  # Use cases waiting; more are refused at once.
CONFLICT_RETRIES_MAX: Final = 8  # PostgreSQL's deadlocks and serialization failures.
_RETRIED_SQLSTATES: Final = frozenset({"40001", "40P01"})


class _Job(Generic[T]):
    """A use case that waits to be written, and then what became of it."""

    __slots__ = ("_leads", "_problem", "_result", "_told", "run")

    def __init__(self, run: Callable[[Transaction], T]) -> None:
        self.run = run
        self._leads = False  # Its caller is to write the next batch, of which it is the first.
        self._result: T
        self._problem: BaseException | None = None
        self._told = threading.Lock()  # Let go of whenever its caller is told something.
        self._told.acquire()

    def lead(self) -> None:
        self._leads = True
        self._told.release()

    def succeed(self, result: T) -> None:
        self._result = result
        self._told.release()

    def fail(self, problem: BaseException) -> None:
        self._problem = problem
        self._told.release()

    def is_to_lead(self) -> bool:
        """Wait until it is answered, or its caller is to write it."""
        self._told.acquire()
        return self._leads

    def answer(self) -> T:
        """Return what the use case returned, or raise what it raised."""
        if self._problem is not None:
            try:
                raise self._problem
            finally:
                self._problem = None  # Its traceback has this frame, which has this job.
        return self._result


class Store:
    """One database. Made by `open_store`; close it when done."""

    def __init__(self, engine: Engine, *, write_queue_max: int = WRITE_QUEUE_MAX) -> None:
        """Wrap `engine`, whose schema is current.

        Args:
            engine: A SQLite or PostgreSQL engine, as `open_engine` makes them.
            write_queue_max: Writes that may wait (SQLite); more are refused at once.
        """
        self._engine = engine
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._reader = engine
        if not self._is_sqlite:
            # Otherwise each statement would see another moment, and what is joined from several
            # (what a host should have, say) might never have been true.
            self._reader = engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        self._write_queue_max = write_queue_max
        self._closed = False
        self._door = threading.Lock()  # Of all that follows, but for the connection.
        self._waiting: deque[_Job[Any]] = deque()
        self._is_led = False  # Somebody writes a batch; otherwise nobody waits.
        self._expected = 1  # Use cases in the last batch.
        self._has_come = threading.Condition(self._door)  # A use case, while a batch is gathered.
        self._rests = threading.Condition(self._door)  # Nobody writes any more.
        self._writing: Connection | None = None  # Kept: to get one takes a tenth of a short write.

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    def close(self) -> None:
        """Finish the writes that are waiting, then close every connection."""
        with self._door:
            self._closed = True
            self._has_come.notify_all()
            self._rests.wait_for(lambda: not self._is_led)
        self._stop_writing()
        self._engine.dispose()

    def read(self, use_case: Callable[[Transaction], T]) -> T:
        """Run `use_case` on a snapshot; it must not write."""
        try:
            with self._reader.connect() as connection:
                if self._is_sqlite:
                    # One snapshot for all statements; the pool's reset on return ends it.
                    run_text(connection, "BEGIN")
                return use_case(Transaction(connection, sees_newest=False))
        except _UNAVAILABLE as problem:
            raise _as_unavailable(problem) from problem

    def write(self, use_case: Callable[[Transaction], T]) -> T:
        """Run `use_case` in a transaction and return its result once it is durable.

        Raises:
            StoreUnavailable: The database could not take it (disk full, connection lost, too many
                waiting, closed); nothing of it was kept.
        """
        if not self._is_sqlite:
            return self._write_alone(use_case)
        job = _Job(use_case)
        with self._door:
            if self._closed:
                raise StoreUnavailable("the store is closed")
            if len(self._waiting) >= self._write_queue_max:
                raise StoreUnavailable(f"{len(self._waiting)} changes are waiting already")
            self._waiting.append(job)
            self._has_come.notify()
            leads = not self._is_led
            self._is_led = True
        if leads or job.is_to_lead():
            self._lead()
        return job.answer()

    def _lead(self) -> None:
        """Write those who wait; of who has come meanwhile, the one who waits longest leads next."""
        batch: list[_Job[Any]] = []
        try:
            batch = self._gather()
            self._write_batch(batch)
        finally:
            with self._door:
                self._expected = len(batch)
                if self._waiting:
                    self._waiting[0].lead()
                else:
                    self._is_led = False
                    self._rests.notify_all()

    def _gather(self) -> list[_Job[Any]]:
        """Take the use cases that wait, of which there is one.

        Those who were answered a moment ago may be about to ask for more. Begun without them, a
        batch has few use cases, and all others wait for the whole of its commit. So up to as many
        as the last batch had are waited for a moment.
        """
        deadline = monotonic() + GATHER_SECONDS_MAX
        with self._door:
            while len(self._waiting) < self._expected and not self._closed:
                if not self._has_come.wait(max(0.0, deadline - monotonic())):
                    break
            count = min(len(self._waiting), BATCH_SIZE_MAX)
            return [self._waiting.popleft() for _ in range(count)]

    def _write_batch(self, batch: list[_Job[Any]]) -> None:
        kept: list[Transaction] = []
        try:
            connection = self._writing = self._writing or self._engine.connect()
            answers = _run_batch(connection, batch, kept)
            run_text(connection, "COMMIT")
        except BaseException as problem:  # noqa: BLE001 - every caller must be answered
            try:
                self._stop_writing()
            finally:
                _roll_back(kept)
                for job in batch:
                    job.fail(_as_unavailable(problem))
            return
        for transaction in kept:
            transaction.committed()
        for answer in answers:
            answer()

    def _stop_writing(self) -> None:
        """Give the writer's connection back, rolled back; the next batch gets one anew."""
        if self._writing is not None:
            connection, self._writing = self._writing, None
            try:
                connection.close()
            except Exception:  # noqa: BLE001 - what the batch has failed by may hinder this too
                with suppress(Exception):
                    connection.invalidate()

    def _write_alone(self, use_case: Callable[[Transaction], T]) -> T:
        for attempt in range(CONFLICT_RETRIES_MAX + 1):
            transaction: Transaction | None = None
            try:
                with self._engine.connect() as connection, connection.begin():
                    transaction = Transaction(connection)
                    result = use_case(transaction)
                    transaction.flush()
            except BaseException as problem:
                if transaction is not None:
                    transaction.rolled_back()
                if _is_conflict(problem) and attempt < CONFLICT_RETRIES_MAX:
                    continue
                if isinstance(problem, _UNAVAILABLE):
                    raise _as_unavailable(problem) from problem
                raise
            transaction.committed()
            return result
        raise AssertionError("unreachable: the last attempt returns or raises")


class _Spoilt(Exception):
    """A use case has failed, and what it wrote is mixed with what others wrote."""


def _run_batch(
    connection: Connection, batch: Sequence[_Job[Any]], kept: list[Transaction]
) -> list[Callable[[], None]]:
    """Run the use cases; return how to answer their callers once the batch is durable.

    A SAVEPOINT for each would have SQLite copy every page that each of them changes. So they run
    without, and if one fails that has written, all is rolled back and run again, under one each: a
    batch costs twice as much at worst. The one that failed runs again too: it may have failed by
    what those before it did, which they need not do again.
    """
    run_text(connection, "BEGIN IMMEDIATE")
    try:
        return [_run(connection, job, kept) for job in batch]
    except _Spoilt:
        run_text(connection, "ROLLBACK")
        _roll_back(kept)
        run_text(connection, "BEGIN IMMEDIATE")
        return [_run(connection, job, kept, savepoint=True) for job in batch]


def _run(
    connection: Connection, job: _Job[Any], kept: list[Transaction], *, savepoint: bool = False
) -> Callable[[], None]:
    """Run one use case; return how to answer its caller once the batch is durable.

    Raises what the database itself raises if that ended the outer transaction too, as SQLite may
    do by itself (on a full disk, for one): then the whole batch is lost.

    Raises:
        _Spoilt: It has failed, has written, and ran without a savepoint to go back to.
    """
    if savepoint:
        run_text(connection, "SAVEPOINT use_case")
    transaction = Transaction(connection)
    kept.append(transaction)  # From here on it is told, whatever happens.
    changes = _changes(connection)
    try:
        result = job.run(transaction)
        transaction.flush()
    except BaseException as problem:
        if not _in_transaction(connection):
            raise
        if savepoint:
            run_text(connection, "ROLLBACK TO use_case")
            run_text(connection, "RELEASE use_case")
        kept.remove(transaction)
        transaction.rolled_back()
        unavailable = isinstance(problem, _UNAVAILABLE)
        failure = _as_unavailable(problem) if unavailable else problem
        if not savepoint and _changes(connection) != changes:
            raise _Spoilt from problem
        return partial(job.fail, failure)
    if savepoint:
        run_text(connection, "RELEASE use_case")
    return partial(job.succeed, result)


def _roll_back(kept: list[Transaction]) -> None:
    """Tell transactions that nothing of them was kept after all, newest first."""
    while kept:
        kept.pop().rolled_back()


# PoolTimeout: every connection is in use, and stays so.
_UNAVAILABLE: Final = (OperationalError, InterfaceError, PoolTimeout)


def _in_transaction(connection: Connection) -> bool:
    """Ask SQLite itself (sqlite3_get_autocommit): it may have rolled back unasked."""
    return bool(getattr(connection.connection.dbapi_connection, "in_transaction", False))


def _changes(connection: Connection) -> object:
    """Ask SQLite how many rows were ever changed by way of this connection."""
    return getattr(connection.connection.dbapi_connection, "total_changes", None)


def _is_conflict(problem: BaseException) -> bool:
    if not isinstance(problem, DBAPIError):
        return False
    return getattr(problem.orig, "sqlstate", None) in _RETRIED_SQLSTATES


def _as_unavailable(problem: BaseException) -> StoreUnavailable:
    """Make a refusal for one caller: an exception is not shared between threads."""
    text = str(problem.orig if isinstance(problem, DBAPIError) else problem)
    unavailable = StoreUnavailable((text.splitlines() or [type(problem).__name__])[0])
    unavailable.__cause__ = problem
    return unavailable


def open_engine(url: str) -> Engine:
    """Make an engine with the settings that the promises rest on.

    SQLite: WAL (readers don't wait for the writer) and synchronous=FULL (a commit is on disk when
    it returns; with NORMAL a power cut loses the last ones).
    """
    if not url.startswith("sqlite"):
        return create_engine(url, pool_size=16, max_overflow=16, pool_pre_ping=True)
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=20,
        max_overflow=60,
        # isolation_level None: the driver begins nothing by itself; the batches do.
        connect_args={"check_same_thread": False, "timeout": 30, "isolation_level": None},
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "cache_size=-65536",
            "temp_store=MEMORY",
            # What is deleted is overwritten: a password, say. FAST would leave pages that become
            # free as they are, and the end of a row with much user_data is in pages of its own.
            "secure_delete=ON",
            # 16 MiB, not 4: a page that many commits write is copied into the database less often.
            "wal_autocheckpoint=4000",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine

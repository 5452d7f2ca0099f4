"""Use cases are all or none, and alone in failing; everybody is answered, once it is durable."""

from __future__ import annotations

import logging
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from tests.support.patience import HANGS_SECONDS
from tests.support.waiting import wait_until
from trunkline.domain.errors import NotFound, StoreUnavailable
from trunkline.store import engine
from trunkline.store.engine import Store, open_engine
from trunkline.store.schema import open_store
from trunkline.store.transaction import Transaction


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'trunkline.db'}")
    yield opened
    opened.close()


def put(key: str) -> Callable[[Transaction], str]:
    def write(tx: Transaction) -> str:
        tx.settings.put(key, "here")
        return key

    return write


def put_and_fail(key: str) -> Callable[[Transaction], str]:
    def write(tx: Transaction) -> str:
        tx.settings.put(key, "here")
        raise NotFound("setting", key)

    return write


def kept(store: Store, *keys: str) -> list[str]:
    return store.read(lambda tx: [key for key in keys if tx.settings.find(key) is not None])


@contextmanager
def statements(store: Store, watch: Callable[[str], None]) -> Iterator[None]:
    """Call `watch` with each statement before the database gets it."""

    def note(_c: Any, _cu: Any, statement: str, *_: Any) -> None:
        watch(statement)

    event.listen(store._engine, "before_cursor_execute", note)
    try:
        yield
    finally:
        event.remove(store._engine, "before_cursor_execute", note)


def fail_at(prefix: str) -> Callable[[str], None]:
    def watch(statement: str) -> None:
        if statement.startswith(prefix):
            raise OperationalError(statement, {}, sqlite3.OperationalError("disk I/O error"))

    return watch


def in_one_batch(store: Store, *use_cases: Callable[[Transaction], str]) -> list[Future[str]]:
    """Write all of them while the writer is kept busy, so that they wait together, in order."""
    entered, go = threading.Event(), threading.Event()

    def hold_up(_tx: Transaction) -> None:
        entered.set()
        assert go.wait(HANGS_SECONDS)

    with ThreadPoolExecutor(len(use_cases) + 1) as threads:
        first = threads.submit(store.write, hold_up)
        assert entered.wait(HANGS_SECONDS)
        futures = []
        for number, use_case in enumerate(use_cases, 1):
            futures.append(threads.submit(store.write, use_case))
            wait_for_queue(store, number)
        go.set()
        first.result()
    return futures


def wait_for_queue(store: Store, length: int) -> None:
    wait_until(lambda: len(store._waiting) >= length, f"{length} writes wait", look_seconds=0.001)


def test_a_use_case_that_fails_keeps_nothing_and_gets_its_own_error(store: Store) -> None:
    with pytest.raises(NotFound, match="setting a"):
        store.write(put_and_fail("a"))
    assert kept(store, "a") == []


def test_effects_run_once_in_order_and_only_those_of_the_outcome(store: Store) -> None:
    seen: list[str] = []

    def register(tx: Transaction) -> None:
        for name in ("1", "2"):
            tx.on_commit(lambda name=name: seen.append(f"commit {name}"))  # type: ignore[misc]  # mypy can't infer a lambda with a default
            tx.on_rollback(lambda name=name: seen.append(f"rollback {name}"))  # type: ignore[misc]  # the same

    store.write(register)
    assert seen == ["commit 1", "commit 2"]
    seen.clear()

    def register_and_fail(tx: Transaction) -> None:
        register(tx)
        raise NotFound("it", "x")

    with pytest.raises(NotFound):
        store.write(register_and_fail)
    assert seen == ["rollback 2", "rollback 1"]


def test_effects_see_what_was_kept(store: Store) -> None:
    seen: list[list[str]] = []

    def write(tx: Transaction) -> None:
        tx.settings.put("a", "here")
        tx.on_commit(lambda: seen.append(kept(store, "a")))

    store.write(write)
    assert seen == [["a"]]


def test_an_effect_that_fails_stops_neither_the_others_nor_later_writes(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []

    def explode() -> None:
        raise ValueError("a bug")

    def write(tx: Transaction) -> None:
        tx.settings.put("a", "here")
        tx.on_commit(explode)
        tx.on_commit(lambda: seen.append("second"))

    with caplog.at_level(logging.ERROR):
        store.write(write)
    assert seen == ["second"]
    assert "a bug" in caplog.text
    store.write(put("b"))
    assert kept(store, "a", "b") == ["a", "b"]


def test_a_read_sees_one_moment_whatever_is_written_meanwhile(store: Store) -> None:
    def read(tx: Transaction) -> tuple[str | None, str | None]:
        before = tx.settings.find("a")
        with ThreadPoolExecutor(1) as other:
            other.submit(store.write, put("a")).result()
        return before, tx.settings.find("a")

    assert store.read(read) == (None, None)
    assert kept(store, "a") == ["a"]


def test_writes_from_many_threads_are_all_kept(store: Store) -> None:
    keys = [str(number) for number in range(40)]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda key: store.write(put(key)), keys)) == keys
    assert kept(store, *keys) == keys


def test_what_waits_together_shares_one_commit_and_failures_stay_alone(sqlite_store: Store) -> None:
    commits: list[str] = []
    with statements(sqlite_store, lambda s: commits.append(s) if s == "COMMIT" else None):
        good, bad, other = in_one_batch(sqlite_store, put("a"), put_and_fail("b"), put("c"))
    assert (good.result(), other.result()) == ("a", "c")
    with pytest.raises(NotFound):
        bad.result()
    assert kept(sqlite_store, "a", "b", "c") == ["a", "c"]
    assert len(commits) == 2  # The one that kept the writer busy, and the batch.


def test_a_database_error_of_one_use_case_does_not_touch_the_others(sqlite_store: Store) -> None:
    def broken(tx: Transaction) -> str:
        tx.settings.put("b", "here")
        tx._connection.exec_driver_sql("SELECT * FROM no_such_table")
        return "unreachable"

    good, bad, other = in_one_batch(sqlite_store, put("a"), broken, put("c"))
    assert (good.result(), other.result()) == ("a", "c")
    with pytest.raises(StoreUnavailable, match="no such table"):
        bad.result()
    assert kept(sqlite_store, "a", "b", "c") == ["a", "c"]


def test_a_batch_runs_again_if_one_of_it_fails_that_has_written(sqlite_store: Store) -> None:
    seen: list[str] = []

    def watched(use_case: Callable[[Transaction], str], name: str) -> Callable[[Transaction], str]:
        def write(tx: Transaction) -> str:
            seen.append(f"run {name}")
            tx.on_commit(lambda: seen.append(f"commit {name}"))
            tx.on_rollback(lambda: seen.append(f"rollback {name}"))
            return use_case(tx)

        return write

    def refuse(_tx: Transaction) -> str:
        raise NotFound("setting", "r")

    *good, other = in_one_batch(
        sqlite_store, watched(put("a"), "a"), watched(refuse, "refused"), watched(put("b"), "b")
    )
    assert [future.exception() for future in (good[0], other)] == [None, None]
    assert seen == [
        "run a", "run refused", "rollback refused", "run b", "commit a", "commit b",
    ]  # fmt: skip
    seen.clear()

    in_one_batch(
        sqlite_store, watched(put("c"), "c"), watched(put_and_fail("x"), "x"),
        watched(put_and_fail("y"), "y"), watched(put("d"), "d"),
    )  # fmt: skip
    assert seen == [
        "run c", "run x", "rollback x", "rollback c",
        "run c", "run x", "rollback x", "run y", "rollback y", "run d", "commit c", "commit d",
    ]  # fmt: skip
    assert kept(sqlite_store, "a", "b", "c", "d", "x", "y") == ["a", "b", "c", "d"]


def test_one_that_failed_by_what_came_to_nothing_does_not_fail(sqlite_store: Store) -> None:
    runs: list[str] = []

    def takes_the_last_once(tx: Transaction) -> str:
        runs.append("first")
        return put("last" if len(runs) == 1 else "another")(tx)

    def needs_the_last(tx: Transaction) -> str:
        put("begun")(tx)
        if tx.settings.find("last") is not None:
            raise NotFound("setting", "last")
        return put("last")(tx)

    answers = in_one_batch(sqlite_store, takes_the_last_once, needs_the_last)
    assert [future.exception() for future in answers] == [None, None]
    assert kept(sqlite_store, "last", "another", "begun") == ["last", "another", "begun"]


@pytest.mark.parametrize(
    ("at", "spoilt", "expected"),
    [
        ("BEGIN", False, []),
        ("COMMIT", False, ["b", "a"]),
        ("ROLLBACK", True, ["x", "a"]),
        ("SAVEPOINT", True, ["x", "a"]),
        ("RELEASE", True, ["x", "a", "a"]),
        ("COMMIT", True, ["x", "a", "x", "b", "a"]),
    ],
)
def test_a_batch_that_cannot_be_committed_keeps_nothing_and_answers_everybody(
    sqlite_store: Store, at: str, *, spoilt: bool, expected: list[str]
) -> None:
    """Whether it is run once, or again because one use case of it (`x`) has failed."""
    undone: list[str] = []

    def watched(key: str) -> Callable[[Transaction], str]:
        def write(tx: Transaction) -> str:
            tx.on_rollback(lambda: undone.append(key))
            tx.on_commit(lambda: undone.append(f"{key} committed"))
            return put_and_fail(key)(tx) if key == "x" else put(key)(tx)

        return write

    class Switch:
        on = False

    def watch(statement: str) -> None:
        if Switch.on:
            fail_at(at)(statement)

    with statements(sqlite_store, watch):
        entered, go = threading.Event(), threading.Event()

        def hold_up(tx: Transaction) -> None:
            tx.on_commit(lambda: setattr(Switch, "on", True))
            entered.set()
            assert go.wait(HANGS_SECONDS)

        with ThreadPoolExecutor(4) as threads:
            first = threads.submit(sqlite_store.write, hold_up)
            assert entered.wait(HANGS_SECONDS)
            futures = []
            for number, key in enumerate(("a", "x", "b") if spoilt else ("a", "b"), 1):
                futures.append(threads.submit(sqlite_store.write, watched(key)))
                wait_for_queue(sqlite_store, number)
            go.set()
            first.result()
            problems = [future.exception(HANGS_SECONDS) for future in futures]
    assert {type(problem) for problem in problems} == {StoreUnavailable}
    assert problems[0] is not problems[1]
    assert "disk I/O error" in str(problems[0])
    assert kept(sqlite_store, "a", "b", "x") == []
    assert undone == expected
    assert sqlite_store.write(put("c")) == "c"


def test_as_many_as_shared_the_last_commit_are_waited_for(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_one_batch(sqlite_store, put("a"), put("b"), put("c"))
    monkeypatch.setattr(engine, "GATHER_SECONDS_MAX", HANGS_SECONDS)
    commits: list[str] = []
    with (
        statements(sqlite_store, lambda s: commits.append(s) if s == "COMMIT" else None),
        ThreadPoolExecutor(3) as threads,
    ):
        early = threads.submit(sqlite_store.write, put("d"))
        wait_until(lambda: early.done() or sqlite_store._waiting, "it waits for others")
        assert not early.done()
        late = [threads.submit(sqlite_store.write, put(key)) for key in ("e", "f")]
        assert [future.result() for future in (early, *late)] == ["d", "e", "f"]
    assert len(commits) == 1


def test_a_full_queue_refuses_at_once(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'trunkline.db'}")
    store.close()
    small = Store(open_engine(f"sqlite:///{tmp_path / 'trunkline.db'}"), write_queue_max=2)
    entered, go = threading.Event(), threading.Event()

    def hold_up(_tx: Transaction) -> None:
        entered.set()
        assert go.wait(HANGS_SECONDS)

    with ThreadPoolExecutor(3) as threads:
        threads.submit(small.write, hold_up)
        assert entered.wait(HANGS_SECONDS)
        waiting = []
        for number in (1, 2):
            waiting.append(threads.submit(small.write, put(str(number))))
            wait_for_queue(small, number)
        with pytest.raises(StoreUnavailable, match="2 changes are waiting already"):
            small.write(put("3"))
        go.set()
        assert [future.result() for future in waiting] == ["1", "2"]
    small.close()


def test_closing_finishes_the_writes_that_wait_and_refuses_later_ones(sqlite_store: Store) -> None:
    entered, go = threading.Event(), threading.Event()

    def hold_up(_tx: Transaction) -> None:
        entered.set()
        assert go.wait(HANGS_SECONDS)

    with ThreadPoolExecutor(3) as threads:
        threads.submit(sqlite_store.write, hold_up)
        assert entered.wait(HANGS_SECONDS)
        waiting = threads.submit(sqlite_store.write, put("a"))
        wait_for_queue(sqlite_store, 1)
        closing = threads.submit(sqlite_store.close)
        wait_until(lambda: sqlite_store._closed, "no later ones are taken")
        with pytest.raises(StoreUnavailable, match="closed"):
            sqlite_store.write(put("b"))
        go.set()
        assert waiting.result() == "a"
        closing.result()
    assert kept(sqlite_store, "a", "b") == ["a"]


def test_use_cases_that_wait_for_each_other_in_a_circle_both_end(
    new_postgres_database: Callable[[], str],
) -> None:
    store = open_store(new_postgres_database())
    for key in ("a", "b"):
        store.write(put(key))
    both_hold_one = threading.Barrier(2)
    runs: list[str] = []

    def touch(keys: Sequence[str]) -> Callable[[Transaction], None]:
        def write(tx: Transaction) -> None:
            first_time = keys[0] not in runs
            runs.append(keys[0])
            tx.settings.put(keys[0], "changed")
            if first_time:
                both_hold_one.wait(HANGS_SECONDS)
            tx.settings.put(keys[1], "changed")

        return write

    with ThreadPoolExecutor(2) as threads:
        for future in [threads.submit(store.write, touch(keys)) for keys in ("ab", "ba")]:
            future.result(HANGS_SECONDS)
    assert len(runs) >= 3, "nobody was in the other's way"
    store.close()


def test_a_program_that_fails_before_it_closes_its_store_ends(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'trunkline.db'}"
    program = f"""
from trunkline.store.schema import open_store
store = open_store({url!r})
store.write(lambda tx: tx.settings.put("a", "here"))
raise SystemExit(7)
"""
    done = subprocess.run([sys.executable, "-c", program], timeout=HANGS_SECONDS)
    assert done.returncode == 7
    store = open_store(url)
    assert store.read(lambda tx: tx.settings.find("a")) == "here"
    store.close()


def test_a_database_that_cannot_be_reached_is_told_as_such(tmp_path: Path) -> None:
    store = Store(open_engine(f"postgresql+psycopg://nobody@/none?host={tmp_path}"))
    with pytest.raises(StoreUnavailable):
        store.read(lambda tx: tx.settings.find("a"))
    with pytest.raises(StoreUnavailable):
        store.write(put("a"))
    store.close()


def test_all_are_answered_however_threads_take_turns(sqlite_store: Store) -> None:
    def write_many(name: int) -> None:
        for number in range(400):
            assert sqlite_store.write(put(f"{name}/{number}")) == f"{name}/{number}"

    between = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(12) as threads:
            for future in [threads.submit(write_many, name) for name in range(12)]:
                future.result(HANGS_SECONDS)
    finally:
        sys.setswitchinterval(between)

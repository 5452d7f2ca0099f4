"""Two use cases side by side: one stands still before a statement while the other runs into it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import event, text

from tests.support.patience import HANGS_SECONDS
from trunkline.control.services import Services

_WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted")


@contextmanager
def before_each_statement(svc: Services, act: Callable[..., object]) -> Iterator[None]:
    """Call `act` before each statement that the database is given; COMMIT counts as one."""
    engine = svc.store._engine
    event.listen(engine, "before_cursor_execute", act)
    event.listen(engine, "commit", act)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", act)
        event.remove(engine, "commit", act)


def count_statements(svc: Services, use_case: Callable[[], object]) -> int:
    """Run a use case; return how many statements it took, COMMIT included."""
    seen = itertools.count()
    with before_each_statement(svc, lambda *_: next(seen)):
        use_case()
    return next(seen)


def count_and_roll_back(svc: Services, use_case: Callable[[], object]) -> int:
    """Return how many statements one transaction takes on PostgreSQL; keep nothing of it."""
    seen = 0

    def count(*statement: Any) -> None:
        nonlocal seen
        seen += 1
        if len(statement) == 1:  # A COMMIT comes with its connection alone.
            raise _EnoughError

    with before_each_statement(svc, count), suppress(_EnoughError):
        use_case()
    return seen


def sampled(count: int, points_max: int) -> list[int]:
    """Choose statements of so many: the last one, COMMIT, and others evenly before it."""
    points = min(points_max, count)
    return sorted({count - count * number // points for number in range(points)})


class _EnoughError(Exception):
    """All statements but COMMIT were given."""


class Pause:
    """Stands still once, before the given statement, until it is told to go."""

    def __init__(self, number: int) -> None:
        self._left = number
        self._reached, self._go = threading.Event(), threading.Event()

    def step(self, *_: Any) -> None:
        self._left -= 1
        if self._left == 0:
            self._reached.set()
            assert self._go.wait(HANGS_SECONDS), "nobody told it to go on"

    def reached_by(self, running: Future[object]) -> bool:
        """Wait until `running` stands here; False: it has ended without coming by."""
        running.add_done_callback(lambda _: self._reached.set())
        assert self._reached.wait(HANGS_SECONDS), "it neither ends nor comes by"
        return not running.done()

    def go(self) -> None:
        self._go.set()


def run_into(
    standing: tuple[Services, Callable[[], object]], other: Callable[[], object], number: int
) -> tuple[bool, list[BaseException | None]]:
    """Stop one before statement `number`, run the other, let the first go on.

    Returns:
        Whether the first was caught, and what became of each: an error, or None.
    """
    svc, use_case = standing
    pause = Pause(number)
    with ThreadPoolExecutor(2) as threads, before_each_statement(svc, pause.step):
        one = threads.submit(use_case)
        try:
            caught = pause.reached_by(one)
            two = threads.submit(other)
            wait_until_done_or_blocked(svc, two)
        finally:
            pause.go()
        return caught, [one.exception(HANGS_SECONDS), two.exception(HANGS_SECONDS)]


def wait_until_done_or_blocked(svc: Services, running: Future[Any]) -> None:
    """Wait until a use case has ended, or stands before a lock that the first one holds."""
    for _ in range(int(HANGS_SECONDS) * 200):
        if wait([running], timeout=0.005).done:
            return
        if svc.store.read(lambda tx: tx._connection.scalar(_WAITING)):
            return
    raise AssertionError("it neither ends nor waits")

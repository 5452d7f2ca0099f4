"""Processes that can be dropped at a named point, none of their frames unwound.

A call that is to be dropped runs in a thread of its own while the caller waits: one runs at a time,
so the order of events is the seed's all the same. At its point the thread stops for ever: no
`finally` runs, no `with` is left, as with SIGKILL. What the process had open stays open, which is
why a point is never inside a transaction or while a state file is held. The threads end, unwinding,
when the run has been judged.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Dropped(Exception):
    """The process that was called is no more. Raised in its caller, never in the process."""

    def __init__(self, point: str) -> None:
        super().__init__(point)
        self.point = point


class _End(BaseException):
    """Ends a thread that was dropped long ago."""


class Graveyard:
    """Where dropped threads wait for the end of the run."""

    def __init__(self) -> None:
        self._end = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, body: Callable[[], None]) -> None:
        """Run `body` in a thread that may come to be buried here."""
        thread = threading.Thread(target=body, daemon=True)
        self._threads.append(thread)
        thread.start()

    def bury(self) -> None:
        """Stop the calling thread until the run is over; then end it."""
        self._end.wait()
        raise _End

    def close(self) -> None:
        """End every thread."""
        self._end.set()
        for thread in self._threads:
            thread.join()
        self._threads.clear()


class Life:
    """One run of one process: tells it where it stands, and where it ends."""

    def __init__(self, graveyard: Graveyard) -> None:
        self._graveyard = graveyard
        self._points_left: int | None = None
        self._call: _Call[Any] | None = None

    def drop_after(self, points: int) -> None:
        """Drop the process at its next point but `points`."""
        self._points_left = points

    def spare(self) -> None:
        """Let the process live after all."""
        self._points_left = None

    def reached(self, point: str) -> None:
        """Called by the process: it has come to `point`. May never return."""
        if self._points_left is None or self._call is None:
            return
        if self._points_left > 0:
            self._points_left -= 1
            return
        self._call.dropped_at = point
        self._call.over.release()
        self._graveyard.bury()

    def run(self, call: Callable[[], T]) -> T:
        """Call the process.

        Raises:
            Dropped: It was dropped before it answered.
        """
        if self._points_left is None or self._call is not None:
            return call()
        made: _Call[T] = _Call(call)
        self._call = made
        self._graveyard.start(made.body)
        made.over.acquire()
        if made.dropped_at is not None:
            raise Dropped(made.dropped_at)
        self._call = None
        return made.answer()


class _Call(Generic[T]):
    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._result: list[T] = []
        self._problem: BaseException | None = None
        self.over = threading.Semaphore(0)
        self.dropped_at: str | None = None

    def body(self) -> None:
        try:
            self._result.append(self._call())
        except _End:
            return
        except BaseException as problem:  # noqa: BLE001 - raised again where it belongs
            self._problem = problem
        self.over.release()

    def answer(self) -> T:
        if self._problem is not None:
            raise self._problem
        return self._result[0]

"""Doing something every few seconds, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

log = structlog.get_logger()


class Ticker:
    """Calls `tick` every `seconds`, from `start` until `stop`."""

    def __init__(self, name: str, seconds: float, tick: Callable[[], None]) -> None:
        self._name = name
        self._seconds = seconds
        self._tick = tick
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name)

    def start(self) -> None:
        """Begin; the first call comes after `seconds`."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the call that is under way, and end."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds):
            try:
                self._tick()
            except Exception:
                log.exception("periodic task failed", task=self._name)

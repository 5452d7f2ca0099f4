"""The requests that somebody is waiting for, so that work in the background can give way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Foreground:
    """Counts the requests whose handlers run, or wait for a worker thread. Safe from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count one request for as long as the context is open."""
        with self._changed:
            self._count += 1
        try:
            yield
        finally:
            with self._changed:
                self._count -= 1
                if not self._count:
                    self._changed.notify_all()

    def wait_until_quiet(self, seconds_max: float) -> bool:
        """Wait until no request is under way, `seconds_max` at most; say whether it is so."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._count, timeout=seconds_max)

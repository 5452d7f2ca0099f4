"""libvirt's event loop, in a thread of its own: what ends a turn of it unforeseen is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

import structlog

_log = structlog.get_logger(__name__)

PAUSE_SECONDS: Final = 1.0  # After a turn that failed; twice as long after each that follows.
PAUSE_SECONDS_MAX: Final = 60.0
STEADY_PAUSES: Final = 10  # Turns that have gone well for so long end the problem.


class EventLoop:
    """Turns for ever, in a daemon thread.

    Turns that fail are told as `problem`, and the next is tried after a pause. What libvirt told
    meanwhile may be lost: `failures` counts them, for who has to look for itself then.
    """

    def __init__(self, turn: Callable[[], object], *, pause_seconds: float = PAUSE_SECONDS) -> None:
        """Set up; `start` begins.

        Args:
            turn: Waits for something to do and does it; keepalive has it return every few seconds.
            pause_seconds: How long to wait after the first that failed.
        """
        self.problem = ""
        self.failures = 0
        self._turn = turn
        self._pause_seconds = pause_seconds
        self._failed_at = 0.0
        self._thread = threading.Thread(target=self._run, name="libvirt-events", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def _run(self) -> None:
        never, pause = threading.Event(), self._pause_seconds
        while True:
            try:
                self._turn()
            except Exception as problem:  # noqa: BLE001  # whatever it is, it is told
                words = f"libvirt's events are not heard: {problem!r}"
                if words != self.problem:  # It stands until it is over, and is logged once.
                    _log.exception("libvirt's events are not heard")
                self.problem = words
                self.failures += 1
                never.wait(pause)
                pause = min(2 * pause, PAUSE_SECONDS_MAX)
                self._failed_at = time.monotonic()
                continue
            steady = self._failed_at + STEADY_PAUSES * self._pause_seconds
            if self.problem and time.monotonic() >= steady:
                self.problem, pause = "", self._pause_seconds

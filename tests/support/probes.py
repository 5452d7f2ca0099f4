"""Probes of agents: one writes down where they stand, one kills them there."""

from __future__ import annotations

import os
import signal


class Recorder:
    """Writes down where the agent has been."""

    def __init__(self) -> None:
        self.points: list[str] = []

    def reached(self, point: str) -> None:
        self.points.append(point)


class Killer:
    """Ends the process at the nth point."""

    def __init__(self, number: int) -> None:
        self._left = number

    def reached(self, point: str) -> None:
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1

"""The trace: one line an event, in fixed columns. Its legend is in docs/testing.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

TAIL_LINES: Final = 40  # Printed with a violation: a page, and the cause is rarely further up.
_WHAT_WIDTH: Final = 84
HEADER: Final = f"{'time':>10}  {'who':<8} {'what':<{_WHAT_WIDTH}} {'gen':>4}  result"


class Trace:
    """Collects the lines of one run."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        """Begin a trace; `seconds` tells the simulated time."""
        self._seconds = seconds
        self._lines: list[str] = []

    def line(self, who: str, what: str, *, generation: int | None = None, result: str = "") -> None:
        """Add one event."""
        shown = what if len(what) <= _WHAT_WIDTH else what[: _WHAT_WIDTH - 1] + "…"
        gen = "" if generation is None else str(generation)
        first_line = result.partition("\n")[0]
        line = f"{self._seconds():10.3f}  {who:<8} {shown:<{_WHAT_WIDTH}} {gen:>4}  {first_line}"
        self._lines.append(line.rstrip())

    def text(self) -> str:
        """Return the whole trace."""
        return "\n".join([HEADER, *self._lines]) + "\n"

    def tail(self) -> str:
        """Return the last lines."""
        return "\n".join([HEADER, *self._lines[-TAIL_LINES:]]) + "\n"

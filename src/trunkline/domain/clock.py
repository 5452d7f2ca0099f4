"""Time and new IDs are given, never taken: then a simulator can be the whole world."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time. The real one is in `bootstrap`, a movable one in `sim`."""

    def now(self) -> datetime:
        """Return the time of day, UTC, with its zone set."""
        ...


class IdSource(Protocol):
    """Makes new IDs. The real one is random; the simulator's comes from the seed."""

    def new_id(self) -> str:
        """Return a new UUID in its canonical text form."""
        ...

    def new_secret(self) -> str:
        """Return at least 256 random bits as URL-safe text, for tokens and passwords."""
        ...

"""Time that moves when the world says so, and IDs that come from the seed."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Final

START: Final = datetime(2026, 1, 1, tzinfo=UTC)


class SimClock:
    """Stands still until the world moves it; never goes back."""

    def __init__(self) -> None:
        self._now = START

    def now(self) -> datetime:
        """Return the simulated time of day."""
        return self._now

    @property
    def seconds(self) -> float:
        """Return the time since the world began."""
        return (self._now - START).total_seconds()

    def advance(self, seconds: float) -> None:
        """Let time pass, in whole milliseconds."""
        self._now += timedelta(milliseconds=round(seconds * 1000))

    def advance_to(self, when: datetime) -> None:
        """Let time pass until `when`, if that is still to come."""
        self._now = max(self._now, when)


class SeededIds:
    """The same seed gives the same IDs."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)  # noqa: S311 - repeatable, not secret

    def new_id(self) -> str:
        """Return the next UUID."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def new_secret(self) -> str:
        """Return 256 bits, the next ones."""
        return self._random.randbytes(32).hex()

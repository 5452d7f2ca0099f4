"""A clock that is moved by hand, and IDs that come from a seed."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime, timedelta

from trunkline.bootstrap.real import RealClock


class ManualClock:
    """Stands still until it is told to move; at the same day in each run, unless given another."""

    def __init__(self, at: datetime | None = None) -> None:
        self._now = at or datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


def a_clock_for_clients() -> ManualClock:
    """Return a clock that stands at the present: no token is old to clients, and no host silent.

    The real clients log in anew for each request, some twenty times a command, where the token that
    they get has expired by their own clock.
    """
    return ManualClock(RealClock().now())


class SeededIds:
    """The same seed gives the same IDs."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)

    def new_id(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def new_secret(self) -> str:
        return self._random.randbytes(32).hex()

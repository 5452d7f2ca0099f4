"""A clock that is moved by hand, and IDs that come from a seed."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime, timedelta


class ManualClock:
    """Stands still until it is told to move."""

    def __init__(self) -> None:
        self._now = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


class SeededIds:
    """The same seed gives the same IDs."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)

    def new_id(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def new_secret(self) -> str:
        return self._random.randbytes(32).hex()

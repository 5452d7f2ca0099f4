"""Which hosts have fallen silent, and which could not be heard because nobody listened."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from trunkline.domain.clock import Clock


class Silence:
    """Judges when hosts were last heard of, as one process sees it."""

    def __init__(self, clock: Clock, *, seconds_max: int) -> None:
        """Set up: longer unheard of than `seconds_max`, and a host is silent."""
        self._clock = clock
        self._most = timedelta(seconds=seconds_max)
        # Before this process: when an agent was heard last, and how long nobody could be after it.
        self._heard_until: datetime | None = None
        self._nobody_listened = timedelta()

    def begin(self, last_seen: Iterable[datetime | None]) -> None:
        """Take in when each host was heard of last, at the start of this process.

        If nothing was heard of any host for a while, nobody listened: the service was down. That
        time is no host's silence, or after an outage all would be out until their next heartbeat.
        """
        heard = [at for at in last_seen if at is not None]
        if heard:
            self._heard_until = max(heard)
            self._nobody_listened = max(self._clock.now() - self._heard_until, timedelta())

    def heard_recently(self, last_seen: datetime | None) -> bool:
        """Say whether a host that was heard of then, or never, is not silent."""
        if last_seen is None:
            return False
        silent = self._clock.now() - last_seen
        if self._heard_until is not None and last_seen <= self._heard_until:
            silent -= self._nobody_listened
        return silent <= self._most

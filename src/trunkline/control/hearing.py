"""Which hosts have been heard within the limit."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from trunkline.domain.clock import Clock


class Hearing:
    """Tells silence of a host from silence because nobody listened.

    If nothing was heard of any host for a while before this process began, the service was down.
    That time is no host's silence: else all would be out after an outage, until their next
    heartbeat.
    """

    def __init__(self, clock: Clock, silent_seconds_max: int) -> None:
        """Take it that somebody always listened; `begin` says otherwise."""
        self._clock = clock
        self._silence_max = timedelta(seconds=silent_seconds_max)
        self._heard_until: datetime | None = None
        self._nobody_listened = timedelta()

    def begin(self, last_seen: Iterable[datetime | None]) -> None:
        """Begin to listen, knowing when each host was heard last."""
        heard = [at for at in last_seen if at is not None]
        if heard:
            self._heard_until = max(heard)
            self._nobody_listened = max(self._clock.now() - self._heard_until, timedelta())

    def is_recent(self, last_seen: datetime | None) -> bool:
        """Whether a host that was heard last then has not been silent too long."""
        if last_seen is None:
            return False
        silent = self._clock.now() - last_seen
        if self._heard_until is not None and last_seen <= self._heard_until:
            silent -= self._nobody_listened
        return silent <= self._silence_max

"""What a machine has told by itself, and this agent has not looked at yet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from trunkline.reconcile.interfaces import HostNews, HostWatch


class Unread:
    """Gathers news until it is looked at, and says when that is due.

    News that keeps coming, as of a link that flaps, is looked at together after a gap. Whatever is
    gathered before the machine is read is covered by that reading, the agent's own writes included.
    """

    def __init__(self, watches: Sequence[HostWatch], *, gap: timedelta) -> None:
        self.news = HostNews()
        self._watches = watches
        self._gap = gap
        self._looked: datetime | None = None  # When news was looked at last.

    def listen(self) -> None:
        """Gather what was told since last time."""
        for watch in self._watches:
            self.news |= watch.take()

    @property
    def problem(self) -> str:
        """Why not all is heard that the machine tells; empty: it is."""
        return next((watch.problem for watch in self._watches if watch.problem), "")

    @property
    def due(self) -> datetime | None:
        """When to look; None: there is no news, or it is to be looked at at once."""
        return None if self.news.is_empty or self._looked is None else self._looked + self._gap

    def is_due(self, now: datetime) -> bool:
        """Whether there is news to look at now."""
        return not self.news.is_empty and (self._looked is None or self._looked + self._gap <= now)

    def clear(self, now: datetime) -> None:
        """Note that all that was gathered was looked at."""
        if not self.news.is_empty:
            self._looked = now
        self.news = HostNews()

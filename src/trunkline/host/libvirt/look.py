"""Look: a reading that may take long, which keeps nobody who asks for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from trunkline.host.libvirt.link import Call
from trunkline.reconcile.interfaces import NotYet

T = TypeVar("T")


class Look(Generic[T]):
    """One reading at a time, in a thread of its own, waited for shortly by each who asks.

    One that came late is used by the next who asks: it is no older than if that one had waited for
    it. Since something may have changed between, this is news then, so that another look follows.
    """

    def __init__(
        self, read: Callable[[], T], *, seconds: float, on_news: Callable[[], None]
    ) -> None:
        """Read nothing yet.

        Args:
            read: The reading; it must end at some time.
            seconds: How long to wait for it.
            on_news: Called from such a thread when a reading has come that nobody waits for, and
                by who uses it: `take_news` says so then.
        """
        self._read = read
        self._seconds = seconds
        self._on_news = on_news
        self._lock = threading.Lock()
        self._late: Call[T] | None = None
        self._is_back = False  # The newest reading: in time, or told of by `_came_back`.
        self._has_news = False

    def result(self) -> T:
        """Return what was read, or raise what that raised.

        Raises:
            NotYet: It takes longer.
        """
        late = self._late
        if late is None:
            self._is_back = False
        asked = late or Call(self._read, self._came_back, name="libvirt-look")
        # Of one that is late it is news when it comes: it is not waited for once more.
        if not asked.came_back.wait(self._seconds if late is None else 0):
            with self._lock:
                if not self._is_back:
                    self._late = asked
                    raise NotYet("libvirt takes its time to tell of its domains")
            asked.came_back.wait()  # It came in this very moment.
        self._late = None
        if late is not None:
            self._tell()
        return asked.answer()

    def take_news(self) -> bool:
        """Say whether there is something to look at since last asked."""
        with self._lock:
            has_news, self._has_news = self._has_news, False
            return has_news

    def _came_back(self) -> None:
        with self._lock:
            self._is_back = True
            is_late = self._late is not None
        if is_late:
            self._tell()

    def _tell(self) -> None:
        with self._lock:
            self._has_news = True
        self._on_news()

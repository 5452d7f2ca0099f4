"""Telling the requests that wait for a host that what is desired of it has changed.

Use cases run in worker threads and call `wake`; requests wait in the event loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from trunkline.domain.ids import HostName


class Wakeups:
    """Who waits for which host. `bootstrap` passes `wake` to the services as `wake_host`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[HostName, set[Waiter]] = {}
        self._closed = False

    def wake(self, host_name: HostName) -> None:
        """Wake all that wait for `host_name`. May be called from any thread."""
        with self._lock:
            waiters = tuple(self._waiting.get(host_name, ()))
        for waiter in waiters:
            waiter.wake()

    def close(self) -> None:
        """Let every wait end at once, those to come too: the service is stopping."""
        with self._lock:
            self._closed = True
            waiters = [waiter for group in self._waiting.values() for waiter in group]
        for waiter in waiters:
            waiter.wake()

    @property
    def closed(self) -> bool:
        """The service is stopping."""
        return self._closed

    @contextmanager
    def waiting_for(self, host_name: HostName) -> Iterator[Waiter]:
        """Wait for `host_name` from now on: a change after this is not missed."""
        waiter = Waiter(asyncio.get_running_loop())
        with self._lock:
            self._waiting.setdefault(host_name, set()).add(waiter)
        try:
            yield waiter
        finally:
            with self._lock:
                group = self._waiting[host_name]
                group.discard(waiter)
                if not group:
                    del self._waiting[host_name]


class Waiter:
    """One request that waits, in its event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._event = asyncio.Event()

    def wake(self) -> None:
        """Let it look again. May be called from any thread."""
        try:
            self._loop.call_soon_threadsafe(self._event.set)
        except RuntimeError:
            # The loop has ended, and the request with it.
            return

    async def changed(self, timeout_seconds: float) -> bool:
        """Wait until woken; say whether that came before the time was over."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True

"""UnderWay: slow work on servers, in threads of its own; begun by one call, looked at by others."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from trunkline.domain.ids import ServerId
from trunkline.reconcile.interfaces import HostRefused

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    server_id: ServerId
    operation: str
    act: Callable[[], None]


class UnderWay:
    """At most one piece of work on each server. What fails is told to whoever begins it again."""

    def __init__(self, name: str, *, at_once: int, on_news: Callable[[], None]) -> None:
        """Begin nothing yet.

        Args:
            name: Of the threads.
            at_once: How much is worked on at a time; the rest waits, in order.
            on_news: Called from such a thread when a piece of work has ended.
        """
        self._name = name
        self._at_once = at_once
        self._on_news = on_news
        self._lock = threading.Lock()
        self._waiting: deque[_Work] = deque()
        self._doing: dict[ServerId, str] = {}
        self._failed: dict[ServerId, tuple[str, HostRefused]] = {}
        self._workers = 0
        self._has_news = False

    def doing(self) -> Mapping[ServerId, str]:
        """Return what is being done, by server."""
        with self._lock:
            return dict(self._doing)

    def say(self, server_id: ServerId, doing: str) -> None:
        """Have something else told of what is being done."""
        with self._lock:
            if server_id in self._doing:
                self._doing[server_id] = doing

    def raise_failure(self, server_id: ServerId, operation: str) -> None:
        """Tell what came of the last piece of work, once, if it was this one; else forget it.

        Raises:
            HostRefused: It has failed.
        """
        with self._lock:
            failed = self._failed.pop(server_id, None)
        if failed is not None and failed[0] == operation:
            raise failed[1]

    def forget(self, server_id: ServerId) -> None:
        """Forget what has failed for a server."""
        with self._lock:
            self._failed.pop(server_id, None)

    def begin(
        self, server_id: ServerId, operation: str, act: Callable[[], None], *, doing: str
    ) -> None:
        """Begin, unless something is under way for the server.

        Args:
            server_id: Whose work it is.
            operation: What is done, as an operator would type it.
            act: Does it; may raise `HostRefused` or `OSError`.
            doing: What is told of it meanwhile.

        Raises:
            HostRefused: This was begun before, and has failed; now it was not begun.
        """
        self.raise_failure(server_id, operation)
        with self._lock:
            if server_id in self._doing:
                return
            self._doing[server_id] = doing
            self._waiting.append(_Work(server_id=server_id, operation=operation, act=act))
            if self._workers == self._at_once:
                return
            self._workers += 1
        threading.Thread(target=self._work, name=self._name, daemon=True).start()

    def take_news(self) -> bool:
        """Say whether something has ended since last asked."""
        with self._lock:
            has_news, self._has_news = self._has_news, False
            return has_news

    def _work(self) -> None:
        while (work := self._next()) is not None:
            failure = _failure_of(work)
            with self._lock:
                del self._doing[work.server_id]
                if failure is not None:
                    self._failed[work.server_id] = work.operation, failure
                self._has_news = True
            self._on_news()

    def _next(self) -> _Work | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._workers -= 1
            return None


def _failure_of(work: _Work) -> HostRefused | None:
    try:
        work.act()
    except HostRefused as refusal:
        return refusal
    except OSError as problem:
        return HostRefused(work.operation, problem.strerror or str(problem))
    except Exception as problem:
        # A bug; unless somebody is told, the server would be waited for without end.
        log.exception("slow work failed", operation=work.operation)
        return HostRefused(work.operation, repr(problem))
    return None

"""The transport over HTTP: a long poll in a thread of its own, reports over a second connection."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, Self

from trunkline.agent.transport import ShutOut, TransportFailed
from trunkline.client.agents import AgentApi
from trunkline.client.errors import ApiError, ClientError
from trunkline.domain.errors import TwoAgents
from trunkline.domain.ids import HostName
from trunkline.reconcile.desired import HostConfig
from trunkline.reconcile.report import HostReport, ReportAck

WAIT_SECONDS: Final = 50  # Of one poll: below the 60 s at which proxies commonly cut.
BACKOFF_FIRST_SECONDS: Final = 0.5
BACKOFF_MAX_SECONDS: Final = 15.0  # A controller that is back is noticed within this.


class HttpTransport:
    """Speaks for one host. Satisfies `agent.transport.Transport`.

    The poll begins with the first `fetch`, from the generation that the agent has; from then on
    `fetch` only looks at what has arrived. `on_news` is called, in the poll's thread, whenever
    there is something new to look at.
    """

    def __init__(
        self,
        url: str,
        host: HostName,
        token: str,
        *,
        ca_file: str | None = None,
        on_news: Callable[[], None] = lambda: None,
        wait_seconds: int = WAIT_SECONDS,
    ) -> None:
        """Set up; nothing is sent yet."""
        self._host = host
        self._on_news = on_news
        self._wait_seconds = wait_seconds
        self._polls = AgentApi(url, host, token, ca_file=ca_file)
        self._reports = AgentApi(url, host, token, ca_file=ca_file)
        self._lock = threading.Lock()
        self._newest: HostConfig | None = None
        self._problem: str | None = None
        self._after = 0
        self._consoles_asked = 0
        self._stopping = threading.Event()
        self._poller: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """End the poll at once, and close both connections."""
        self._stopping.set()
        if self._poller is not None:
            while self._poller.is_alive():
                # A poll that was just about to be sent is not there to be broken off yet.
                self._polls.abort()
                self._poller.join(timeout=0.1)
        self._polls.close()
        self._reports.close()

    def fetch(
        self, host: HostName, after_generation: int, consoles_asked: int
    ) -> HostConfig | None:
        """Return what has arrived if it is newer than what is known; never waits."""
        assert host == self._host, "one transport speaks for one host"
        with self._lock:
            if self._poller is None:
                self._after = max(0, after_generation)  # A new agent has seen none: it asks for -1.
                self._poller = threading.Thread(target=self._poll, name="long-poll", daemon=True)
                self._poller.start()
            newest = self._newest
            if newest is not None and (
                newest.generation > after_generation or newest.consoles_asked != consoles_asked
            ):
                return newest
            if self._problem is not None:
                raise TransportFailed(self._problem)
            return None

    def report(self, report: HostReport) -> ReportAck:
        """Hand over a report; when this returns it is stored."""
        try:
            return self._reports.report(report)
        except ApiError as problem:
            if problem.is_refused_login or problem.code == TwoAgents.code:
                raise ShutOut(_told(problem)) from problem
            raise TransportFailed(_told(problem)) from problem
        except ClientError as problem:
            raise TransportFailed(_told(problem)) from problem

    def _poll(self) -> None:
        backoff = BACKOFF_FIRST_SECONDS
        while not self._stopping.is_set():
            try:
                config = self._polls.fetch(
                    after_generation=self._after,
                    consoles_asked=self._consoles_asked,
                    wait_seconds=self._wait_seconds,
                )
            except ClientError as problem:
                with self._lock:
                    self._problem = _told(problem)
                self._stopping.wait(backoff)
                backoff = min(2 * backoff, BACKOFF_MAX_SECONDS)
                continue
            backoff = BACKOFF_FIRST_SECONDS
            with self._lock:
                self._problem = None
                if config is not None:
                    self._newest = config
                    self._after = config.generation
                    self._consoles_asked = config.consoles_asked
            if config is not None:
                self._on_news()


def _told(problem: ClientError) -> str:
    if isinstance(problem, ApiError) and problem.is_refused_login:
        return (
            f"{problem}: the host's token is not valid, as when it was enrolled again, for another "
            "agent; stop the one that is not to run, and delete its state directory"
        )
    return str(problem)

"""Running the agents of many simulated hosts in one thread, and waking them when there is news.

`trunkline agent` runs one agent on a real host; `trunkline up` runs one for each simulated host
in the process of the control plane, over a transport that calls the use cases directly: the same
agent code, the same use cases, without the HTTP in between.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

import structlog

from trunkline.agent.loop import Agent
from trunkline.agent.transport import TransportFailed
from trunkline.control.desired import desired_config, generation_of
from trunkline.control.reports import take_report
from trunkline.control.services import Services
from trunkline.domain.clock import Clock
from trunkline.domain.errors import TrunklineError
from trunkline.domain.ids import HostName
from trunkline.reconcile.desired import HostConfig
from trunkline.reconcile.report import HostReport, ReportAck

log = structlog.get_logger()

_RETRY_AFTER_CRASH: Final = timedelta(seconds=5)  # A bug in one agent must not stop the others.
_SILENCE_CHECK: Final = timedelta(seconds=5)


class LocalTransport:
    """Calls the use cases that the agents' HTTP routes call."""

    def __init__(self, svc: Services) -> None:
        self._svc = svc

    def fetch(self, host: HostName, after_generation: int) -> HostConfig | None:
        """Return the configuration if it is newer."""
        try:
            if generation_of(self._svc, host) <= after_generation:
                return None
            return desired_config(self._svc, host)
        except TrunklineError as problem:
            raise TransportFailed(str(problem)) from problem

    def report(self, report: HostReport) -> ReportAck:
        """Hand over a report."""
        try:
            return take_report(self._svc, report)
        except TrunklineError as problem:
            raise TransportFailed(str(problem)) from problem


class AgentRunner:
    """Steps agents when they are due or woken, in one thread of its own."""

    def __init__(
        self, clock: Clock, *, every_few_seconds: Callable[[], None] | None = None
    ) -> None:
        """Make a runner without agents.

        Args:
            clock: Decides what is due.
            every_few_seconds: Also called, in the same thread.
        """
        self._clock = clock
        self._every_few_seconds = every_few_seconds
        self._changed = threading.Condition()
        self._agents: dict[HostName, Agent] = {}
        self._woken: dict[HostName, None] = {}  # In the order in which they were woken.
        self._dues: list[tuple[datetime, HostName]] = []
        self._due: dict[HostName, datetime] = {}
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="agents")

    def start(self, agents: Iterable[tuple[HostName, Agent]]) -> None:
        """Take the agents over and begin."""
        for name, agent in agents:
            self._agents[name] = agent
            self._woken[name] = None
        self._thread.start()

    def wake(self, name: HostName) -> None:
        """Step this host's agent soon. May be called from any thread, for any host."""
        with self._changed:
            if name in self._agents:
                self._woken[name] = None
                self._changed.notify()

    def stop(self) -> None:
        """Finish the step that is being taken, and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        next_check = self._clock.now() + _SILENCE_CHECK
        while (name := self._next(next_check)) is not None:
            now = self._clock.now()
            if now >= next_check:
                next_check = now + _SILENCE_CHECK
                if self._every_few_seconds is not None:
                    self._every_few_seconds()
            if name:
                self._step(HostName(name))

    def _next(self, next_check: datetime) -> str | None:
        """Wait for the next host to step: '' when the check is due first, None when stopping."""
        with self._changed:
            while not self._stopping:
                now = self._clock.now()
                if self._woken:
                    name = next(iter(self._woken))
                    del self._woken[name]
                    return name
                while self._dues and self._due.get(self._dues[0][1]) != self._dues[0][0]:
                    heapq.heappop(self._dues)  # It was stepped earlier, and has another due.
                if self._dues and self._dues[0][0] <= now:
                    return heapq.heappop(self._dues)[1]
                if now >= next_check:
                    return ""
                until = min(next_check, self._dues[0][0]) if self._dues else next_check
                self._changed.wait((until - now).total_seconds())
            return None

    def _step(self, name: HostName) -> None:
        try:
            due = self._agents[name].step(self._clock.now())
        except Exception:
            log.exception("agent step failed", host=name)
            due = self._clock.now() + _RETRY_AFTER_CRASH
        self._due[name] = due
        heapq.heappush(self._dues, (due, name))

"""Stepping agents, many in one thread, when they are due and when there is news for them."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from trunkline.agent.apply import Probe
from trunkline.agent.journal import JournalFile
from trunkline.agent.limits import Limits
from trunkline.agent.loop import Agent, AgentHost
from trunkline.agent.transport import Transport
from trunkline.api.foreground import Foreground
from trunkline.bootstrap.real import RandomIds
from trunkline.domain.clock import Clock
from trunkline.domain.ids import HostName

log = structlog.get_logger()

_RETRY_AFTER_CRASH: Final = timedelta(seconds=5)  # A bug in one agent must not stop the others.
# Agents here share the interpreter with the API. While somebody waits for an answer, a step is
# followed by a rest of this many times its length: so requests get two thirds of the time, and the
# steps that come late find more to do at once. No rest is longer than the maximum.
_REST_FACTOR: Final = 2.0
_REST_SECONDS_MAX: Final = 0.25

# Whoever runs these agents wakes them when there is news; looking for it every second besides
# would cost a thousand hosts a third of a core.
WOKEN: Final = Limits(poll=Limits().heartbeat)


def agent_of(
    host: AgentHost, *, journal: Path, transport: Transport, probe: Probe | None = None
) -> Agent:
    """Make the agent of a host, simulated or not."""
    return Agent(
        host,
        journal=JournalFile(journal),
        transport=transport,
        ids=RandomIds(),
        limits=WOKEN,
        probe=probe,
    )


class DueQueue:
    """Hosts by when they are due; who has been due for longest goes first.

    One that is woken is due from then on. So it never passes another that waits already, however
    often it is woken.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, int, HostName]] = []  # With entries that count no more.
        self._due: dict[HostName, datetime] = {}
        self._numbers = itertools.count()  # Among those due at one time the first put goes first.

    def put(self, name: HostName, due: datetime) -> None:
        """Have this host taken at `due`, or earlier where it is due earlier already."""
        known = self._due.get(name)
        if known is None or due < known:
            self._due[name] = due
            heapq.heappush(self._heap, (due, next(self._numbers), name))

    @property
    def first_due(self) -> datetime | None:
        """When the next one is due; None: there is none."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)  # It was put again with an earlier due.
        return self._heap[0][0] if self._heap else None

    def take(self, now: datetime) -> HostName | None:
        """Remove and return the one that has been due for longest; None if none is yet."""
        first = self.first_due
        if first is None or first > now:
            return None
        name = heapq.heappop(self._heap)[2]
        del self._due[name]
        return name


class AgentRunner:
    """Steps agents when they are due or woken, in one thread of its own."""

    def __init__(self, clock: Clock, foreground: Foreground) -> None:
        """Make a runner without agents.

        Args:
            clock: Decides what is due.
            foreground: The requests to give way to.
        """
        self._clock = clock
        self._foreground = foreground
        self._changed = threading.Condition()
        self._agents: dict[HostName, Agent] = {}
        self._dues = DueQueue()
        self._problems: dict[HostName, str] = {}  # As logged last.
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="agents")

    def start(self, agents: Iterable[tuple[HostName, Agent]]) -> None:
        """Take the agents over and begin."""
        for name, agent in agents:
            self._agents[name] = agent
            self._dues.put(name, self._clock.now())
        self._thread.start()

    def wake(self, name: HostName) -> None:
        """Step this host's agent soon. May be called from any thread, for any host."""
        with self._changed:
            if name in self._agents:
                self._dues.put(name, self._clock.now())
                self._changed.notify()

    def stop(self) -> None:
        """Finish the step that is being taken, and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while (name := self._next()) is not None:
            started = time.monotonic()
            self._step(name)
            took = time.monotonic() - started
            self._foreground.wait_until_quiet(min(took * _REST_FACTOR, _REST_SECONDS_MAX))

    def _next(self) -> HostName | None:
        """Wait for the next host to step; None when stopping."""
        with self._changed:
            while not self._stopping:
                now = self._clock.now()
                if (name := self._dues.take(now)) is not None:
                    return name
                due = self._dues.first_due
                self._changed.wait(None if due is None else (due - now).total_seconds())
            return None

    def _step(self, name: HostName) -> None:
        try:
            due = self._agents[name].step(self._clock.now())
            self._tell_problem(name, self._agents[name].problem)
        except Exception:
            log.exception("agent step failed", host=name)
            due = self._clock.now() + _RETRY_AFTER_CRASH
        with self._changed:
            self._dues.put(name, due)  # If it was woken meanwhile, it is due at once all the same.

    def _tell_problem(self, name: HostName, problem: str) -> None:
        """Log once what stands, however often it is met, and once that it does not any more."""
        if problem == self._problems.get(name, ""):
            return
        self._problems[name] = problem
        if problem:
            log.error("the host can't be used", host=name, problem=problem)
        else:
            log.info("the host can be used again", host=name)

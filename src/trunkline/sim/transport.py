"""The network between agents and control plane: it loses, repeats, delays and reorders."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from trunkline.agent.transport import TransportFailed
from trunkline.control.desired import desired_if_newer
from trunkline.control.reports import take_report
from trunkline.control.services import Services
from trunkline.domain.errors import TrunklineError
from trunkline.domain.ids import HostName
from trunkline.reconcile.desired import HostConfig
from trunkline.reconcile.report import HostReport, ReportAck
from trunkline.sim.lives import Dropped
from trunkline.sim.shown import report_dict
from trunkline.sim.trace import Trace
from trunkline.wire import json


class Called(Protocol):
    """Whoever answers calls: the control plane, when it is up."""

    def call(self, use_case: Callable[[Services], object]) -> object:
        """Run a use case; raise `Dropped` if the control plane does not live to answer."""
        ...


@dataclass(frozen=True, slots=True)
class Weather:
    """How often a message meets each fate; of 1."""

    lost: float = 0.0  # The request never arrives.
    answer_lost: float = 0.0  # It took effect, and nobody hears.
    repeated: float = 0.0  # A report arrives now, and once more some other time.
    late: float = 0.0  # A report arrives some other time; a configuration is an older one.


CALM = Weather()
STORMY = Weather(lost=0.06, answer_lost=0.06, repeated=0.06, late=0.06)
_LATE_REPORTS_MAX = 40  # More than a run has under way at once; the oldest are lost.
_OLD_CONFIGS_MAX = 6


class SimTransport:
    """Satisfies `agent.transport.Transport` for all hosts. Everything travels as JSON."""

    def __init__(self, control: Called, dice: random.Random, trace: Trace) -> None:
        self.weather = CALM
        self.late_reports: list[bytes] = []
        self.on_report: Callable[[HostReport], None] = lambda _: None  # Called once it is stored.
        self.hear: Callable[[dict[str, Any]], None] = lambda _: None
        self._control = control
        self._dice = dice
        self._trace = trace
        self._old_configs: dict[HostName, list[bytes]] = {}

    def fetch(
        self, host: HostName, after_generation: int, consoles_asked: int
    ) -> HostConfig | None:
        """See `Transport.fetch`."""
        fate, weather = self._dice.random(), self.weather
        if fate < weather.lost + weather.answer_lost:
            self._trace.line(host, "fetch", result="lost")
            raise TransportFailed("lost")
        old = self._old_configs.setdefault(host, [])
        if old and fate < weather.lost + weather.answer_lost + weather.late:
            config = json.decode(self._dice.choice(old), HostConfig)
            self._trace.line(
                host, "fetch", generation=config.generation, result="an older one, delivered late"
            )
            return config

        def use_case(svc: Services) -> bytes | None:
            config = desired_if_newer(
                svc, host, generation=after_generation, consoles_asked=consoles_asked
            )
            return None if config is None else json.encode(config)

        answer = self._call(use_case)
        if answer is None:
            return None
        assert isinstance(answer, bytes)
        old.append(answer)
        del old[:-_OLD_CONFIGS_MAX]
        return json.decode(answer, HostConfig)

    def report(self, report: HostReport) -> ReportAck:
        """See `Transport.report`."""
        data = json.encode(report)
        fate, weather = self._dice.random(), self.weather
        if fate < weather.lost:
            self._note(report, "lost")
            raise TransportFailed("lost")
        fate -= weather.lost
        if fate < weather.late:
            self._note(report, "under way")
            self._keep(data)
            raise TransportFailed("late")
        fate -= weather.late
        if fate < weather.repeated:
            self._keep(data)
        ack = self._deliver(data)
        if 0 <= fate - weather.repeated < weather.answer_lost:
            self._note(report, "stored, its answer lost")
            raise TransportFailed("answer lost")
        self._note(report, f"stored, {ack.generation} is the newest")
        return ack

    def deliver_late(self) -> None:
        """Deliver one of the reports that are under way."""
        data = self.late_reports.pop(self._dice.randrange(len(self.late_reports)))
        report = json.decode(data, HostReport)
        try:
            ack = self._deliver(data)
        except TransportFailed as problem:
            self._note(report, f"late, and lost: {problem}")
        else:
            self._note(report, f"late; {ack.generation} is the newest")

    def _keep(self, data: bytes) -> None:
        self.late_reports.append(data)
        del self.late_reports[:-_LATE_REPORTS_MAX]

    def _deliver(self, data: bytes) -> ReportAck:
        report = json.decode(data, HostReport)
        said = report_dict(report)
        try:
            ack = self._call(lambda svc: take_report(svc, report))
        except TransportFailed:
            self.hear({"op": "report", "request": said, "answer": None})
            raise
        self.hear({"op": "report", "request": said, "answer": {}})
        assert isinstance(ack, ReportAck)
        self.on_report(report)
        return ack

    def _call(self, use_case: Callable[[Services], object]) -> object:
        try:
            return self._control.call(use_case)
        except Dropped as dropped:
            raise TransportFailed(f"control plane dropped {dropped.point}") from None
        except TrunklineError as problem:
            raise TransportFailed(str(problem)) from problem

    def _note(self, report: HostReport, result: str) -> None:
        facts = [f"{fact.id[:8]} {fact.condition.value}" for fact in report.servers]
        facts += [f"{fact.address} {fact.condition.value}" for fact in report.devices]
        facts += [f"{drift.subject} had drifted" for drift in report.drifts]
        facts += [f"{fact.server_id[:8]} {fact.event.value}" for fact in report.guests]
        facts += ["inventory"] if report.inventory is not None else []
        what = f"report {report.run_id[:4]}/{report.number}: {', '.join(facts) or 'alive'}"
        self._trace.line(report.host, what, generation=report.generation, result=result)

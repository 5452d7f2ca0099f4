"""The transport of `trunkline up`: the same agents, the same use cases, no HTTP in between."""

from __future__ import annotations

from trunkline.agent.transport import ShutOut, TransportFailed
from trunkline.control.desired import desired_if_newer
from trunkline.control.reports import take_report
from trunkline.control.services import Services
from trunkline.domain.errors import TrunklineError, TwoAgents
from trunkline.domain.ids import HostName
from trunkline.reconcile.desired import HostConfig
from trunkline.reconcile.report import HostReport, ReportAck


class LocalTransport:
    """Calls the use cases that the agents' HTTP routes call."""

    def __init__(self, svc: Services) -> None:
        self._svc = svc

    def fetch(
        self, host: HostName, after_generation: int, consoles_asked: int
    ) -> HostConfig | None:
        """Return the configuration if it is newer."""
        try:
            return desired_if_newer(
                self._svc, host, generation=after_generation, consoles_asked=consoles_asked
            )
        except TrunklineError as problem:
            raise TransportFailed(str(problem)) from problem

    def report(self, report: HostReport) -> ReportAck:
        """Hand over a report."""
        try:
            return take_report(self._svc, report)
        except TwoAgents as problem:
            raise ShutOut(str(problem)) from problem
        except TrunklineError as problem:
            raise TransportFailed(str(problem)) from problem

"""Transport: how an agent and the control plane talk. One is HTTP, another the simulator's."""

from __future__ import annotations

from typing import Protocol

from trunkline.domain.errors import ErrorKind, TrunklineError
from trunkline.domain.ids import HostName
from trunkline.reconcile.desired import HostConfig
from trunkline.reconcile.report import HostReport, ReportAck


class TransportFailed(TrunklineError):
    """Nothing came back, or nothing that could be understood. An ordinary event."""

    code = "agent.transport_failed"
    kind = ErrorKind.UNAVAILABLE

    def __init__(self, problem: str) -> None:
        super().__init__(f"the control plane did not answer: {problem}")


class ShutOut(TransportFailed):
    """The control plane does not listen to this agent: another one speaks for the host."""

    code = "agent.shut_out"
    kind = ErrorKind.CONFLICT

    def __init__(self, problem: str) -> None:
        TrunklineError.__init__(
            self, f"the control plane does not listen to this agent, which rests: {problem}"
        )


class Transport(Protocol):
    """Calls may be lost, repeated or answered late; the agent trusts generations, not order.

    Neither method waits for news: an HTTP transport keeps its long poll elsewhere, and hands over
    here what has arrived.
    """

    def fetch(
        self, host: HostName, after_generation: int, consoles_asked: int
    ) -> HostConfig | None:
        """Return the host's configuration if it is newer than what is known of it; else None.

        Args:
            host: The agent's own.
            after_generation: The generation that is known.
            consoles_asked: `HostConfig.consoles_asked` as it is known: of the same generation the
                configuration is returned if it is another number now.

        Raises:
            TransportFailed: The control plane could not be asked.
        """
        ...

    def report(self, report: HostReport) -> ReportAck:
        """Hand over a report; when this returns it is stored.

        Raises:
            TransportFailed: It may or may not have arrived.
            ShutOut: This agent is not listened to.
        """
        ...

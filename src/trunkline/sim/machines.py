"""The simulated hosts of a world: kernel and libvirt outlive the agent, as real ones do."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from trunkline.agent.apply import Probe
from trunkline.agent.journal import JournalFile
from trunkline.agent.limits import Limits
from trunkline.agent.loop import Agent, AgentHost
from trunkline.agent.transport import Transport
from trunkline.domain.clock import IdSource
from trunkline.domain.device_spec import Offering
from trunkline.domain.ids import HostName
from trunkline.host.fake_hypervisor import FakeHypervisor
from trunkline.host.fake_kernel import FakeKernel
from trunkline.host.simulated_host import open_host
from trunkline.host.simulated_watch import SimulatedWatch
from trunkline.reconcile.interfaces import HostNews
from trunkline.sim.lives import Graveyard, Life
from trunkline.sim.trace import Trace
from trunkline.vif.registry import VifRegistry

# As the agent's own, but that it asks for news less often than each second: the wake-up brings it,
# and a run of minutes would be mostly polls. Devices given up on are tried again sooner.
LIMITS: Final = Limits(poll=timedelta(seconds=10), gave_up_retry=timedelta(seconds=60))

AgentFactory = Callable[["Machine", Probe], Agent]


class Machine:
    """One simulated host, with its agent while one runs."""

    def __init__(
        self,
        directory: Path,
        name: HostName,
        *,
        transport: Transport,
        ids: IdSource,
        vif_types: VifRegistry,
        graveyard: Graveyard,
        trace: Trace,
        dice: random.Random,
    ) -> None:
        self.name = name
        self.directory = directory
        self.transport = transport
        self.ids = ids
        self.vif_types = vif_types
        self.agent: Agent | None = None
        self.life = Life(graveyard)
        self.due: datetime | None = None  # When the agent is to be stepped, or started; None: now.
        self.silent_until: datetime | None = None
        self.events_lost = 0.0  # How often what the machine tells by itself gets lost, of 1.
        host = open_host(directory, name)
        self.slow_until: datetime | None = None  # When what libvirt is slow at comes to its end.
        self.kernel: FakeKernel = host.kernel.acting_as("operator")
        self.hypervisor: FakeHypervisor = host.hypervisor
        self._dice = dice
        self._graveyard = graveyard
        self._trace = trace
        self._loses_next = False

    def wake(self) -> None:
        """Have the agent look, if one runs: what its machine tells wakes it."""
        if self.agent is not None:
            self.due = None

    def lose_events(self) -> None:
        """Have the agent not hear what its machine tells next."""
        self._loses_next = True

    def heard(self, news: HostNews) -> HostNews:
        """Return what the agent hears of what its machine told.

        Of what a full socket loses, the agent is told that something is lost, as by ENOBUFS. Of
        what was never sent, nobody tells it.
        """
        if news.is_empty:
            return news
        if self._loses_next:
            self._loses_next = False
            return HostNews()
        if self._dice.random() >= self.events_lost:
            return news
        return HostNews(everything=True) if self._dice.random() < 0.5 else HostNews()

    def start_agent(self, watch: Callable[[], None], make: AgentFactory | None = None) -> None:
        """Start an agent; `watch` is called after each of its steps."""
        self.life = Life(self._graveyard)
        self._loses_next = False  # It looks at everything, and begins to listen.
        probe = _Probe(self, self._trace, watch)
        self.agent = (make or an_agent)(self, probe)
        self.probe = probe

    def drop_agent(self) -> None:
        """Forget the agent, wherever it stands."""
        self.agent = None

    def reboot(self) -> None:
        """Boot the machine anew. libvirtd starts with it, the agent does not yet."""
        self.drop_agent()
        self.kernel.reboot()
        self.hypervisor.guests()


def an_agent(machine: Machine, probe: Probe) -> Agent:
    """Make the agent of a host, as its command would."""
    host = open_host(machine.directory, machine.name)
    return Agent(
        AgentHost(
            name=host.name,
            kernel=host.kernel,
            hypervisor=host.hypervisor,
            resources=host.resources,
            offer=Offering(host.device_specs),
            vif_types=machine.vif_types,
            watches=(_Watch(machine, SimulatedWatch(host.kernel, host.hypervisor)),),
        ),
        journal=JournalFile(machine.directory / machine.name / "journal.json"),
        transport=machine.transport,
        ids=machine.ids,
        limits=LIMITS,
        probe=probe,
    )


class _Watch:
    """What a machine tells by itself, as far as its agent hears it."""

    def __init__(self, machine: Machine, watch: SimulatedWatch) -> None:
        self._machine = machine
        self._watch = watch

    @property
    def problem(self) -> str:
        """See `reconcile.interfaces.HostWatch`."""
        return self._watch.problem

    def take(self) -> HostNews:
        """See `reconcile.interfaces.HostWatch`."""
        return self._machine.heard(self._watch.take())


class _Probe:
    """Writes the agent's steps into the trace, has each looked at, and ends the agent there."""

    def __init__(self, machine: Machine, trace: Trace, watch: Callable[[], None]) -> None:
        self._machine = machine
        self._trace = trace
        self._watch = watch
        self._begun: str | None = None

    def reached(self, point: str) -> None:
        """See `agent.apply.Probe`."""
        when, _, step = point.partition(" ")
        if when == "before":
            self.flush()
            self._begun = step
        else:
            self._begun = None
            if step != "report":
                self._line(step, "ok")
            self._watch()
        self._machine.life.reached(point)

    def flush(self) -> None:
        """Write down the step that was begun and not finished."""
        if self._begun is not None:
            self._line(self._begun, "refused")
            self._begun = None

    def _line(self, step: str, result: str) -> None:
        agent = self._machine.agent
        config = None if agent is None else agent.config
        generation = None if config is None else config.generation
        self._trace.line(self._machine.name, step, generation=generation, result=result)

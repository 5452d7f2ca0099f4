"""One simulated world: everything joined, one event at a time, the next one chosen by the seed."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from trunkline.agent.transport import Transport
from trunkline.control.services import Services
from trunkline.domain.ids import HostName
from trunkline.domain.vf import VfChange
from trunkline.host.fleet import load_fleet, shipped_fleets
from trunkline.host.simulated_host import create_hosts
from trunkline.reconcile.report import HostReport
from trunkline.sim.auditor import Auditor
from trunkline.sim.clock import SeededIds, SimClock
from trunkline.sim.control_plane import ControlPlane, SimStore, make_database
from trunkline.sim.faults import Faults, vfs_in_guests
from trunkline.sim.lives import Dropped, Graveyard, Life
from trunkline.sim.machines import LIMITS, AgentFactory, Machine
from trunkline.sim.model import NOTHING_RAISES, SETTLES, Violation
from trunkline.sim.trace import Trace
from trunkline.sim.transport import CALM, STORMY, SimTransport
from trunkline.sim.workload import Workload
from trunkline.vif.registry import load_vif_types

STEPS: Final = 100  # Events with faults: enough for a dozen servers in half a second.
ROUNDS_MAX: Final = 40  # Of half a minute: all retries and checks have come round several times.
_ROUND_SECONDS: Final = 30
_STEPS_IN_A_ROUND_MAX: Final = 2000  # An agent that never rests is a bug as well.
_ANSWERS_LOST: Final = 0.05
_SEEN_SECONDS: Final = 2.0  # From when a machine tells something until it was acted on.
_SLOW_SECONDS_MAX: Final = 30.0  # That libvirt takes for a start or stop; it may be for several.
_POOLED_OF: Final = 5
_OUTER_TAGS_OF: Final = 10
_GROUPED_OF: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a test may replace by something broken, to see the auditor find it."""

    make_agent: AgentFactory | None = None
    store_type: type[SimStore] = SimStore
    wrap_transport: Callable[[SimTransport], Transport] | None = None


class World:
    """A control plane, a fleet with agents, a network between them, and those who use it."""

    def __init__(
        self,
        seed: int,
        directory: Path,
        *,
        template: Path,
        faults: bool = True,
        parts: Parts | None = None,
    ) -> None:
        """Make a world in an empty directory.

        Args:
            seed: Decides everything that happens.
            directory: Where database and hosts are kept meanwhile.
            template: An empty database to begin from; made if it is not there.
            faults: Let things go wrong.
            parts: For proving the auditor.
        """
        self.seed = seed
        self.clock = SimClock()
        self.trace = Trace(lambda: self.clock.seconds)
        self._dice = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self._ids = SeededIds(f"ids {seed}")
        self._faulty = faults
        self._parts = parts or Parts()
        self._graveyard = Graveyard()
        self._dropped_planes: list[ControlPlane] = []
        self._database = directory / "trunkline.db"
        make_database(self._database, template)
        fleet_file = directory / "fleet.toml"
        fleet_file.write_text(self._fleet())
        fleet = load_fleet(fleet_file)
        create_hosts(fleet, directory / "hosts")
        self.auditor = Auditor(fleet_file, directory / "hosts")
        self.transport = SimTransport(self, self._dice, self.trace)
        self.transport.on_report = self._look_after
        self.transport.hear = self.auditor.hear
        wrap = self._parts.wrap_transport
        vif_types = load_vif_types()
        self.machines = [
            Machine(
                directory / "hosts",
                name,
                transport=self.transport if wrap is None else wrap(self.transport),
                ids=self._ids,
                vif_types=vif_types,
                graveyard=self._graveyard,
                trace=self.trace,
                dice=random.Random(f"events {seed} {name}"),  # noqa: S311 - repeatable, not secret
            )
            for name in fleet.host_names
        ]
        if self._has_pools:
            for machine in self.machines:
                # Placement takes the first, too: what libvirt takes is to be another one.
                machine.hypervisor.take_last()
        self.plane: ControlPlane | None = None
        self._plane_due = self.clock.now()
        self._looks: dict[HostName, bool] = {}  # Whether its servers too.
        self.workload = Workload(self, self.auditor.hear, self._dice, self.trace, fleet.host_names)
        self.faults = Faults(
            self.machines,
            lambda: None if self.plane is None else self.plane.life,
            dice=self._dice,
            clock=self.clock,
            trace=self.trace,
            hear=self.auditor.hear,
        )

    # Running

    def run(self, steps: int = STEPS) -> None:
        """Run it to its end; raise `Violation` if a promise is broken."""
        self._start_plane().make_known(tuple(machine.name for machine in self.machines))
        self.workload.begin()
        if self._has_outer_tags:
            self.workload.begin_outer()
        if self.seed % _GROUPED_OF == _GROUPED_OF - 2:
            self.workload.wishes.begin(self.seed)
        self.workload.whims.begin(self.seed)
        for machine in self.machines:
            self._step(machine)
        if self._faulty:
            self.transport.weather = STORMY
            self.faults.begin()
            self.workload.answers_lost = _ANSWERS_LOST
        for _ in range(steps):
            self._event()
        self._calm_down()
        self._settle()
        self._prove_quiet()
        self._prove_prompt()

    def close(self) -> None:
        """End what was dropped, and let go of the files."""
        self._graveyard.close()
        for plane in [*self._dropped_planes, *([self.plane] if self.plane else [])]:
            plane.store.close()

    def call(self, use_case: Callable[[Services], object]) -> object:
        """Have the control plane run a use case.

        Raises:
            Dropped: There is none, or there was until it came to its end in this.
        """
        plane = self.plane
        if plane is None:
            raise Dropped("before it was called")
        try:
            return plane.life.run(lambda: use_case(plane.svc))
        except Dropped as dropped:
            self.trace.line("control", f"✗ dropped {dropped.point}")
            self._drop_plane()
            raise

    @property
    def _has_pools(self) -> bool:
        return self.seed % _POOLED_OF == _POOLED_OF - 1

    @property
    def _has_outer_tags(self) -> bool:
        return self.seed % _OUTER_TAGS_OF == _OUTER_TAGS_OF - 4

    def _fleet(self) -> str:
        """The scenario fleet; in half of the worlds both NUMA nodes of a host are of one socket.

        In one of five, libvirt hands out the VFs of two hosts' cards and of another one's. In one
        of ten, the cards of two hosts can put 802.1ad tags on, and there is a QinQ network.
        """
        text = shipped_fleets()["scenario"].read_text()
        if self._has_outer_tags:
            plain = 'driver = "mlx5_core"\nproduct_id = "1017"'
            text = text.replace(plain, 'driver = "ice"\nproduct_id = "1592"\ndouble_vlan = true')
        if self._has_pools:
            for network, mode in (("phy1", "hostdev"), ("phy2", "passthrough")):
                of_network = f'physical_network = "{network}"'
                # Of h1 and h2, of h3, not of those after it.
                text = text.replace(of_network, f'{of_network}\nnetwork_pool = "{mode}"', 2)
        return text.replace("socket = 1", "socket = 0") if self._dice.random() < 0.5 else text

    # Events

    def _event(self) -> None:
        self._pass_time(self._dice.uniform(0, 0.4))
        events: list[tuple[int, Callable[[], None]]] = [
            (50, self._step_somebody),
            (28, self.workload.act),
            (6, lambda: self._pass_time(self._dice.uniform(0, 25))),
        ]
        if self._faulty:
            events.append((10, self.faults.plant))
        if self.transport.late_reports:
            events.append((8, self.transport.deliver_late))
        weights, choices = zip(*events, strict=True)
        self._dice.choices(choices, weights)[0]()
        self._look()
        self.auditor.check()

    def _pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self._tend_plane()
        for machine in self.machines:
            if machine.slow_until is not None and machine.slow_until <= self.clock.now():
                machine.hypervisor.go_on()
                machine.slow_until = None
                machine.due = None if machine.agent is not None else machine.due
                self.trace.line(machine.name, "libvirt has done what it was slow at")

    def _tend_plane(self) -> None:
        if self.plane is None:
            if self._plane_due <= self.clock.now():
                self._start_plane()
        else:
            self.plane.pass_time()

    def _step_somebody(self) -> None:
        """Step one of those that are due; or let time pass until one is."""
        now = self.clock.now()
        awake = [m for m in self.machines if m.silent_until is None or m.silent_until <= now]
        due = [machine for machine in awake if machine.due is None or machine.due <= now]
        if due:
            self._step(self._dice.choice(due))
        elif awake:
            machine = min(awake, key=lambda each: each.due or now)
            self.clock.advance_to(machine.due or now)
            self._tend_plane()
            self._step(machine)

    def _step(self, machine: Machine) -> None:
        if machine.agent is None:
            machine.start_agent(lambda: self.auditor.check(machine.name), self._parts.make_agent)
            self.trace.line(machine.name, "the agent starts")
        agent = machine.agent
        assert agent is not None
        try:
            machine.due = machine.life.run(lambda: agent.step(self.clock.now()))
        except Dropped as dropped:
            self.trace.line(machine.name, f"✗ the agent is dropped {dropped.point}")
            machine.drop_agent()
            machine.due = self.clock.now() + timedelta(seconds=self._dice.uniform(0, 20))
        else:
            machine.probe.flush()
        if machine.slow_until is None and machine.hypervisor.busy():
            seconds = self._dice.uniform(0, _SLOW_SECONDS_MAX)
            machine.slow_until = self.clock.now() + timedelta(seconds=seconds)

    def _wake(self, name: HostName) -> None:
        """Tell a host's agent that there is news, unless that gets lost."""
        if self._dice.random() < self.transport.weather.lost:
            return
        for machine in self.machines:
            if machine.name == name and machine.agent is not None:
                machine.due = None

    def _look_after(self, report: HostReport) -> None:
        """Have looked at what a report may have changed, before anything else happens."""
        if report.devices or report.servers or report.inventory is not None:
            self._looks[report.host] = bool(report.servers)

    def _look(self) -> None:
        if not self._looks:
            return
        self.auditor.check()
        for host, servers_too in self._looks.items():
            self.workload.list_devices(host)
            if servers_too:
                self.workload.list_servers()
        self._looks.clear()

    # The control plane

    def _start_plane(self) -> ControlPlane:
        self.plane = ControlPlane(
            self._database,
            clock=self.clock,
            ids=self._ids,
            life=Life(self._graveyard),
            wake_host=self._wake,
            store_type=self._parts.store_type,
        )
        self.trace.line("control", "the control plane starts")
        return self.plane

    def _drop_plane(self) -> None:
        """Forget it without a word; its files stay open, as nobody is left to close them."""
        assert self.plane is not None
        self._dropped_planes.append(self.plane)
        self.plane = None
        self._plane_due = self.clock.now() + timedelta(seconds=self._dice.uniform(0, 10))

    # The end

    def _calm_down(self) -> None:
        if self._faulty:
            self.faults.stop()
        self.transport.weather = CALM
        self.workload.answers_lost = 0.0
        while self.transport.late_reports:
            self.transport.deliver_late()
            self._look()
            self.auditor.check()
        if self.plane is None:
            self._start_plane()
        for machine in self.machines:
            if machine.agent is None:
                machine.due = None  # Whoever looks after the hosts starts it.

    def _settle(self) -> None:
        """Wait, for so many rounds at most, until all is as it must be in the end."""
        open_points: list[tuple[str, str]] = []
        for number in range(1, ROUNDS_MAX + 1):
            # Each time: what a guest still had may be left behind by its end.
            self.faults.bind_back()
            self._run_for(_ROUND_SECONDS)
            self._look_at_everything()
            open_points = self.auditor.unsettled()
            if not open_points:
                self.trace.line("world", f"settled after {number} rounds")
                return
        rule, detail = open_points[0]
        raise Violation(rule, f"after {ROUNDS_MAX} rounds without faults: {detail}")

    def _run_for(self, seconds: float) -> None:
        """Let all of the world be, one step at a time, until so much time has passed."""
        end = self.clock.now() + timedelta(seconds=seconds)
        for _ in range(_STEPS_IN_A_ROUND_MAX):
            machine = min(self.machines, key=lambda each: each.due or self.clock.now())
            if machine.due is not None and machine.due >= end:
                self.clock.advance_to(end)
                self._tend_plane()
                return
            self.clock.advance_to(machine.due or self.clock.now())
            self._tend_plane()
            self._step(machine)
            self._look()
            self.auditor.check()
        raise Violation(SETTLES, f"{_STEPS_IN_A_ROUND_MAX} steps in {seconds} s: no rest")

    def _look_at_everything(self) -> None:
        self.auditor.check()
        self.workload.list_ports()
        for machine in self.machines:
            self.workload.list_devices(machine.name)
        self.workload.list_servers()

    def _prove_quiet(self) -> None:
        """Drop and start everything once more: nothing may be written."""
        before = self.auditor.writes()
        self._drop_plane()
        self._start_plane()
        for machine in self.machines:
            machine.drop_agent()
            machine.due = None
        self.trace.line("world", "everything is dropped and started again")
        self._run_for(_ROUND_SECONDS)
        self._look_at_everything()
        self.auditor.check_quiet(before)

    def _prove_prompt(self) -> None:
        """Pull a cable and plug it in again, then change a VF by hand: each is seen at once.

        Nothing is written for the cable, and who has something of its PF keeps it.
        """
        used = [(machine, *vf) for machine in self.machines for vf in vfs_in_guests(machine)]
        if not used:
            return
        machine, pf, vf_index = self._dice.choice(used)
        before = self.auditor.writes()
        ports = self.auditor.ports_on(machine.name, str(pf))
        for plugged, action in ((False, "port.cut_off"), (True, "port.reconnected")):
            told = self.workload.port_events(action)[:1]
            self.faults.move_cable(machine, pf, plugged=plugged)
            machine.wake()
            self._run_for(_SEEN_SECONDS)
            if plugged:
                self._run_for(LIMITS.link_settle.total_seconds())
            self._look_at_everything()
            news = self.workload.port_events(action)
            self.auditor.check_link(
                machine.name, news[: news.index(told[0])] if told else news, action, ports
            )
        self.auditor.check_quiet(before)
        self.faults.change_vf(machine, pf, vf_index, VfChange(vlan_id=199, vlan_qos=0))
        machine.wake()
        self._run_for(_SEEN_SECONDS)
        self._look_at_everything()
        self.auditor.check_no_drift()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one seed."""

    seed: int
    steps: int
    trace: Trace
    problem: Exception | None  # A `Violation`; anything else is a bug that raised.

    @property
    def rule(self) -> str | None:
        """The rule that was broken; None: all of them held."""
        if self.problem is None:
            return None
        return self.problem.rule if isinstance(self.problem, Violation) else NOTHING_RAISES

    def story(self) -> str:
        """Say what is wrong, how it came to it, and how to see it again."""
        again = f"python -m trunkline.sim --seed {self.seed} --steps {self.steps} --trace"
        problem = self.problem
        what = str(problem) if isinstance(problem, Violation) else repr(problem)
        return f"seed {self.seed}: {what}\n{self.trace.tail()}again: {again}"


def run_seed(
    seed: int,
    directory: Path,
    *,
    steps: int = STEPS,
    faults: bool = True,
    parts: Parts | None = None,
) -> Outcome:
    """Run one seed in a folder of its own below `directory`, which is removed again."""
    own = directory / f"seed-{seed}"
    own.mkdir()
    world = World(seed, own, template=directory / "empty.db", faults=faults, parts=parts)
    problem: Exception | None = None
    try:
        world.run(steps)
    except Exception as found:  # noqa: BLE001 - whatever it is, it is this seed's outcome
        problem = found
    finally:
        world.close()
        shutil.rmtree(own)
    return Outcome(seed=seed, steps=steps, trace=world.trace, problem=problem)

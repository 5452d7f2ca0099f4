"""The agent of one host: fetch, observe, plan, apply, observe, report.

`Agent.step(now)` does one round and says when the next is due. It never waits and has no thread of
its own, so that a simulator can run many, and a person can follow one. What it holds in memory can
be lost at any moment: a new agent reads everything again and goes on.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from trunkline.agent.apply import NoProbe, Probe, apply_steps
from trunkline.agent.attempts import may_give_up
from trunkline.agent.consoles import Consoles
from trunkline.agent.guests import Guests
from trunkline.agent.journal import JournalFile, JournalUnreadable, JournalUnwritable
from trunkline.agent.limits import Limits
from trunkline.agent.link_hold import LinkHold
from trunkline.agent.observe import (
    DomainList,
    PfTurn,
    Surroundings,
    look_around,
    pfs_concerned,
    pfs_of_pools,
    pfs_told_of,
    pools_of,
    read_host,
)
from trunkline.agent.report import Offer, Reporter
from trunkline.agent.standing import Standing
from trunkline.agent.transport import Transport, TransportFailed
from trunkline.agent.trials import Trials
from trunkline.agent.unread import Unread
from trunkline.domain.clock import IdSource
from trunkline.domain.device import PciFunction
from trunkline.domain.errors import TrunklineError
from trunkline.domain.host import HostResources
from trunkline.domain.ids import HostName, ServerId
from trunkline.domain.pci import PciAddress
from trunkline.reconcile.desired import HostConfig, ServerConfig
from trunkline.reconcile.domain_xml import DomainOptions
from trunkline.reconcile.interfaces import (
    NOTHING_OF_OURS,
    DriverTrials,
    HostRefused,
    HostWatch,
    Hypervisor,
    Kernel,
    NotYet,
    Storage,
)
from trunkline.reconcile.plan import Plan, Unit, UnitKind, plan
from trunkline.reconcile.report import DriftFact, DriftPolicy
from trunkline.reconcile.steps import DefineDomain, ForgetAddition, MakeDisk, Step
from trunkline.reconcile.users import without_used_and_unfit
from trunkline.vif.registry import VifRegistry

VfCounts = Callable[[Mapping[PciAddress, PciFunction]], Mapping[PciAddress, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentHost:
    """The machine that an agent acts on, and what it knows of it beforehand."""

    name: HostName
    kernel: Kernel
    hypervisor: Hypervisor
    resources: HostResources
    offer: Offer  # Which functions are on offer, by the operator's device specs.
    vif_types: VifRegistry
    options: DomainOptions = field(default_factory=DomainOptions)
    storage: Storage | None = None  # None: guests have no disks (simulated hosts).
    vf_counts: VfCounts = lambda _: {}  # How many VFs PFs are to have that have none.
    watches: tuple[HostWatch, ...] = ()  # Without any, all is found by looking at times.
    drift: DriftPolicy = DriftPolicy.REPAIR
    trials: DriverTrials | None = None  # None: what drivers can do is known (simulated hosts).


class Agent:
    """One run of the agent."""

    def __init__(
        self,
        host: AgentHost,
        *,
        journal: JournalFile,
        transport: Transport,
        ids: IdSource,
        limits: Limits | None = None,
        probe: Probe | None = None,
    ) -> None:
        self._host = host
        self._journal = journal
        self._transport = transport
        self._limits = limits or Limits()
        self._probe = probe or NoProbe()
        self.reporter = Reporter(
            host=host.name, run_id=ids.new_id(), resources=host.resources, limits=self._limits
        )
        self._config: HostConfig | None = None
        self._must_reconcile = True
        self._check_due: datetime | None = None
        self._host_due: datetime | None = None  # Set while the host itself can't be read.
        self._standing = Standing(self.reporter.findings, self._limits, host.drift)
        self._attempts = self._standing.attempts
        self._links = LinkHold(self._limits.link_settle)
        self._unread = Unread(host.watches, gap=self._limits.news_gap)
        self._consoles = Consoles()
        self._guests = Guests(self._limits)
        self._turn = PfTurn()
        self._domains_seen: frozenset[ServerId] = frozenset()
        self._around: Surroundings | None = None  # As last seen; None: not in this run.
        self._domains = DomainList(host.hypervisor)
        self._trials = Trials(host.trials, host.kernel, journal, retry=self._limits.gave_up_retry)

    @property
    def config(self) -> HostConfig | None:
        """The configuration that is being made true."""
        return self._config

    @property
    def is_settled(self) -> bool:
        """Whether all of the configuration is true, and was read back."""
        return self._standing.is_settled

    @property
    def problem(self) -> str:
        """Why nothing can be done for the host; empty: it can."""
        return self.reporter.shut_out or self.reporter.problem or self.reporter.deaf

    def step(self, now: datetime) -> datetime:
        """Do what is due at `now`; return when to be called again, at the latest."""
        if self._remembers(now):
            self._fetch()
            self._unread.listen()
            self.reporter.deaf = self._unread.problem
            if self._has_work(now):
                self._reconcile(now)
            if not self.reporter.consoles:  # What was read before is to be told first.
                self.reporter.consoles = self._consoles.answer(self._host.hypervisor)
        generation = self._config.generation if self._config else 0
        ack = self.reporter.report(
            self._transport, generation=generation, settled=self.is_settled, now=now
        )
        if ack is not None:
            self._probe.reached("after report")
        return self._next_due(now)

    def _remembers(self, now: datetime) -> bool:
        """Say whether there is a journal to act by; if not, that is the host's problem."""
        try:
            _ = self._journal.current
        except JournalUnreadable as problem:
            self._give_up(problem, now)
            return False
        return True

    # Fetching

    def _fetch(self) -> None:
        seen = self._journal.current.generation
        after = seen - 1 if self._config is None else self._config.generation
        try:
            config = self._transport.fetch(self._host.name, after, self._consoles.asked)
        except TransportFailed:
            return
        if config is not None and config.host == self._host.name:
            self._consoles.take(config)
        # Answers can be late or repeated: only what is newer counts, and nothing older than the
        # journal has seen ever does, not even in a new run.
        if config is None or config.generation <= after or config.host != self._host.name:
            return
        journal = replace(self._journal.current, generation=config.generation)
        if self._journal.knows_no_config:
            journal = replace(
                journal, unknown=frozenset(device.address for device in config.releases)
            )
        try:
            self._journal.save(journal)
        except JournalUnwritable:
            return  # Fenced only once it is stored; it will be fetched again.
        self._probe.reached("after config")
        self._config = config
        self._must_reconcile = True
        self._standing.take_config(config)

    # Reconciling

    def _has_work(self, now: datetime) -> bool:
        if self.reporter.shut_out:
            return False  # Another agent has the host: two would undo each other's work.
        if self._host_due is not None:
            has_news = self._must_reconcile or self._unread.is_due(now)
            return self._host_due <= now or (self._domains.is_late and has_news)
        return (
            self._must_reconcile
            or self._unread.is_due(now)
            or self._check_due is None
            or self._check_due <= now
            or any(due <= now for due in self._retries())
        )

    def _retries(self) -> Iterator[datetime]:
        """Yield when what waits for its time is due."""
        yield from self._attempts.dues()
        yield from self._links.dues()
        yield from self._guests.dues()

    def _reconcile(self, now: datetime) -> None:
        try:
            self._reconcile_rounds(now)
        except NotYet:
            # The rounds go on, and its coming is news: what is to be done or was due is done then.
            later = [due for due in self._retries() if due > now]
            self._host_due = min([now + self._limits.poll, *later])
        except (HostRefused, JournalUnwritable) as problem:
            # sysfs or libvirt can't be read, or nothing can be remembered: there is no acting then.
            self._give_up(problem, now)
        else:
            self._host_due = None
            self.reporter.problem = ""

    def _give_up(self, problem: TrunklineError, now: datetime) -> None:
        """Do nothing for the host until it is looked at again; it is told why."""
        self._standing.is_settled = False
        self.reporter.problem = str(problem)
        self._host_due = now + self._limits.backoff_first

    def _reconcile_rounds(self, now: datetime) -> None:
        is_check = self._check_due is None or self._check_due <= now
        self._must_reconcile = False
        self._trials.put_back(now)
        done: set[str] = set()
        for _ in range(self._limits.rounds_max):
            made = self._observe_and_plan(now, with_check=is_check)
            if made is None:
                break
            if self._domains.is_late:
                self._apply(made, now, room=self._limits.units_max)
                break
            failed_before = set(self._standing.failures)
            self._standing.fail_refused(made)
            applied = self._apply(made, now, room=self._limits.units_max - len(done))
            done |= applied
            if any(unit.kind is UnitKind.MAKE and unit.key in applied for unit in made.units):
                # It may have taken half a minute: what is due is told before the next.
                self._must_reconcile = True
                break
            if not applied and self._standing.failures.keys() == failed_before:
                self._conclude(made, now, stuck=set())
                break
        else:
            made = self._observe_and_plan(now, with_check=False)
            if made is not None:
                self._conclude(made, now, stuck=done)
        if is_check:
            self._check_due = now + self._limits.check
        if self._domains.is_late:
            raise NotYet  # What there is to start or to end.
        if self._config is not None and self._around is not None and not self._must_reconcile:
            # What is learned is told at once.
            self._must_reconcile = self._trials.try_out(self._around, self._config, now)

    def _observe_and_plan(self, now: datetime, *, with_check: bool) -> Plan | None:
        host = self._host
        self._unread.listen()
        around = look_around(
            host.kernel,
            host.hypervisor,
            host.storage,
            domains=self._domains,
            offer=host.offer,
            config=self._config,
            journal=self._journal.current,
        )
        self._around = around
        offered = without_used_and_unfit(around.offered)
        self.reporter.inventory = self._links.told(offered, now)
        self._note_boot(around)
        self._domains_seen = frozenset(around.domains)
        config = self._config
        if config is None:
            self._unread.clear(now)
            return None
        if not around.is_late:
            self._look_at_guests(config, around, now)
        pfs = pfs_concerned(
            around.functions,
            self._standing.open_servers(config, around.domains),
            self._standing.open_releases(config),
        )
        pools = pools_of(offered)
        pfs |= pfs_of_pools(around, pools, self._journal.current)
        pfs |= pfs_told_of(self._unread.news, around.functions, config.servers)
        if with_check:
            pfs |= self._turn.next(around.functions, config.servers)
        observed = read_host(host.kernel, around, self._journal.current, pfs, config.servers)
        self._unread.clear(now)
        made = plan(
            config,
            observed,
            vif_types=host.vif_types,
            options=host.options,
            failed=self._standing.undo,
            ran=self._standing.settled(config),
            booted=self._standing.booted(config),
            vf_counts=host.vf_counts(around.functions),
            pools=pools,
        )
        # At once: the next plan may not see again what this one was told of.
        self._standing.reopen(made)
        for unit in self._standing.newly_left_alone(made):
            self._note_drifts(unit, repaired=False)
        return made

    def _look_at_guests(self, config: HostConfig, around: Surroundings, now: datetime) -> None:
        """Tell what befell guests; give up the servers whose guests are not to be started again."""
        for noticed in self._guests.look(config, around.domains, around.files, now):
            self.reporter.note_guest(noticed.server, noticed.fact)
            if noticed.gives_up:
                self._standing.fail(noticed.server, noticed.gives_up)

    def _note_boot(self, around: Surroundings) -> None:
        """Drop what the journal says of VFs that a reboot has made anew."""
        journal = self._journal.current
        if journal.boot_id not in ("", around.boot_id):
            self._standing.forget_settled()
            self._guests.forget()
        self._journal.save(journal.of_boot(around.boot_id))

    # Applying

    def _apply(self, made: Plan, now: datetime, *, room: int) -> set[str]:
        """Apply the units that are due, `room` at most; return the keys of those that went well."""
        applied: set[str] = set()
        for unit in itertools.islice(self._due_units(made, now), max(room, 0)):
            if self._apply_unit(unit, now):
                applied.add(unit.key)
            if unit.kind is UnitKind.MAKE:
                break  # Its VFs are looked at before anything else is done.
        return applied

    def _due_units(self, made: Plan, now: datetime) -> Iterator[Unit]:
        """Yield the units that may be acted on, in order.

        A unit that failed is not due for a while, and those after it that touch the same devices
        wait for it: a VF must not be restored while the guest that has it can't be stopped.
        """
        blocked: set[PciAddress] = set()
        for unit in made.units:
            if not unit.steps or self._standing.is_left_alone(unit):
                continue
            if unit.server is not None and self._guests.rests(unit.server.id, now):
                continue
            if self._domains.is_late and not unit.leaves_guests_alone:
                continue
            if self._attempts.is_due(unit, now) and not unit.devices & blocked:
                yield unit
            # Looked at again, since it may just have failed.
            if not self._attempts.is_due(unit, now):
                blocked |= unit.devices

    def _apply_unit(self, unit: Unit, now: datetime) -> bool:
        if unit.server is not None and self._begins(unit.server, unit.steps):
            self._standing.note_definition(unit.server.id)
        self._guests.note_steps(unit.steps)
        try:
            apply_steps(
                unit.steps,
                kernel=self._host.kernel,
                hypervisor=self._host.hypervisor,
                storage=self._host.storage,
                journal=self._journal,
                probe=self._probe,
            )
        except HostRefused as refusal:
            if (
                unit.addition is not None
                and refusal.errno_name == NOTHING_OF_OURS
                and not refusal.transient
            ):
                # It stays as it is, and is no matter of ours any more.
                forget = (ForgetAddition(unit.addition),)
                return self._apply_unit(replace(unit, steps=forget), now)
            self._note_drifts(unit, repaired=False)
            found = self._attempts.failed(
                unit,
                str(refusal),
                now,
                for_good=not (refusal.transient or refusal.unasked),
                may_give_up=may_give_up(unit, refusal),
            )
            if unit.network and found.count == 1:
                # No server is told: none of them may be there yet.
                why = DriftFact(
                    address=None, ifname=unit.network, found=str(refusal), repaired=False
                )
                self.reporter.note_drift(why)
            if found.gave_up and unit.server is not None:
                lacks_disk = any(isinstance(step, MakeDisk) for step in unit.steps)
                self._standing.fail(unit.server, str(refusal), lacks_disk=lacks_disk)
            return False
        except JournalUnwritable as problem:
            self._attempts.failed(unit, str(problem), now, for_good=False)
            return False
        self._note_drifts(unit, repaired=True)
        return True

    def _begins(self, server: ServerConfig, steps: Collection[Step]) -> bool:
        """Whether the server has never been here, so that nothing is lost if it fails.

        One whose domain somebody has undefined has its disk still: it is no new one.
        """
        has_disk = self._host.storage is not None and bool(server.disk_gib)
        first = MakeDisk if has_disk else DefineDomain
        is_new = server.id not in self._domains_seen
        return is_new and any(isinstance(step, first) for step in steps)

    def _note_drifts(self, unit: Unit, *, repaired: bool) -> None:
        """Note what had changed behind our back: not what the configuration itself changed."""
        if not self._standing.was_settled_otherwise(unit):
            for drift in unit.drifts:
                self.reporter.note_drift(replace(drift, repaired=repaired))

    def _conclude(self, made: Plan, now: datetime, *, stuck: set[str]) -> None:
        assert self._config is not None
        failed_before = set(self._standing.failures)
        self._standing.conclude(self._config, made, now, stuck=stuck)
        given_up_now = self._standing.failures.keys() != failed_before
        self._must_reconcile = given_up_now or any(self._due_units(made, now))

    # Pace

    def _next_due(self, now: datetime) -> datetime:
        if self.reporter.shut_out:
            return max(now, self.reporter.next_due(now))
        if self._host_due is not None:
            news_due = self._unread.due if self._domains.is_late else None
            dues = [self._host_due, self.reporter.next_due(now), now + self._limits.poll]
            return min([*dues, *(due for due in (news_due,) if due is not None and due > now)])
        if self._must_reconcile or (self._consoles.has_open and not self.reporter.consoles):
            return now
        dues = [now + self._limits.poll, self.reporter.next_due(now)]
        dues += self._retries()
        dues += [due for due in (self._check_due, self._unread.due) if due is not None]
        return max(now, min(dues))

"""Bugs to plant in the system, each with the rule that the auditor must name for it.

What is planted is one line gone wrong, as somebody may write it some day: a check forgotten, an
answer given too early. Where several guards stand behind each other, all of them are taken away.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

import pytest

from tests.sim.planted_powers import rebuilds_want_no_new_disk, what_is_paused_is_resumed
from trunkline.agent import apply
from trunkline.agent.apply import Probe
from trunkline.agent.link_hold import LinkHold
from trunkline.agent.loop import Agent
from trunkline.agent.observe import PfTurn
from trunkline.agent.transport import TransportFailed
from trunkline.agent.unread import Unread
from trunkline.control import binding, desired, inventory, reports
from trunkline.control.reports import _Intake
from trunkline.domain.allocation import Allocation
from trunkline.domain.device import DeviceKind, PciFunction
from trunkline.domain.ids import HostName, ServerId
from trunkline.domain.server import ServerState
from trunkline.domain.vf import VfChange, VfSettings
from trunkline.host.fake_hypervisor import FakeHypervisor
from trunkline.placement.asks.fellows import Fellows
from trunkline.placement.hosts import feasibility
from trunkline.placement.hosts.host_state import HostState
from trunkline.placement.index import ranking
from trunkline.placement.index.columns import Columns
from trunkline.placement.matching import layout
from trunkline.reconcile import plan, programming, release, serve, server_devices
from trunkline.reconcile.desired import HostConfig, NicConfig
from trunkline.reconcile.interfaces import HostRefused
from trunkline.reconcile.programming import CannotHonour
from trunkline.reconcile.report import HostReport, ReportAck, ServerCondition
from trunkline.sim import model
from trunkline.sim.control_plane import SimStore
from trunkline.sim.machines import Machine, an_agent
from trunkline.sim.transport import SimTransport
from trunkline.sim.world import Parts
from trunkline.store.bandwidth import Bandwidths
from trunkline.store.devices import DeviceRecord
from trunkline.store.numa_uses import NumaUses
from trunkline.store.server_groups import ServerGroups
from trunkline.store.transaction import Transaction

T = TypeVar("T")
Patch = pytest.MonkeyPatch
Plant = Callable[[Patch], Parts]


def nothing_is_read_back(patch: Patch) -> Parts:
    patch.setattr(apply, "_read_back", lambda *_: None)
    return Parts()


def a_vlan_is_forgotten(patch: Patch) -> Parts:
    real = desired._nic_config
    patch.setattr(desired, "_nic_config", lambda *of: replace(real(*of), vlan_id=0))
    return Parts()


def what_libvirt_makes_of_outer_tags_is_left_so(patch: Patch) -> Parts:
    """Nobody tells one protocol of a VLAN from the other."""
    real = programming.desired_settings

    def careless(nic: NicConfig, observed: VfSettings, **also: Any) -> VfSettings | CannotHonour:
        return real(replace(nic, vlan_protocol=observed.vlan_protocol), observed, **also)

    patch.setattr(server_devices, "desired_settings", careless)
    return Parts()


def cards_are_taken_for_each_others(patch: Patch) -> Parts:
    """The network driver demands nothing of a device."""
    patch.setattr("trunkline.control.networking.Networking.requirements_of", lambda *_: {})
    patch.setattr("trunkline.netdrivers.builtin.PhysicalNetworkDriver.refusal", lambda *_: None)
    return Parts()


def libvirt_gives_a_guest_what_another_has(patch: Patch) -> Parts:
    real = FakeHypervisor.start_paused

    def generous(libvirt: FakeHypervisor, server_id: ServerId) -> None:
        real(libvirt, server_id)
        with libvirt._file.held() as held:
            guests = {key: domain.guest for key, domain in held.state.domains.items()}
            started = guests.pop(server_id)
            for other in guests.values():
                if other is not None and started is not None:
                    started.handed_over.own_drivers.update(other.handed_over.own_drivers)
            held.save()

    patch.setattr(FakeHypervisor, "start_paused", generous)
    return Parts()


def what_runs_is_placed_anew(patch: Patch) -> Parts:
    """A host that says that it runs a new server is taken to have refused it."""
    real = _Intake._take_server_fact

    def wrong(intake: _Intake, host: Any, server: Any, fact: Any) -> None:
        if fact.condition is ServerCondition.RUNNING and server.state is ServerState.BUILD:
            intake._refuse(server, "misread")
        else:
            real(intake, host, server, fact)

    patch.setattr(_Intake, "_take_server_fact", wrong)
    return Parts()


def the_last_nic_is_left_out(patch: Patch) -> Parts:
    real = desired._server_config

    def without_last(*of: Any) -> Any:
        server = real(*of)
        return replace(server, nics=server.nics[:1])

    patch.setattr(desired, "_server_config", without_last)
    return Parts()


def what_is_pending_counts_as_running(patch: Patch) -> Parts:
    real = _Intake._take_server_fact

    def hasty(intake: _Intake, host: Any, server: Any, fact: Any) -> None:
        if fact.condition is ServerCondition.PENDING:
            fact = replace(fact, condition=ServerCondition.RUNNING)
        real(intake, host, server, fact)

    patch.setattr(_Intake, "_take_server_fact", hasty)
    patch.setattr(_Intake, "_confirm_bindings", lambda *_: True)
    return Parts()


class _Forgotten(Exception):
    pass


class ForgetfulStore(SimStore):
    """Answers before the commit, and every ninth commit fails."""

    _number = 0

    def write(self, use_case: Callable[[Transaction], T]) -> T:
        self._number += 1
        if self._number % 9:
            return super().write(use_case)
        kept: list[T] = []

        def forgotten(tx: Transaction) -> None:
            kept.append(use_case(tx))
            raise _Forgotten

        with suppress(_Forgotten):
            super().write(forgotten)
        return kept[0]


def the_store_answers_before_it_has_committed(_: Patch) -> Parts:
    return Parts(store_type=ForgetfulStore)


def older_configurations_are_acted_on(patch: Patch) -> Parts:
    def unfenced(agent: Agent) -> None:
        try:
            config = agent._transport.fetch(agent._host.name, -1, 0)
        except TransportFailed:
            return
        if config is not None and config != agent._config:
            agent._config, agent._must_reconcile = config, True
            agent._journal.save(replace(agent._journal.current, generation=0, epochs={}))
            agent._standing.take_config(config)

    patch.setattr(Agent, "_fetch", unfenced)
    return Parts()


class ResurrectingTransport:
    """Now and then brings a host's first servers back, under a new generation."""

    def __init__(self, real: SimTransport) -> None:
        self._real = real
        self._first: dict[HostName, HostConfig] = {}
        self._fetches = 0

    def fetch(
        self, host: HostName, after_generation: int, consoles_asked: int
    ) -> HostConfig | None:
        self._fetches += 1
        first = self._first.get(host)
        if first is not None and self._fetches % 5 == 0:
            return replace(first, generation=after_generation + 1)
        config = self._real.fetch(host, after_generation, consoles_asked)
        if config is not None and config.servers:
            self._first.setdefault(host, config)
        return config

    def report(self, report: HostReport) -> ReportAck:
        return self._real.report(report)


def deleted_servers_are_wanted_again(_: Patch) -> Parts:
    return Parts(wrap_transport=ResurrectingTransport)


def devices_are_free_as_soon_as_they_are_released(patch: Patch) -> Parts:
    def free_at_once(
        tx: Transaction, svc: Any, actor: Any, allocation: Allocation, *, reason: str
    ) -> None:
        tx.allocations.delete(allocation)
        tx.devices.give_back(tx.devices.get(allocation.device_id))

    patch.setattr(binding, "release_device", free_at_once)
    return Parts()


def what_pfs_owe_is_not_counted(patch: Patch) -> Parts:
    patch.setattr(Bandwidths, "owe", lambda *_, **__: None)
    patch.setattr(HostState, "owe", lambda *_: None)
    return Parts()


def policies_of_numa_are_not_kept(patch: Patch) -> Parts:
    patch.setattr(layout, "_penalty", lambda *_: 0)
    return Parts()


def guests_are_not_told_their_node(patch: Patch) -> Parts:
    patch.setattr(desired, "_guest_node", lambda *_: None)
    return Parts()


def what_nodes_give_is_not_counted(patch: Patch) -> Parts:
    real = HostState.give
    patch.setattr(NumaUses, "add", lambda *_: None)
    patch.setattr(HostState, "give", lambda host, **room: real(host, **{**room, "numa_node": None}))
    return Parts()


def a_plan_restores_nothing(patch: Patch) -> Parts:
    patch.setattr(release, "_restore", lambda *_: [])
    return Parts()


class MuteTransport:
    """Loses what reports say of servers, and says that all arrived."""

    def __init__(self, real: SimTransport) -> None:
        self._real = real

    def fetch(
        self, host: HostName, after_generation: int, consoles_asked: int
    ) -> HostConfig | None:
        return self._real.fetch(host, after_generation, consoles_asked)

    def report(self, report: HostReport) -> ReportAck:
        return self._real.report(replace(report, servers=()))


def reports_say_nothing_of_servers(_: Patch) -> Parts:
    return Parts(wrap_transport=MuteTransport)


def clean_devices_are_kept(patch: Patch) -> Parts:
    patch.setattr(_Intake, "_free", lambda *_: None)
    return Parts()


def guests_are_never_taken_away(patch: Patch) -> Parts:
    patch.setattr(plan, "_removal", lambda view, server_id, undo: plan.Unit(
        kind=plan.UnitKind.REMOVE, outcome=plan.Outcome.SETTLED, server_id=server_id
    ))  # fmt: skip
    return Parts()


def nobody_looks_for_drift(patch: Patch) -> Parts:
    patch.setattr(PfTurn, "next", lambda *_: frozenset())
    return Parts()


def an_agent_that_starts_resets_its_first_vf(_: Patch) -> Parts:
    def make(machine: Machine, probe: Probe) -> Agent:
        pf = machine.kernel.state().pfs[0]
        if pf.vfs:
            with suppress(HostRefused):
                machine.kernel.acting_as("agent").set_vf(pf.address, 0, VfChange(trust=False))
        return an_agent(machine, probe)

    return Parts(make_agent=make)


def a_report_raises(patch: Patch) -> Parts:
    def broken(*_: Any) -> None:
        raise KeyError("a bug")

    patch.setattr(reports._Intake, "_take_drifts", broken)
    return Parts()


def what_libvirt_takes_of_pools_is_not_looked_at(patch: Patch) -> Parts:
    patch.setattr(serve, "taken_otherwise", lambda *_: ())
    return Parts()


def a_nic_is_told_to_have_left_while_the_guest_has_it(patch: Patch) -> Parts:
    patch.setattr(serve, "still_there", lambda *_: ())
    return Parts()


def what_guests_had_of_pools_is_left_as_it_is(patch: Patch) -> Parts:
    patch.setattr(plan, "plan_strays", lambda *_: ())
    return Parts()


def what_is_out_of_service_is_offered(patch: Patch) -> Parts:
    patch.setattr(DeviceRecord, "problem", "")
    return Parts()


def who_is_cut_off_is_not_told(patch: Patch) -> Parts:
    patch.setattr(inventory, "tell_of_service", lambda *_: None)
    return Parts()


def what_a_machine_tells_is_not_looked_at(patch: Patch) -> Parts:
    patch.setattr(Unread, "listen", lambda *_: None)
    return Parts()


def what_a_full_socket_lost_is_not_looked_for(patch: Patch) -> Parts:
    """Nor does anybody look at times."""
    patch.setattr(PfTurn, "next", lambda *_: frozenset())
    real = Unread.listen

    def deaf(unread: Unread) -> None:
        real(unread)
        unread.news = replace(unread.news, everything=False)

    patch.setattr(Unread, "listen", deaf)
    return Parts()


def a_pf_that_was_out_of_service_never_holds(patch: Patch) -> Parts:
    real = LinkHold._told

    def once_out(hold: LinkHold, pf: PciFunction, now: datetime) -> PciFunction:
        return hold._out.get(pf.address) or real(hold, pf, now)

    patch.setattr(LinkHold, "_told", once_out)
    return Parts()


def a_pf_without_a_link_is_set_up(patch: Patch) -> Parts:
    real = Agent._reconcile

    def meddling(agent: Agent, now: datetime) -> None:
        real(agent, now)
        for pf in agent._host.kernel.functions().values():
            if pf.kind is DeviceKind.PF and not pf.link_up and pf.ifname is not None:
                with suppress(HostRefused):
                    agent._host.kernel.set_pf_up(pf.address)

    patch.setattr(Agent, "_reconcile", meddling)
    return Parts()


def placement_forgets_server_groups(patch: Patch) -> Parts:
    patch.setattr(Fellows, "allow", lambda *_: True)
    patch.setattr(ranking, "allowed_by", lambda _, columns: columns.everywhere)
    return Parts()


def groups_do_not_count_who_is_there(patch: Patch) -> Parts:
    """Where fellows are is read before others of the group were placed."""
    patch.setattr(ServerGroups, "placed", lambda *_, **__: {})
    return Parts()


def placement_forgets_zones(patch: Patch) -> Parts:
    patch.setattr(feasibility, "_rules_of_others", lambda *_: [])
    patch.setattr(Columns, "in_zone", lambda columns, _: columns.everywhere)
    return Parts()


# The rule that is to be named, and the first of the seeds that are tried.
PLANTED: dict[Plant, tuple[str, int]] = {
    nothing_is_read_back: (model.TAGGED_FIRST, 19),
    a_vlan_is_forgotten: (model.TAGGED_FIRST, 0),
    what_libvirt_makes_of_outer_tags_is_left_so: (model.TAGGED_FIRST, 6),
    cards_are_taken_for_each_others: (model.TAGGED_FIRST, 0),
    guests_are_never_taken_away: (model.GIVES_BACK, 0),
    libvirt_gives_a_guest_what_another_has: (model.ONE_OWNER, 3),
    what_runs_is_placed_anew: (model.ONE_GUEST, 0),
    the_last_nic_is_left_out: (model.ALL_NICS, 0),
    what_is_pending_counts_as_running: (model.ACTIVE_RUNS, 1),
    what_is_paused_is_resumed: (model.PAUSED_RESTS, 62),
    rebuilds_want_no_new_disk: (model.REBUILT, 62),
    older_configurations_are_acted_on: (model.ACTIVE_RUNS, 15),
    the_store_answers_before_it_has_committed: (model.NOTHING_LOST, 0),
    deleted_servers_are_wanted_again: (model.STAYS_GONE, 0),
    devices_are_free_as_soon_as_they_are_released: (model.FREE_IS_CLEAN, 1),
    what_pfs_owe_is_not_counted: (model.GUARANTEED, 8),
    policies_of_numa_are_not_kept: (model.ON_ITS_NODE, 1),
    guests_are_not_told_their_node: (model.ON_ITS_NODE, 1),
    what_nodes_give_is_not_counted: (model.ROOM, 123),
    a_plan_restores_nothing: (model.FREE_IS_CLEAN, 0),
    reports_say_nothing_of_servers: (model.SETTLES, 0),
    clean_devices_are_kept: (model.GIVES_BACK, 0),
    nobody_looks_for_drift: (model.RESTORES, 2),
    an_agent_that_starts_resets_its_first_vf: (model.QUIET, 0),
    what_libvirt_takes_of_pools_is_not_looked_at: (model.TAGGED_FIRST, 9),
    a_nic_is_told_to_have_left_while_the_guest_has_it: (model.ACTIVE_RUNS, 36),
    what_guests_had_of_pools_is_left_as_it_is: (model.FREE_IS_CLEAN, 4),
    what_is_out_of_service_is_offered: (model.IN_SERVICE, 1),
    who_is_cut_off_is_not_told: (model.TOLD, 0),
    what_a_machine_tells_is_not_looked_at: (model.SEEN_AT_ONCE, 0),
    what_a_full_socket_lost_is_not_looked_for: (model.RESTORES, 2),
    a_pf_that_was_out_of_service_never_holds: (model.RESTORES, 0),
    a_pf_without_a_link_is_set_up: (model.QUIET, 0),
    placement_forgets_server_groups: (model.GROUP_KEPT, 3),
    groups_do_not_count_who_is_there: (model.GROUP_KEPT, 3),
    placement_forgets_zones: (model.ZONE_KEPT, 8),
    a_report_raises: (model.NOTHING_RAISES, 0),
}

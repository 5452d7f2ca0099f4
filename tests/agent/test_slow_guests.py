"""Guests that take minutes to start and to end: the agent goes on with everything else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.agent.world import IGB, MLX, World, check
from tests.contract.machines import PF
from tests.reconcile.scenes import a_nic, a_server
from trunkline.agent.limits import Limits
from trunkline.agent.loop import Agent
from trunkline.domain.vf import VfChange
from trunkline.host.fake_hypervisor import FakeHypervisor
from trunkline.host.faults import RefuseNext, SlowNext
from trunkline.reconcile.report import DeviceCondition, ServerCondition


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def slow_down(world: World, operation: str) -> None:
    world.machine.hypervisor.plant(SlowNext(operation=operation, times=1))


def attempts(world: World, command: str) -> int:
    return sum(command in write for write in world.agent_writes())


def test_while_a_guest_starts_reports_go_on_and_what_drifts_elsewhere_is_repaired(
    world: World,
) -> None:
    first, second = (a_server(n, a_nic(n, world.device(IGB, n))) for n in (1, 2))
    agent = world.an_agent()
    world.control.want(first)
    world.settle(agent)
    slow_down(world, "start_paused")
    world.control.want(first, second)
    world.run(agent, seconds=600)
    assert world.control.server(second) == (ServerCondition.PENDING, "its guest is being started")
    before = len(world.control.reports)
    world.machine.kernel.acting_as("operator").set_vf(PF, 1, VfChange(vlan_id=7, vlan_qos=0))
    world.run(agent, seconds=300)
    assert len(world.control.reports) - before >= 10, "one each 30 s"
    assert world.raw_vf(IGB, 1)["vlan_id"] == first.nics[0].vlan_id
    world.machine.hypervisor.go_on()
    world.run(agent, seconds=1)
    check(world, first, second)
    assert world.control.server(second) == (ServerCondition.RUNNING, "")
    assert world.resumes() == {first.id: 1, second.id: 1}


@pytest.mark.parametrize("operation", ["start_paused", "destroy"])
def test_an_agent_that_is_killed_meanwhile_leaves_it_to_libvirt_and_the_next_goes_on(
    world: World, operation: str
) -> None:
    server = a_server(1, a_nic(1, world.device(IGB, 0)))
    releases = server.held_devices
    world.control.want(server)
    if operation == "destroy":
        world.settle(world.an_agent())
        world.control.want(releases=releases)
    slow_down(world, operation)
    world.run(world.an_agent(), seconds=30)
    before = world.writes()
    agent = world.an_agent()
    world.run(agent, seconds=300)
    assert world.writes() == before, "it is under way; nothing is begun twice"
    world.machine.hypervisor.go_on()
    world.settle(agent)
    check(world, *(() if operation == "destroy" else (server,)))


def test_a_vf_is_neither_restored_nor_given_away_before_its_guest_has_ended(world: World) -> None:
    device = world.device(MLX, 0)
    server = a_server(1, a_nic(1, device))
    heir = a_server(2, a_nic(2, world.device(MLX, 0, epoch=2), vlan_id=200))
    agent = world.an_agent()
    world.control.want(server)
    world.settle(agent)
    slow_down(world, "destroy")
    world.control.want(releases=(device,))
    world.run(agent, seconds=600)
    vf = world.raw_vf(MLX, 0)
    assert (vf["mac"], vf["in_guest"]) == (str(server.nics[0].mac), True)
    condition = world.control.condition(device)
    assert condition is not None
    assert condition[0] is DeviceCondition.PENDING
    assert "its guest is being ended" in condition[1]
    world.control.want(heir)
    world.run(agent, seconds=600)
    assert world.raw_vf(MLX, 0) == vf
    told = world.control.server(heir)
    assert told is not None
    assert told[0] is ServerCondition.PENDING, "patience: that it takes long is no failure"
    world.machine.hypervisor.go_on()
    world.settle(agent)
    check(world, heir)


def test_a_start_that_fails_in_the_end_is_tried_again_as_often_as_one_that_fails_at_once(
    world: World,
) -> None:
    server = a_server(1, a_nic(1, world.device(IGB, 0)))
    agent = world.an_agent()
    world.machine.hypervisor.plant(RefuseNext(operation="start_paused", errno="EBUSY", times=9))
    world.machine.hypervisor.plant(SlowNext(operation="start_paused"))
    world.control.want(server)
    for _ in range(20):
        world.run(agent, seconds=20)
        world.machine.hypervisor.go_on()
    told = world.control.server(server)
    assert told is not None
    assert told[0] is ServerCondition.FAILED
    assert "EBUSY" in told[1]
    assert attempts(world, "virsh start --paused") == 1, "a planted refusal is for good"
    check(world)


def test_while_libvirt_does_not_tell_of_its_domains_no_guest_is_started_or_ended(
    world: World,
) -> None:
    first, second = (a_server(n, a_nic(n, world.device(IGB, n))) for n in (1, 2))
    agent = world.an_agent()
    world.control.want(first)
    world.settle(agent)
    world.machine.hypervisor.plant(SlowNext(operation="guests"))
    before, writes = len(world.control.reports), world.agent_writes()
    for wanted in ((first, second), (second,), (replace(first, boot_number=2), second)):
        world.control.want(*wanted)
        world.run(agent, seconds=100)
    assert len(world.control.reports) - before >= 10, "one each 30 s"
    assert agent.problem == "", "nothing is known to be wrong"
    assert not agent.is_settled
    assert world.agent_writes() == writes
    world.machine.hypervisor.clear_faults()
    world.run(agent, seconds=3)
    check(world, replace(first, boot_number=2), second)


def test_while_libvirt_does_not_tell_of_its_domains_all_else_is_seen_and_put_right(
    world: World,
) -> None:
    server, told = a_server(1, a_nic(1, world.device(IGB, 1))), world.control.reports
    agent = world.an_agent()
    world.control.want(server)
    world.settle(agent)
    world.machine.hypervisor.plant(SlowNext(operation="guests"))
    world.run(agent, seconds=90)
    agent.step(world.now)
    world.machine.kernel.acting_as("operator").set_vf(PF, 1, VfChange(vlan_id=7, vlan_qos=0))
    world.machine.kernel.set_carrier(MLX, up=False)
    world.now += Limits().news_gap
    agent.step(world.now)
    assert world.raw_vf(IGB, 1)["vlan_id"] == server.nics[0].vlan_id
    assert [drift.repaired for report in told for drift in report.drifts] == [True]
    inventory = next(report.inventory for report in reversed(told) if report.inventory)
    (pf,) = (each.function for each in inventory if each.function.address == MLX)
    assert not pf.link_up
    changed = replace(server, nics=(replace(server.nics[0], vlan_id=99),))
    world.control.want(changed)
    world.run(agent, seconds=2)
    assert world.raw_vf(IGB, 1)["vlan_id"] == 99
    assert [drift.repaired for report in told for drift in report.drifts] == [True]
    world.machine.kernel.set_carrier(MLX, up=True)
    world.machine.hypervisor.suspend_guest(server.id)
    world.run(agent, seconds=60)
    assert world.resumes() == {server.id: 1}, "it is not known yet"
    world.machine.hypervisor.clear_faults()
    world.settle(agent)
    assert world.resumes() == {server.id: 2}
    check(world, changed)


@dataclass
class SlowAfterAnEnd:
    """From the end of a guest on, libvirt takes its time to tell of its domains."""

    libvirt: FakeHypervisor

    def reached(self, point: str) -> None:
        if point.startswith("after virsh destroy"):
            self.libvirt.plant(SlowNext(operation="guests", times=3))


def test_a_guest_that_the_agent_has_ended_has_not_ended_of_itself_whenever_that_is_told(
    world: World,
) -> None:
    _, server = world.with_a_server()
    agent = world.an_agent(SlowAfterAnEnd(world.machine.hypervisor))
    world.settle(agent)
    world.control.want(replace(server, boot_number=2))
    world.run(agent, seconds=130)
    assert world.resumes() == {server.id: 2}
    assert [report.guests for report in world.control.reports if report.guests] == []


def test_an_agent_that_libvirt_has_told_nothing_yet_waits(world: World) -> None:
    """What the guests of servers have, and what others do, is not known to it."""
    world.with_a_server()
    world.machine.hypervisor.plant(SlowNext(operation="guests"))
    agent, told = world.an_agent(), len(world.control.reports)
    world.run(agent, seconds=90)
    assert len(world.control.reports) - told >= 3, "one each 30 s"
    assert not any(each.inventory for each in world.control.reports[told:])
    world.machine.hypervisor.clear_faults()
    world.settle(agent)


@pytest.fixture
def woken(tmp_path: Path) -> World:
    """Its agents are woken by news, and look at nothing by themselves for 30 s."""
    return World(tmp_path, limits=Limits(poll=Limits().heartbeat))


def while_libvirt_is_late(world: World) -> Agent:
    """Return an agent with a server with VF 0 of igb, whose libvirt tells of nothing any more."""
    agent, _ = world.with_a_server()
    world.machine.hypervisor.plant(SlowNext(operation="guests"))
    world.run(agent, seconds=90)
    world.now = agent.step(world.now)
    agent.step(world.now)
    return agent


def test_news_that_follows_other_news_is_looked_at_after_the_gap_while_libvirt_is_late(
    woken: World,
) -> None:
    agent, gap = while_libvirt_is_late(woken), Limits().news_gap
    woken.now += gap
    woken.machine.kernel.set_carrier(MLX, up=False)
    agent.step(woken.now)
    begin = woken.now
    woken.now += gap / 4
    woken.machine.kernel.acting_as("operator").set_vf(PF, 0, VfChange(vlan_id=7, vlan_qos=0))
    assert agent.step(woken.now) == begin + gap
    assert woken.raw_vf(IGB, 0)["vlan_id"] == 7
    agent.step(begin + gap)
    assert woken.raw_vf(IGB, 0)["vlan_id"] != 7


def test_a_repair_that_failed_is_tried_again_in_time_while_libvirt_is_late(woken: World) -> None:
    agent = while_libvirt_is_late(woken)
    woken.machine.kernel.acting_as("operator").set_vf(PF, 0, VfChange(vlan_id=7, vlan_qos=0))
    woken.machine.kernel.plant(RefuseNext(operation="set_vf", errno="EAGAIN", times=2))
    woken.now += Limits().news_gap
    woken.run(agent, seconds=5)
    assert woken.raw_vf(IGB, 0)["vlan_id"] != 7, "after 1 s and 2 s"


def test_a_pf_that_is_well_again_is_told_in_time_while_libvirt_is_late(woken: World) -> None:
    agent = while_libvirt_is_late(woken)
    for up in (False, True):
        woken.machine.kernel.set_carrier(MLX, up=up)
        woken.now += Limits().news_gap
        agent.step(woken.now)
    woken.run(agent, seconds=11)
    inventory = next(each.inventory for each in reversed(woken.control.reports) if each.inventory)
    assert all(each.function.link_up for each in inventory if each.function.address == MLX)


def test_what_waits_for_libvirt_does_not_keep_the_agent_busy(woken: World) -> None:
    """A start that failed is due again, and waits until libvirt tells of its domains."""
    agent = woken.an_agent()
    server = a_server(1, a_nic(1, woken.device(IGB, 0)))
    woken.machine.kernel.plant(RefuseNext(operation="set_vf", errno="EAGAIN", times=1))
    woken.control.want(server)
    agent.step(woken.now)
    woken.machine.hypervisor.plant(SlowNext(operation="guests"))
    end = woken.now + timedelta(seconds=60)
    for _ in range(10):
        woken.now = max(agent.step(woken.now), woken.now + timedelta(milliseconds=1))
    assert woken.now > end
    woken.machine.hypervisor.clear_faults()
    woken.run(agent, seconds=60)
    check(woken, server)


def test_the_first_that_libvirt_tells_is_not_waited_for_longer_than_it_takes(woken: World) -> None:
    woken.machine.hypervisor.plant(SlowNext(operation="guests"))
    agent = woken.an_agent()
    agent.step(woken.now)
    woken.machine.hypervisor.clear_faults()
    woken.machine.kernel.set_carrier(MLX, up=False)  # What is told wakes it.
    agent.step(woken.now)
    assert any(each.inventory for each in woken.control.reports)

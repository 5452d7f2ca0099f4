"""Guests that are halted because their owner wants it: that is not how guests are started."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.agent.world import IGB, World, check
from trunkline.domain.server import PowerState
from trunkline.domain.vf import VfChange
from trunkline.host.fake_hypervisor import FakeHypervisor
from trunkline.host.faults import PfUnreadable, RefuseNext
from trunkline.reconcile.desired import ServerConfig
from trunkline.reconcile.observed import DomainPower
from trunkline.reconcile.report import DeviceCondition, GuestFact, ServerCondition


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def paused(server: ServerConfig) -> ServerConfig:
    return replace(server, paused=True)


def power_of(world: World, server: ServerConfig) -> DomainPower:
    return world.machine.hypervisor.guests().domains[server.id].power


def operators(world: World) -> FakeHypervisor:
    return FakeHypervisor(world.machine.hypervisor.path, world.machine.kernel, by="operator")


def verbs(world: World, after: int) -> list[str]:
    """What the agent asked of libvirt and the kernel after its first so many writes."""
    return [write.split()[2] for write in world.agent_writes()[after:]]


def befallen(world: World) -> list[GuestFact]:
    return [fact for report in world.control.reports for fact in report.guests]


def test_a_guest_is_halted_with_its_devices_and_goes_on_as_it_was(world: World) -> None:
    agent, server = world.with_a_server()
    before = len(world.agent_writes())
    world.control.want(paused(server))
    world.settle(agent)
    assert power_of(world, server) is DomainPower.PAUSED
    assert world.control.server(server) == (ServerCondition.PAUSED, "")
    assert verbs(world, before) == ["suspend"]

    world.control.want(server)
    world.settle(agent)
    check(world, server)
    assert world.control.server(server) == (ServerCondition.RUNNING, "")
    assert verbs(world, before) == ["suspend", "resume"]
    assert befallen(world) == []


def test_a_new_run_leaves_a_paused_guest_paused_and_writes_nothing(world: World) -> None:
    agent, server = world.with_a_server()
    world.control.want(paused(server))
    world.settle(agent)
    before = world.writes()
    world.settle(world.an_agent())
    assert world.writes() == before
    assert world.control.server(server) == (ServerCondition.PAUSED, "")


def test_what_a_paused_guest_has_is_kept_right(world: World) -> None:
    agent, server = world.with_a_server()
    world.control.want(paused(server))
    world.settle(agent)
    world.machine.kernel.acting_as("operator").set_vf(IGB, 0, VfChange(vlan_id=99, vlan_qos=0))
    world.run(agent, seconds=90)
    assert power_of(world, server) is DomainPower.PAUSED
    drifts = [fact for report in world.control.reports for fact in report.drifts]
    assert [(drift.repaired, "vlan" in drift.found) for drift in drifts] == [(True, True)]
    world.control.want(server)
    world.settle(agent)
    check(world, server)


def test_a_paused_guest_that_somebody_resumes_is_halted_again(world: World) -> None:
    agent, server = world.with_a_server()
    world.control.want(paused(server))
    world.settle(agent)
    operators(world).resume(server.id)
    world.run(agent, seconds=90)
    assert power_of(world, server) is DomainPower.PAUSED


@pytest.mark.parametrize("how", ["ended", "crashed", "the host was booted", "undefined"])
def test_a_paused_guest_that_is_gone_is_told_as_stopped_and_not_started(
    world: World, how: str
) -> None:
    agent, server = world.with_a_server()
    world.control.want(paused(server))
    world.settle(agent)
    before = len(world.agent_writes())
    match how:
        case "ended":
            operators(world).destroy(server.id)
        case "crashed":
            world.machine.hypervisor.crash_guest(server.id)
        case "undefined":
            operators(world).destroy(server.id)
            operators(world).undefine(server.id)
        case _:
            world.machine.kernel.acting_as("boot").reboot()
            agent = world.an_agent()
    world.run(agent, seconds=90)
    assert world.control.server(server) == (ServerCondition.STOPPED, "")
    assert "start" not in verbs(world, before)

    stopped = replace(server, power=PowerState.STOPPED)
    world.control.want(stopped)
    world.settle(agent)
    world.control.want(replace(server, boot_number=2))
    world.settle(agent)
    check(world, replace(server, boot_number=2))


def test_a_guest_that_libvirt_does_not_halt_runs_on_and_is_asked_again(world: World) -> None:
    agent, server = world.with_a_server()
    world.machine.hypervisor.plant(RefuseNext(operation="suspend", errno="EIO", times=2))
    world.control.want(paused(server))
    world.run(agent, seconds=20)
    assert power_of(world, server) is DomainPower.RUNNING
    told = world.control.server(server)
    assert told is not None
    assert told[0] is ServerCondition.PENDING
    world.run(agent, seconds=1200)
    assert power_of(world, server) is DomainPower.PAUSED


def test_what_a_guest_that_is_not_halted_has_is_kept_right_meanwhile(world: World) -> None:
    agent, server = world.with_a_server()
    world.machine.hypervisor.plant(RefuseNext(operation="suspend", errno="EIO", times=100))
    world.control.want(paused(server))
    world.run(agent, seconds=20)
    world.machine.kernel.acting_as("operator").set_vf(IGB, 0, VfChange(vlan_id=99, vlan_qos=0))
    world.run(agent, seconds=1200)
    assert power_of(world, server) is DomainPower.RUNNING
    check(world, server)
    drifts = [fact for report in world.control.reports for fact in report.drifts]
    assert [(drift.repaired, "vlan" in drift.found) for drift in drifts] == [(True, True)]


def test_a_guest_is_halted_though_its_vf_can_not_be_looked_at(world: World) -> None:
    agent, server = world.with_a_server()
    world.machine.kernel.plant(PfUnreadable(pf=IGB))
    world.control.want(paused(server))
    world.run(agent, seconds=90)
    assert power_of(world, server) is DomainPower.PAUSED


@pytest.mark.parametrize("errno", ["EIO", "EAGAIN"])
def test_a_guest_that_does_not_go_on_at_once_keeps_its_memory(world: World, errno: str) -> None:
    agent, server = world.with_a_server()
    world.control.want(paused(server))
    world.settle(agent)
    before = len(world.agent_writes())
    world.machine.hypervisor.plant(RefuseNext(operation="resume", errno=errno, times=12))
    world.control.want(server)
    world.run(agent, seconds=120)
    assert power_of(world, server) is DomainPower.PAUSED
    told = world.control.server(server)
    assert told is not None
    assert told[0] is ServerCondition.PENDING
    world.run(agent, seconds=12_000)
    assert power_of(world, server) is DomainPower.RUNNING
    assert world.control.server(server) == (ServerCondition.RUNNING, "")
    assert set(verbs(world, before)) == {"resume"}


def test_a_guest_whose_pf_does_not_answer_while_it_is_to_go_on_keeps_its_memory(
    world: World,
) -> None:
    agent, server = world.with_a_server()
    world.control.want(paused(server))
    world.settle(agent)
    before = len(world.agent_writes())
    world.machine.kernel.plant(PfUnreadable(pf=IGB))
    world.control.want(server)
    world.run(agent, seconds=600)
    assert power_of(world, server) is DomainPower.PAUSED
    assert "destroy" not in verbs(world, before)


def test_the_devices_of_a_deleted_paused_server_come_back_clean(world: World) -> None:
    agent, server = world.with_a_server()
    world.control.want(paused(server))
    world.settle(agent)
    held = server.nics[0].device
    assert held is not None
    world.control.want(releases=(held,))
    world.settle(agent)
    assert world.control.condition(held) == (DeviceCondition.CLEAN, "")
    assert server.id not in world.machine.hypervisor.guests().domains

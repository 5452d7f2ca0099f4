"""What a machine tells by itself is looked at at once; nothing else is read for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from tests.agent.world import IGB, MLX, World, check
from tests.reconcile.scenes import a_nic, a_server
from trunkline.agent.limits import Limits
from trunkline.agent.loop import Agent
from trunkline.domain.pci import PciAddress
from trunkline.domain.server import PowerState
from trunkline.domain.vf import VfChange
from trunkline.host.faults import PfUnreadable, RefuseNext
from trunkline.reconcile.interfaces import HostNews
from trunkline.reconcile.report import DriftPolicy, ServerCondition

BY_HAND = VfChange(vlan_id=666, vlan_qos=0)


def reads(agent: Agent) -> Mapping[PciAddress, int]:
    return dict(agent._host.kernel.reads)  # type: ignore[attr-defined]  # The fake counts them.


def one_step(world: World, agent: Agent) -> None:
    world.now = max(agent.step(world.now), world.now + timedelta(seconds=1))


def settled_on_both(world: World, drift: DriftPolicy = DriftPolicy.REPAIR) -> Agent:
    """Server 1 has VF 0 of the igb PF, server 2 VF 0 of the mlx5 PF; all is quiet."""
    world.control.want(
        a_server(1, a_nic(1, world.device(IGB, 0))), a_server(2, a_nic(2, world.device(MLX, 0)))
    )
    agent = world.an_agent(drift=drift)
    world.settle(agent)
    world.run(agent, seconds=5)
    return agent


def drifts(world: World) -> list[tuple[PciAddress | None, bool]]:
    return [(d.address, d.repaired) for report in world.control.reports for d in report.drifts]


def test_a_vlan_changed_by_hand_is_put_right_in_the_next_step_and_nothing_else_is_read(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    agent = settled_on_both(world)
    before = reads(agent)
    world.machine.kernel.acting_as("operator").set_vf(IGB, 0, BY_HAND)
    one_step(world, agent)
    assert world.raw_vf(IGB, 0)["vlan_id"] == 100
    assert drifts(world) == [(world.device(IGB, 0).address, True)]
    # Found, read back after the write, and looked at once more: the last of the three is what
    # every step ends with, and what tells of the agent's own write.
    assert reads(agent) == {**before, IGB: before[IGB] + 3}


def test_the_agents_own_writes_are_no_work_for_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent = settled_on_both(world)
    before, writes = reads(agent), world.writes()
    world.run(agent, seconds=20)
    assert reads(agent) == before
    assert world.writes() == writes


def test_news_of_its_own_write_that_comes_late_costs_one_reading_and_no_write(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    agent = settled_on_both(world)
    before, writes = reads(agent), world.writes()
    agent._unread.news = HostNews(pfs=frozenset({IGB}))
    one_step(world, agent)
    one_step(world, agent)
    assert reads(agent) == {**before, IGB: before[IGB] + 1}
    assert world.writes() == writes


def test_a_server_on_two_pfs_is_compared_whole_when_one_of_them_tells(tmp_path: Path) -> None:
    world = World(tmp_path)
    server = a_server(1, a_nic(1, world.device(IGB, 0)), a_nic(2, world.device(MLX, 0)))
    world.control.want(server)
    agent = world.an_agent()
    world.settle(agent)
    world.run(agent, seconds=5)
    world.machine.kernel.acting_as("operator").set_vf(MLX, 0, BY_HAND)
    one_step(world, agent)
    check(world, server)


def test_a_guest_that_crashes_is_started_again_in_the_next_step(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent = settled_on_both(world)
    assert world.control.config is not None
    server = world.control.config.servers[0]
    world.machine.hypervisor.crash_guest(server.id)
    one_step(world, agent)
    check(world, *world.control.config.servers)
    assert world.resumes()[server.id] == 2


def test_a_guest_that_powers_itself_off_is_told_in_the_next_step_and_left_off(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    agent = settled_on_both(world)
    assert world.control.config is not None
    server, other = world.control.config.servers
    world.machine.hypervisor.power_off_guest(server.id)
    one_step(world, agent)
    assert world.control.server(server) == (ServerCondition.STOPPED, "")
    assert not agent.is_settled
    world.run(agent, seconds=300)  # However late the answer comes.
    assert world.resumes()[server.id] == 1
    stopped = replace(server, power=PowerState.STOPPED)
    world.control.want(stopped, other)
    world.settle(agent)
    check(world, stopped, other)
    started = replace(server, boot_number=server.boot_number + 1)
    world.control.want(started, other)
    world.settle(agent)
    check(world, started, other)


def test_a_guest_that_powered_off_while_no_agent_looked_is_started_as_desired(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    settled_on_both(world)
    assert world.control.config is not None
    server = world.control.config.servers[0]
    world.machine.hypervisor.power_off_guest(server.id)
    world.settle(world.an_agent())
    check(world, *world.control.config.servers)


def test_lost_carrier_is_told_in_the_next_step(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent = settled_on_both(world)
    world.machine.kernel.set_carrier(MLX, up=False)
    one_step(world, agent)
    inventory = world.control.reports[-1].inventory
    assert inventory is not None
    assert [o.function.link_up for o in inventory if o.function.address == MLX] == [False]


def test_lost_events_have_all_pfs_in_use_read_once(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent = settled_on_both(world)
    before = reads(agent)
    agent._unread.news = HostNews(everything=True)
    one_step(world, agent)
    one_step(world, agent)
    assert reads(agent) == {pf: count + 1 for pf, count in before.items()}


def test_a_flapping_link_is_looked_at_no_more_often_than_the_gap(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent = settled_on_both(world)
    before = reads(agent)
    for at in range(100):  # Ten seconds of a flap every 100 ms.
        world.machine.kernel.set_carrier(IGB, up=at % 2 == 0)
        agent.step(world.now)
        world.now += timedelta(milliseconds=100)
    assert 40 <= reads(agent)[IGB] - before[IGB] <= 51


def test_news_of_a_machine_that_cannot_be_read_is_kept_until_it_can(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent = settled_on_both(world)
    world.machine.kernel.plant(PfUnreadable(pf=IGB))
    world.machine.kernel.acting_as("operator").set_vf(IGB, 0, BY_HAND)
    one_step(world, agent)
    assert world.raw_vf(IGB, 0)["vlan_id"] == 666
    world.machine.kernel.clear_faults()
    world.run(agent, seconds=10)
    assert world.raw_vf(IGB, 0)["vlan_id"] == 100


def test_drift_that_is_to_be_reported_only_is_told_once_and_left(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent = settled_on_both(world, DriftPolicy.REPORT)
    device = world.device(IGB, 0)
    writes = world.agent_writes()
    world.machine.kernel.acting_as("operator").set_vf(IGB, 0, BY_HAND)
    one_step(world, agent)
    assert drifts(world) == [(device.address, False)]
    assert not agent.is_settled
    world.run(agent, seconds=300)
    assert drifts(world) == [(device.address, False)]
    assert world.agent_writes() == writes
    assert world.raw_vf(IGB, 0)["vlan_id"] == 666
    assert world.control.config is not None
    told = world.control.server(world.control.config.servers[0])
    assert told == (ServerCondition.RUNNING, "")


def test_drift_that_was_left_and_changes_again_is_told_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent = settled_on_both(world, DriftPolicy.REPORT)
    operator = world.machine.kernel.acting_as("operator")
    for vlan in (666, 667):
        operator.set_vf(IGB, 0, VfChange(vlan_id=vlan, vlan_qos=0))
        one_step(world, agent)
    assert [d.found for report in world.control.reports for d in report.drifts] == [
        "vlan_id is 666, not 100", "vlan_id is 667, not 100",
    ]  # fmt: skip
    operator.set_vf(IGB, 0, VfChange(vlan_id=100, vlan_qos=0))
    one_step(world, agent)
    assert agent.is_settled


def test_a_server_whose_drift_was_left_is_made_so_when_its_configuration_changes(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    agent = settled_on_both(world, DriftPolicy.REPORT)
    world.machine.kernel.acting_as("operator").set_vf(IGB, 0, BY_HAND)
    one_step(world, agent)
    first = a_server(1, a_nic(1, world.device(IGB, 0), vlan_id=120))
    second = a_server(2, a_nic(2, world.device(MLX, 0)))
    world.control.want(first, second)
    world.settle(agent)
    check(world, first, second)


def test_a_guest_is_started_with_what_is_desired_whatever_the_policy(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent = settled_on_both(world, DriftPolicy.REPORT)
    assert world.control.config is not None
    world.machine.kernel.acting_as("operator").set_vf(IGB, 0, BY_HAND)
    world.machine.hypervisor.crash_guest(world.control.config.servers[0].id)
    world.settle(agent)
    check(world, *world.control.config.servers)


def test_a_repair_that_is_refused_is_tried_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent = settled_on_both(world)
    world.machine.kernel.acting_as("operator").set_vf(IGB, 0, BY_HAND)
    world.machine.kernel.plant(RefuseNext(operation="set_vf", errno="EAGAIN", times=1))
    one_step(world, agent)
    assert world.raw_vf(IGB, 0)["vlan_id"] == 666
    world.run(agent, seconds=5)
    assert world.raw_vf(IGB, 0)["vlan_id"] == 100


def test_drift_whose_repair_is_refused_while_another_is_repaired_is_not_forgotten(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    agent = settled_on_both(world)
    operator = world.machine.kernel.acting_as("operator")
    operator.set_vf(IGB, 0, BY_HAND)
    operator.set_vf(MLX, 0, BY_HAND)
    world.machine.kernel.plant(RefuseNext(operation="set_vf", errno="EAGAIN", after=1, times=1))
    one_step(world, agent)
    assert world.raw_vf(IGB, 0)["vlan_id"] == 100
    assert world.raw_vf(MLX, 0)["vlan_id"] == 666
    assert not agent.is_settled
    world.run(agent, seconds=5)
    assert world.raw_vf(MLX, 0)["vlan_id"] == 100
    before = reads(agent)
    world.run(agent, seconds=20)
    assert reads(agent) == before


def test_drift_that_one_step_has_no_room_for_is_repaired_in_the_next(tmp_path: Path) -> None:
    world = World(tmp_path, limits=Limits(units_max=1))
    agent = settled_on_both(world)
    operator = world.machine.kernel.acting_as("operator")
    operator.set_vf(IGB, 0, BY_HAND)
    operator.set_vf(MLX, 0, BY_HAND)
    agent._unread.news = HostNews(everything=True)
    one_step(world, agent)
    assert not agent.is_settled
    one_step(world, agent)
    assert world.control.config is not None
    check(world, *world.control.config.servers)


def test_drift_that_is_left_is_told_though_the_step_has_other_work(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent = settled_on_both(world, DriftPolicy.REPORT)
    assert world.control.config is not None
    world.machine.kernel.acting_as("operator").set_vf(IGB, 0, BY_HAND)
    world.machine.hypervisor.crash_guest(world.control.config.servers[1].id)
    one_step(world, agent)
    assert drifts(world) == [(world.device(IGB, 0).address, False)]
    assert not agent.is_settled
    world.run(agent, seconds=30)
    assert drifts(world) == [(world.device(IGB, 0).address, False)]


def test_drift_found_once_a_pf_can_be_read_again_is_left_too(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent = settled_on_both(world, DriftPolicy.REPORT)
    world.machine.kernel.plant(PfUnreadable(pf=IGB))
    world.machine.kernel.acting_as("operator").set_vf(IGB, 0, BY_HAND)
    one_step(world, agent)
    world.machine.kernel.clear_faults()
    world.run(agent, seconds=10)
    assert drifts(world) == [(world.device(IGB, 0).address, False)]
    assert world.raw_vf(IGB, 0)["vlan_id"] == 666
    assert world.control.config is not None
    told = world.control.server(world.control.config.servers[0])
    assert told == (ServerCondition.RUNNING, "")
    assert agent.step(world.now) > world.now


class Deaf:
    """A watch that hears nothing."""

    problem = "the kernel's events are not heard"

    def take(self) -> HostNews:
        return HostNews()


def test_a_host_whose_news_is_not_heard_is_told_and_looked_after(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent = settled_on_both(world)
    watches = agent._unread._watches
    agent._unread._watches = (*watches, Deaf())
    one_step(world, agent)
    assert world.control.reports[-1].problem == Deaf.problem
    assert agent.problem == Deaf.problem
    server = a_server(3, a_nic(3, world.device(IGB, 1)))
    assert world.control.config is not None
    world.control.want(*world.control.config.servers, server)
    world.settle(agent)
    check(world, *world.control.config.servers)
    agent._unread._watches = watches
    one_step(world, agent)
    assert world.control.reports[-1].problem == ""

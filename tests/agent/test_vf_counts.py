"""VFs that a device spec says there are to be are made where there are none, and only there."""

from __future__ import annotations

from pathlib import Path

from tests.agent.world import IGB, MLX, World, check
from tests.contract.machines import a_pf, fake_machine
from tests.reconcile.scenes import a_nic, a_server
from tests.reconcile.scenes import whole as whole_pf
from trunkline.domain.port import VnicType
from trunkline.host.faults import FewerVfs, RefuseNext


def a_world(tmp_path: Path, *, vf_count: int = 0, wanted: int = 4) -> World:
    """One igb PF with `vf_count` VFs after each boot, of which `wanted` are to be."""
    machine = fake_machine(tmp_path, a_pf(vf_count=vf_count))
    return World(tmp_path, machine=machine, vf_counts={IGB: wanted})


def vf_count(world: World) -> int:
    return world.machine.kernel.functions()[IGB].vf_count


def test_vfs_are_made_at_the_first_start_and_told(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    world.control.want()
    world.settle(world.an_agent())
    assert vf_count(world) == 4
    inventory = world.control.reports[-1].inventory or world.control.reports[0].inventory
    assert inventory is not None
    told = [(d.address, d.found, d.repaired) for r in world.control.reports for d in r.drifts]
    assert told == [(IGB, "has no VFs, not 4", True)]


def test_after_a_reboot_the_vfs_come_back_and_servers_get_theirs(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    world.control.want()
    world.settle(world.an_agent())
    server = a_server(1, a_nic(1, world.device(IGB, 0)))
    world.control.want(server)
    world.settle(world.an_agent())
    world.machine.kernel.reboot()
    world.settle(world.an_agent())
    check(world, server)
    assert world.resumes()[server.id] == 2


def test_a_count_that_is_not_what_is_wanted_stays(tmp_path: Path) -> None:
    world = a_world(tmp_path, vf_count=2)
    world.control.want()
    world.settle(world.an_agent())
    assert vf_count(world) == 2
    assert world.writes() == []


def test_nothing_is_written_once_they_are_there(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    world.control.want()
    world.settle(world.an_agent())
    before = world.writes()
    world.settle(world.an_agent())
    assert world.writes() == before


def test_what_really_came_is_told_when_the_driver_makes_fewer(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    world.machine.kernel.plant(FewerVfs(pf=IGB, count=3))
    world.control.want()
    world.run(world.an_agent(), seconds=5)
    assert vf_count(world) == 3
    told = [(d.address, d.repaired) for r in world.control.reports for d in r.drifts]
    assert told == [(IGB, False)]
    inventories = [r.inventory for r in world.control.reports if r.inventory is not None]
    assert [o.function.vf_count for o in inventories[-1] if o.function.address == IGB] == [3]


def test_a_refusal_is_tried_again(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    world.machine.kernel.plant(RefuseNext(operation="set_vf_count", errno="EAGAIN", times=1))
    world.control.want()
    agent = world.an_agent()
    world.run(agent, seconds=5)
    assert vf_count(world) == 4


def test_a_pf_that_is_given_away_whole_gets_no_vfs(tmp_path: Path) -> None:
    world = World(tmp_path, vf_counts={MLX: 4})
    server = a_server(1, a_nic(1, whole_pf(MLX), VnicType.DIRECT_PHYSICAL))
    world.control.want(server)
    world.settle(world.an_agent())
    check(world, server)
    writes = [write for write in world.agent_writes() if "sriov_numvfs" in write]
    assert writes == [f"agent: echo 0 > /sys/bus/pci/devices/{MLX}/sriov_numvfs: OK"]
    world.control.want()
    world.settle(world.an_agent())

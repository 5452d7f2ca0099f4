"""Devices on no network: handed over as they are, and free again when their driver is back.

What happens when the agent is refused or killed at any step is told by the scenarios of
test_faults.py and test_killed.py, of which some have a GPU.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.agent.world import GPU, IGB, World, check
from tests.reconcile.scenes import a_nic, a_server
from trunkline.domain.pci import PciAddress
from trunkline.host.faults import RefuseNext
from trunkline.reconcile.desired import ServerConfig
from trunkline.reconcile.report import DeviceCondition, ServerCondition


def a_server_with_gpu(world: World) -> ServerConfig:
    server = a_server(1, a_nic(1, world.device(IGB, 0)))
    return replace(server, devices=(world.gpu,))


def gpu_driver(world: World) -> str | None:
    return world.machine.kernel.functions()[GPU].driver


def test_a_gpu_is_handed_to_the_guest_and_told_ready(tmp_path: Path) -> None:
    world = World(tmp_path)
    server = a_server_with_gpu(world)
    world.control.want(server)
    world.settle(world.an_agent())
    check(world, server)
    assert gpu_driver(world) == "vfio-pci"
    assert "<hostdev" in world.machine.hypervisor.xml(server.id)
    assert world.control.condition(world.gpu) == (DeviceCondition.READY, "")
    assert world.control.server(server) == (ServerCondition.RUNNING, "")


def test_a_gpu_comes_back_clean_once_its_driver_is_read_back(tmp_path: Path) -> None:
    world = World(tmp_path)
    server = a_server_with_gpu(world)
    world.control.want(server)
    world.settle(world.an_agent())
    world.control.want(releases=server.held_devices)
    world.settle(world.an_agent())
    check(world)
    assert gpu_driver(world) == "nvidia"
    assert world.control.condition(world.gpu) == (DeviceCondition.CLEAN, "")


def test_a_gpu_whose_driver_does_not_come_back_is_dirty_until_it_does(tmp_path: Path) -> None:
    """libvirt logs that it could not bind the driver, and goes on: nobody else would notice."""
    world = World(tmp_path)
    server = replace(a_server_with_gpu(world), nics=())
    world.control.want(server)
    agent = world.an_agent()
    world.settle(agent)
    world.machine.kernel.plant(RefuseNext(operation="bind_driver", errno="EBUSY", times=1))
    world.control.want(releases=server.held_devices)
    world.run(agent, seconds=900)
    told = world.control.condition(world.gpu)
    assert told is not None
    assert told[0] is DeviceCondition.DIRTY
    assert told[1] == "0000:c1:00.0 is bound to vfio-pci, not to nvidia as before"
    world.machine.kernel.bind_driver(GPU, "nvidia")  # As an operator does.
    world.settle(agent, minutes=60)
    assert world.control.condition(world.gpu) == (DeviceCondition.CLEAN, "")


def test_a_restarted_agent_writes_nothing_where_nothing_changed(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.control.want(a_server_with_gpu(world))
    world.settle(world.an_agent())
    before = world.writes()
    world.settle(world.an_agent())
    assert world.writes() == before


def test_a_lost_journal_does_not_take_the_guests_driver_for_the_original(tmp_path: Path) -> None:
    world = World(tmp_path)
    server = a_server_with_gpu(world)
    world.control.want(server)
    world.settle(world.an_agent())
    world.journal_path.unlink()
    world.control.want(server)
    world.settle(world.an_agent())
    world.control.want(releases=server.held_devices)
    world.settle(world.an_agent())
    assert world.control.condition(world.gpu) == (DeviceCondition.CLEAN, "")
    assert gpu_driver(world) == "nvidia"


def test_a_server_whose_gpu_is_gone_waits_and_says_so(tmp_path: Path) -> None:
    world = World(tmp_path)
    gone = replace(world.gpu, address=PciAddress.parse("0000:c2:00.0"))
    server = replace(a_server_with_gpu(world), devices=(gone,))
    world.control.want(server)
    world.run(world.an_agent(), seconds=5)
    told = world.control.server(server)
    assert told is not None
    assert told[1] == "PLAIN 0000:c2:00.0 does not exist"

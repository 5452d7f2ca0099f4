"""Every write of every scenario refused in turn."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.agent.scenarios import SCENARIOS, Stage
from tests.agent.world import World, check
from trunkline.host.faults import RefuseNext
from trunkline.reconcile.report import DeviceCondition, ServerCondition


def refusals(world: World, before: int) -> list[RefuseNext]:
    """One fault for each kernel write after the first `before`: its nth of that kind."""
    counts: dict[str, int] = {}
    found = []
    for entry in world.machine.kernel.log()[before:]:
        words = entry.command
        if " vf " in words:
            operation = "set_vf"
        elif " name " in words and words.startswith("ip link set"):
            operation = "rename_netdev"
        elif words.startswith("ip link add"):
            operation = "add_macvtap"
        elif " address " in words:
            operation = "set_netdev_mac"
        elif words.endswith("drivers_probe"):
            operation = "reload_vf_driver"
        elif words.startswith("echo"):
            operation = "set_vf_count"
        elif words.startswith("driverctl"):
            operation = "bind_driver"
        else:
            continue
        after = counts.get(operation, 0)
        counts[operation] = after + 1
        found.append(RefuseNext(operation=operation, errno="EIO", after=after, times=1))
    return found


def _planned(stage: Stage) -> list[RefuseNext]:
    world = stage.a_world()
    before = len(world.machine.kernel.log())
    world.settle(world.an_agent())
    found = refusals(world, before)
    assert found
    return found


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name.startswith("boot")])
def test_a_server_whose_boot_is_refused_anywhere_leaves_nothing_behind(
    name: str, tmp_path: Path
) -> None:
    stage = Stage(SCENARIOS[name], tmp_path)
    ((server,), _) = stage.wants
    for fault in _planned(stage):
        world = stage.a_world()
        agent = world.an_agent()
        world.machine.kernel.plant(fault)
        world.run(agent, seconds=5)
        told = world.control.server(server)
        assert told is not None
        assert told[0] is ServerCondition.FAILED, fault
        assert "EIO" in told[1]
        check(world)
        assert not world.resumes()
        held = [nic.device for nic in server.nics if nic.device is not None]
        for device in held:
            assert world.control.condition(device) == (DeviceCondition.REFUSED, told[1])
        world.control.want(releases=tuple(held))
        world.settle(agent)
        for device in held:
            assert world.control.condition(device) == (DeviceCondition.CLEAN, "")


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_busy_driver_is_tried_again_until_all_is_as_desired(name: str, tmp_path: Path) -> None:
    stage = Stage(SCENARIOS[name], tmp_path)
    servers, _ = stage.wants
    for fault in _planned(stage):
        if fault.operation == "bind_driver" and not name.startswith("boot"):
            continue  # libvirt leaves the function with vfio then; no agent can take it back.
        world = stage.a_world()
        fault.errno = "EAGAIN"
        world.machine.kernel.plant(fault)
        world.settle(world.an_agent())
        check(world, *servers)
        assert max(world.resumes().values(), default=0) <= 2


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name.startswith("delete")])
def test_a_device_that_is_not_restored_is_dirty_until_it_is(name: str, tmp_path: Path) -> None:
    stage = Stage(SCENARIOS[name], tmp_path)
    _, releases = stage.wants
    # What was handed over as it was has nothing written to it, so nothing to be refused.
    servers, _ = SCENARIOS[name].before(stage.a_world())
    written = {nic.device for server in servers for nic in server.nics}
    for operation in ("set_vf", "set_vf_count"):
        world = stage.a_world()
        agent = world.an_agent()
        world.machine.kernel.plant(RefuseNext(operation=operation, errno="EIO"))
        world.run(agent, seconds=30)
        told = [world.control.condition(device) for device in releases if device in written]
        if operation == ("set_vf_count" if "whole" in name else "set_vf"):
            assert told
            assert all(each is not None and each[0] is DeviceCondition.DIRTY for each in told)
            assert all(each is not None and "EIO" in each[1] for each in told)
        world.machine.kernel.clear_faults()
        world.settle(agent, minutes=10)
        check(world)
        told = [world.control.condition(device) for device in releases]
        assert all(each == (DeviceCondition.CLEAN, "") for each in told)

"""An operator's count of VFs: made true while nobody has any, and again after each reboot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.agent.world import IGB, MLX, World, check
from tests.contract.machines import OTHER_PF, PF, a_pf, fake_machine
from tests.reconcile.scenes import a_nic, a_server, whole
from trunkline.agent.apply import Probe
from trunkline.agent.loop import Agent
from trunkline.domain.device import OPENED, VFIO_DRIVER
from trunkline.domain.pci import PciAddress
from trunkline.domain.pf_identity import PfIdentity
from trunkline.domain.port import VnicType
from trunkline.host.fake_kernel import FakeKernel
from trunkline.host.faults import FewerVfs
from trunkline.reconcile.desired import ServerConfig, VfCount
from trunkline.reconcile.interfaces import HostRefused


def want(world: World, count: int, *servers: ServerConfig, pf: PciAddress = IGB) -> None:
    world.control.want(*servers)
    assert world.control.config is not None
    identity = PfIdentity.of(world.machine.kernel.functions()[pf])
    said = VfCount(pf=pf, count=count, identity=identity)
    world.control.config = replace(world.control.config, vf_counts=(said,))


def vf_count(world: World, pf: PciAddress = IGB) -> int:
    return world.machine.kernel.functions()[pf].vf_count


def writes(world: World) -> list[str]:
    return [write for write in world.writes() if "sriov_numvfs" in write]


@pytest.mark.parametrize("count", [0, 2, 7])
def test_the_count_is_made_true_through_none_and_stays_over_reboots(
    tmp_path: Path, count: int
) -> None:
    world = World(tmp_path)
    agent = world.an_agent()
    want(world, count)
    world.settle(agent)
    assert vf_count(world) == count
    expected = writes(world)
    world.run(agent, seconds=120)
    world.settle(world.an_agent())
    assert writes(world) == expected, "nothing is done twice"
    world.machine.kernel.reboot()
    world.settle(world.an_agent())
    assert vf_count(world) == count


class NotYetNamed(FakeKernel):
    """What an agent has whose helper goes by a name that a PF has only a moment later."""

    refusals = 1

    def set_vf_count(self, pf: PciAddress, count: int) -> None:
        if self.refusals:
            self.refusals -= 1
            raise HostRefused(
                "ask the host helper", "not offered", errno_name="EPERM", unasked=True
            )
        super().set_vf_count(pf, count)


def test_the_count_is_tried_again_that_the_helper_did_not_allow(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent = world.an_agent(kernel=NotYetNamed)
    want(world, 2)
    world.run(agent, seconds=5)
    assert vf_count(world) == 2


def test_nothing_is_changed_while_a_server_has_a_vf(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent = world.an_agent()
    server = a_server(1, a_nic(1, world.device(IGB, 0)))
    world.control.want(server)
    world.settle(agent)
    want(world, 2, server)
    world.run(agent, seconds=120)
    assert writes(world) == []
    check(world, server)
    want(world, 2)  # And the server is gone from here: its guest goes first.
    world.settle(agent)
    assert vf_count(world) == 2
    assert [write for write in writes(world) if not write.endswith("OK")] == []


def test_nothing_is_changed_while_a_guest_that_is_not_ours_has_a_vf(tmp_path: Path) -> None:
    world = World(tmp_path)
    vf = world.device(IGB, 3)
    kernel = world.machine.kernel.acting_as("operator")
    kernel.bind_driver(vf.address, VFIO_DRIVER, opened=True)
    agent = world.an_agent()
    want(world, 2)
    world.run(agent, seconds=120)
    assert writes(world) == []
    assert not agent.is_settled
    told = next(each.inventory for each in reversed(world.control.reports) if each.inventory)
    (used,) = (each for each in told if each.function.address == vf.address)
    assert (used.function.used_by, used.on_offer) == (OPENED, False), "control can say so first"
    kernel.bind_driver(
        vf.address, VFIO_DRIVER
    )  # It is idle from now on, and on vfio-pci all the same.
    world.settle(agent)
    assert vf_count(world) == 2


def test_a_pf_with_idle_vfs_on_vfio_is_given_whole(tmp_path: Path) -> None:
    world = World(tmp_path)
    vf = world.device(IGB, 3)
    world.machine.kernel.acting_as("operator").bind_driver(vf.address, VFIO_DRIVER)
    server = a_server(1, a_nic(1, whole(IGB), VnicType.DIRECT_PHYSICAL))
    world.control.want(server)
    world.settle(world.an_agent())
    check(world, server)


def test_vfs_that_servers_have_are_made_again_after_a_reboot(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent = world.an_agent()
    want(world, 6)
    world.settle(agent)
    server = a_server(1, a_nic(1, world.device(IGB, 5)))
    want(world, 6, server)
    world.settle(agent)
    world.machine.kernel.reboot()
    world.machine.hypervisor.guests()
    world.settle(world.an_agent())
    assert vf_count(world) == 6, "though the machine comes up with 4, of which nobody has any"


def test_fewer_vfs_than_asked_for_are_not_taken_for_enough(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.machine.kernel.plant(FewerVfs(pf=IGB, count=5))
    agent = world.an_agent()
    want(world, 7)
    world.run(agent, seconds=30)
    assert not agent.is_settled
    assert vf_count(world) == 5
    world.machine.kernel.clear_faults()
    world.run(agent, seconds=600)
    assert vf_count(world) == 7
    assert agent.is_settled


def test_another_card_in_its_place_keeps_its_vfs(tmp_path: Path) -> None:
    world = World(tmp_path)
    want(world, 2)
    world.machine.kernel.swap_cards(IGB, MLX)
    world.machine.kernel.reboot()
    agent = world.an_agent()
    world.run(agent, seconds=120)
    assert writes(world) == []


class _Killed(BaseException):
    """The agent is gone, wherever it stood."""


class _KillAt(Probe):
    def __init__(self, number: int) -> None:
        self._left = number

    def reached(self, point: str) -> None:
        if "sriov_numvfs" in point:
            self._left -= 1
            if self._left < 0:
                raise _Killed(point)


@pytest.mark.parametrize("number", range(8))
def test_an_agent_that_dies_at_any_point_of_it_finishes_next_time(
    tmp_path: Path, number: int
) -> None:
    world = World(tmp_path)
    want(world, 2)
    dying: Agent = world.an_agent(_KillAt(number))
    with pytest.raises(_Killed):
        world.run(dying, seconds=60)
    world.settle(world.an_agent())
    assert vf_count(world) == 2


def test_between_the_vfs_of_one_pf_and_those_of_the_next_the_agent_tells_and_looks(
    tmp_path: Path,
) -> None:
    other = a_pf(
        vf_count=0, address=OTHER_PF, ifname="eth3", iommu_group=40, mac="00:1b:21:00:00:02"
    )
    machine = fake_machine(tmp_path, a_pf(vf_count=0), other)
    world = World(tmp_path, machine=machine, vf_counts={PF: 4, OTHER_PF: 2})
    world.control.want()
    agent = world.an_agent()
    for made in (1, 2):
        due = agent.step(world.now)
        assert len(writes(world)) == made
        assert len(world.control.reports) == made
        assert due == world.now
    world.settle(agent)
    assert len(writes(world)) == 2

"""Drivers are tried out as soon as a VF is nobody's, each with its firmware once.

0000:05:00.0  eth2  igb        VFs 0000:05:10.0, .2, .4, .6
0000:82:00.0  eth3  mlx5_core  VFs 0000:82:00.2 .. .5
"""

from __future__ import annotations

import functools
import itertools
import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.agent.world import IGB, MLX, World, check
from tests.contract.machines import PF, a_pf, fake_machine
from tests.reconcile.scenes import a_config, a_nic, a_server, whole
from tests.support.tried_kernel import HostKernel
from trunkline.agent.journal import JournalFile
from trunkline.agent.limits import Limits
from trunkline.agent.observe import Surroundings
from trunkline.agent.trials import nobodys_vfs
from trunkline.domain.device import DeviceKind, OfferedDevice
from trunkline.domain.device_spec_parsing import parse_device_specs
from trunkline.domain.network_pool import NetworkPool, PoolMode
from trunkline.domain.pci import PciAddress
from trunkline.domain.pf_identity import PfIdentity
from trunkline.domain.vf import VfChange
from trunkline.domain.vf_capabilities import capability_names, vf_capabilities
from trunkline.host.faults import RefuseNext
from trunkline.reconcile.desired import HeldDevice
from trunkline.reconcile.observed import Journal, OriginalState


def a_world(directory: Path) -> World:
    return World(directory, trials=HostKernel)


def told(world: World, pf: PciAddress) -> tuple[str, ...] | None:
    """What was told last of what a PF's driver can do."""
    for report in reversed(world.control.reports):
        for each in report.inventory or ():
            if each.function.address == pf:
                return each.function.pf_can
    return None


def tried_vfs(world: World) -> set[str]:
    """VFs of eth2 that a VLAN of the trial was written to."""
    written = [each.command.split() for each in world.machine.kernel.log() if each.by == "agent"]
    return {words[5] for words in written if "eth2" in words and words[6:8] == ["vlan", "1"]}


def test_the_first_agent_of_a_host_tries_its_drivers_out_and_the_next_writes_nothing(
    tmp_path: Path,
) -> None:
    world = a_world(tmp_path)
    before = [world.machine.kernel.vf_settings(pf) for pf in (IGB, MLX)]
    agent = world.an_agent()
    world.run(agent, seconds=1)
    assert world.writes() == [], "without a configuration nobody knows what is booked"
    world.control.want()
    world.settle(agent)
    world.run(agent, seconds=1)
    assert told(world, IGB) == capability_names(vf_capabilities("igb"))
    assert told(world, MLX) == capability_names(vf_capabilities("mlx5_core"))
    assert [world.machine.kernel.vf_settings(pf) for pf in (IGB, MLX)] == before

    writes = world.writes()
    again = world.an_agent()
    world.settle(again)
    world.run(again, seconds=90)
    assert world.writes() == writes
    assert told(world, IGB) == capability_names(vf_capabilities("igb"))


def test_vfs_that_an_agent_makes_are_tried_in_the_same_run(tmp_path: Path) -> None:
    machine = fake_machine(tmp_path, a_pf(vf_count=0))
    world = World(tmp_path, machine=machine, vf_counts={PF: 4}, trials=HostKernel)
    world.control.want()
    agent = world.an_agent()
    world.settle(agent)
    world.run(agent, seconds=1)
    assert told(world, PF) == capability_names(vf_capabilities("igb"))
    assert agent.is_settled


def test_while_all_vfs_are_in_use_a_driver_waits_for_the_first_that_is_free(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    servers = [a_server(each, a_nic(each, world.device(IGB, each))) for each in range(4)]
    world.control.want(*servers)
    agent = world.an_agent()
    world.settle(agent)
    world.run(agent, seconds=90)
    check(world, *servers)
    assert told(world, IGB) is None
    assert tried_vfs(world) == set()

    (gone,) = servers[2].held_devices
    world.control.want(*servers[:2], servers[3], releases=(gone,))
    world.settle(agent)
    world.run(agent, seconds=1)
    assert told(world, IGB) is None, "it may be wanted until the control plane knows it clean"
    world.control.want(*servers[:2], servers[3])
    world.settle(agent)
    world.run(agent, seconds=1)
    assert told(world, IGB) == capability_names(vf_capabilities("igb"))
    assert tried_vfs(world) == {"2"}
    check(world, *servers[:2], servers[3])


@dataclass
class LethalKernel(HostKernel):
    """Ends the process with its nth write."""

    left: int = 0

    def set_raw_vf(self, pf: PciAddress, vf_index: int, change: VfChange) -> None:
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1
        super().set_raw_vf(pf, vf_index, change)


def test_wherever_it_is_killed_the_next_agent_brings_the_vf_back_and_finishes(
    tmp_path: Path,
) -> None:
    for count in itertools.count():
        machine = fake_machine(tmp_path / str(count), a_pf(driver="ixgbe"))
        lethal = functools.partial(LethalKernel, left=count)
        world = World(tmp_path / str(count), machine=machine, trials=lethal)
        before = machine.kernel.vf_settings(PF)
        world.control.want()
        child = os.fork()
        if child == 0:
            world.settle(world.an_agent())
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            assert count > 8
            return
        assert os.WTERMSIG(status) == signal.SIGKILL
        world.trials = HostKernel
        agent = world.an_agent()
        world.settle(agent)
        world.run(agent, seconds=1)
        assert machine.kernel.vf_settings(PF) == before, f"killed at write {count}"
        assert JournalFile(world.journal_path).current.tried == {}
        assert told(world, PF) == capability_names(vf_capabilities("ixgbe"))


def test_a_driver_of_which_nothing_was_learned_is_tried_again_later(tmp_path: Path) -> None:
    machine = fake_machine(tmp_path, a_pf())
    world = World(tmp_path, machine=machine, trials=HostKernel)
    world.control.want()
    machine.kernel.plant(RefuseNext(operation="set_vf", errno="EAGAIN"))
    agent = world.an_agent()
    world.settle(agent)
    world.run(agent, seconds=1)
    assert told(world, PF) is None
    machine.kernel.clear_faults()
    writes = world.writes()
    wait = Limits().gave_up_retry
    world.run(agent, seconds=(wait - timedelta(seconds=30)).total_seconds())
    assert world.writes() == writes
    world.run(agent, seconds=120)
    assert told(world, PF) == capability_names(vf_capabilities("igb"))


def test_a_pf_without_a_link_is_tried_once_it_has_one(tmp_path: Path) -> None:
    machine = fake_machine(tmp_path, a_pf())
    machine.kernel.set_carrier(PF, up=False)
    world = World(tmp_path, machine=machine, trials=HostKernel)
    world.control.want()
    agent = world.an_agent()
    world.settle(agent)
    assert world.writes() == []
    machine.kernel.set_carrier(PF, up=True)
    world.run(agent, seconds=20)
    assert told(world, PF) == capability_names(vf_capabilities("igb"))


def test_no_guest_starts_with_a_vf_that_was_not_put_back(tmp_path: Path) -> None:
    world = World(tmp_path, machine=fake_machine(tmp_path, a_pf()), trials=HostKernel)
    held = world.device(PF, 0)
    before = world.machine.kernel.vf_settings(PF)[0]
    was = OriginalState(address=held.address, settings=before)
    journal = JournalFile(world.journal_path)
    journal.save(replace(journal.current, tried={held.address: was}))
    operator = world.machine.kernel.acting_as("operator")
    operator.set_vf(PF, 0, VfChange(vlan_id=1, vlan_qos=1))
    world.machine.kernel.plant(RefuseNext(operation="set_vf", errno="EAGAIN", times=1))
    server = a_server(1, a_nic(1, held))
    world.control.want(server)
    agent = world.an_agent()
    world.run(agent, seconds=60)
    assert world.resumes() == {}
    told = world.control.server(server)
    assert told is not None
    assert "not put back" in told[1]
    world.run(agent, seconds=Limits().gave_up_retry.total_seconds())
    assert world.machine.kernel.vf_settings(PF)[0] == before


# Whose VFs they are


def around(world: World, changed: Iterable[OfferedDevice] = ()) -> Surroundings:
    functions = world.machine.kernel.functions()
    otherwise = {each.function.address: each for each in changed}
    return Surroundings(
        boot_id="b",
        functions=functions,
        offered=tuple(
            otherwise.get(address, OfferedDevice(function=each))
            for address, each in functions.items()
        ),
        domains={},
        files=None,
    )


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def free_of_igb(
    world: World,
    *held: HeldDevice,
    releases: tuple[HeldDevice, ...] = (),
    journal: Journal | None = None,
    changed: Iterable[OfferedDevice] = (),
) -> set[int]:
    servers = [a_server(1, *(a_nic(number, each) for number, each in enumerate(held)))]
    config = a_config(*servers, releases=releases)
    free = nobodys_vfs(around(world, changed), config, journal or Journal())
    functions = world.machine.kernel.functions()
    mine = {functions[each] for each in free if functions[each].pf_address == IGB}
    assert {each.kind for each in mine} <= {DeviceKind.VF}
    return {each.vf_index for each in mine if each.vf_index is not None}


def test_what_servers_have_or_give_back_is_not_free(world: World) -> None:
    assert free_of_igb(world) == {0, 1, 2, 3}
    booked, leaving = world.device(IGB, 0), world.device(IGB, 3)
    assert free_of_igb(world, booked, releases=(leaving,)) == {1, 2}


def test_what_the_journal_knows_is_not_free(world: World) -> None:
    vfs = [world.device(IGB, index).address for index in range(4)]
    was = [OriginalState(address=vf) for vf in vfs]
    journal = Journal(
        originals={vfs[0]: was[0]}, unknown=frozenset({vfs[1]}), tried={vfs[2]: was[2]}
    )
    assert free_of_igb(world, journal=journal) == {3}


def test_vfs_of_a_pf_that_is_to_go_whole_are_not_free(world: World) -> None:
    assert free_of_igb(world, whole(IGB)) == set()


def test_what_libvirt_hands_out_is_off_offer_or_is_used_is_not_free(world: World) -> None:
    functions = world.machine.kernel.functions()
    pooled, off, used = (functions[world.device(IGB, index).address] for index in range(3))
    pool = NetworkPool("pool", PoolMode.HOSTDEV)
    changed = [
        OfferedDevice(function=pooled, network_pool=pool),
        OfferedDevice(function=off, on_offer=False),
        OfferedDevice(function=replace(used, used_by="libvirt domain theirs")),
    ]
    assert free_of_igb(world, changed=changed) == {3}


def test_nothing_is_tried_on_a_card_that_sits_where_another_one_is_meant(world: World) -> None:
    mine = PfIdentity.of(world.machine.kernel.functions()[IGB])
    held = world.device(IGB, 0)
    assert free_of_igb(world, replace(held, pf=mine)) == {1, 2, 3}
    assert free_of_igb(world, replace(held, pf=replace(mine, product_id="1521"))) == set()
    elsewhere = replace(world.device(MLX, 0), pf=mine)
    assert free_of_igb(world, elsewhere) == set(), "it has moved here, and is not on record here"


def test_device_specs_decide_what_is_tried(tmp_path: Path) -> None:
    specs = parse_device_specs([{"address": "0000:82:*.*"}], path="device_spec")
    world = World(tmp_path, specs=specs, trials=HostKernel)
    world.control.want()
    agent = world.an_agent()
    world.settle(agent)
    world.run(agent, seconds=1)
    assert told(world, MLX) == capability_names(vf_capabilities("mlx5_core"))
    assert not any("eth2" in each for each in world.writes())

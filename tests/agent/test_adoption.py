"""A host that has other users: what they have is left alone, and comes on offer when they leave.

The libvirt of the simulated host also has domains of an operator's own.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.agent.world import GPU, IGB, MLX, World, check
from tests.contract.domains import domain_xml, hostdev, hostdev_nic, macvtap_nic
from tests.reconcile.scenes import a_nic, a_server, server_id
from trunkline.agent.loop import Agent
from trunkline.domain.ether import MacAddress
from trunkline.domain.network_pool import PoolMode, PoolNetwork
from trunkline.domain.pci import PciAddress
from trunkline.domain.port import VnicType
from trunkline.host import fake_bridges
from trunkline.host.machine import KernelState
from trunkline.reconcile.desired import VfCount
from trunkline.reconcile.network_pools import network_xml
from trunkline.reconcile.report import DeviceCondition, ServerCondition

THEIRS = server_id(0xFE)
MAC = MacAddress.parse("02:00:00:00:00:fe")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def define(world: World, *devices: str) -> None:
    xml = domain_xml(*devices, server_id=THEIRS, name="vintage", ours=False)
    world.machine.hypervisor.define(xml)


def start(world: World) -> None:
    world.machine.hypervisor.start_paused(THEIRS)
    world.machine.hypervisor.resume(THEIRS)


def end(world: World) -> None:
    world.machine.hypervisor.destroy(THEIRS)


def left_alone(world: World) -> dict[str, str]:
    """By address: who has it, as it was last told, of all that is not on offer."""
    inventories = (each.inventory for each in reversed(world.control.reports))
    inventory = next(each for each in inventories if each is not None)
    return {
        str(each.function.address): each.function.used_by
        for each in inventory
        if not each.on_offer or each.function.used_by
    }


def at(world: World, pf: PciAddress, index: int) -> PciAddress:
    return world.device(pf, index).address


def take_over(world: World) -> Agent:
    """Let an agent begin on a host with users; it writes nothing."""
    before = world.machine.kernel.log(), world.machine.hypervisor.log()
    agent = world.an_agent()
    world.control.want()
    world.settle(agent)
    world.run(agent, seconds=200)
    assert (world.machine.kernel.log(), world.machine.hypervisor.log()) == before
    return agent


def test_a_host_with_guests_of_others_is_taken_over_and_nothing_of_them_is_touched(
    world: World,
) -> None:
    vf = at(world, IGB, 1)
    define(world, hostdev_nic(vf, mac=MAC), macvtap_nic("eth3v0"), hostdev(GPU))
    start(world)
    take_over(world)
    says = "libvirt domain vintage"
    assert left_alone(world) == {
        str(IGB): f"its VF 1 ({vf}): {says}",
        str(vf): says,
        str(MLX): f"its VF 0 ({at(world, MLX, 0)}): {says}",
        str(at(world, MLX, 0)): says,
        str(GPU): says,
    }
    assert world.raw_vf(IGB, 1)["mac"] == str(MAC)


def test_what_a_domain_that_is_shut_off_will_have_is_left_to_it(world: World) -> None:
    define(world, hostdev_nic(at(world, IGB, 1), mac=MAC))
    take_over(world)
    assert left_alone(world)[str(at(world, IGB, 1))] == "libvirt domain vintage (shut off)"


def test_what_a_network_of_others_hands_out_is_left_to_it_as_long_as_it_is_defined(
    world: World,
) -> None:
    vf, hypervisor = at(world, IGB, 1), world.machine.hypervisor
    listed = PoolNetwork(PoolMode.HOSTDEV, (str(vf),))
    tag = 'trunkline:network xmlns:trunkline="urn:trunkline:1"'
    xml = network_xml("old", listed)
    assert tag in xml
    hypervisor.define_network(xml.replace(f"<{tag}/>", ""))
    agent = take_over(world)
    words = "libvirt network old (inactive)"
    assert left_alone(world) == {str(IGB): f"its VF 1 ({vf}): {words}", str(vf): words}
    hypervisor.start_network("old")
    look_again(world, agent)
    assert left_alone(world)[str(vf)] == "libvirt network old"
    hypervisor.destroy_network("old")
    hypervisor.undefine_network("old")
    look_again(world, agent)
    assert left_alone(world) == {}


def test_a_server_keeps_the_vf_that_a_network_of_others_comes_to_list(world: World) -> None:
    server = a_server(1, a_nic(1, world.device(IGB, 1)))
    world.control.want(server)
    agent = world.an_agent()
    world.settle(agent)
    listed = PoolNetwork(PoolMode.HOSTDEV, (str(at(world, IGB, 1)),))
    xml = network_xml("old", listed).replace("urn:trunkline:1", "urn:other")
    world.machine.hypervisor.define_network(xml)
    look_again(world, agent)
    assert left_alone(world) == {}
    check(world, server)


def look_again(world: World, agent: Agent) -> None:
    world.now = max(agent.step(world.now), world.now + timedelta(seconds=61))
    agent.step(world.now)


def test_a_device_comes_on_offer_by_itself_when_others_leave_it(world: World) -> None:
    define(world, hostdev_nic(at(world, IGB, 1), mac=MAC))
    start(world)
    agent = take_over(world)
    end(world)
    world.machine.hypervisor.undefine(THEIRS)
    world.now = max(agent.step(world.now), world.now + timedelta(seconds=1))
    assert left_alone(world) == {}


def test_what_the_host_itself_uses_is_left_to_it(world: World) -> None:
    def enslave(state: KernelState) -> None:
        state.ports.append(fake_bridges.make_port("br-phy1", "eth2", is_uplink=True))
        state.ports.append(fake_bridges.make_port("br-phy1", "eth3v2", is_uplink=True))

    world.machine.kernel.acting_as("operator").write("by_hand", "by hand", enslave)
    take_over(world)
    assert left_alone(world) == {
        str(IGB): "eth2 is below br-phy1",
        str(MLX): f"its VF 2 ({at(world, MLX, 2)}): eth3v2 is below br-phy1",
        str(at(world, MLX, 2)): "eth3v2 is below br-phy1",
    }


def test_what_servers_have_is_not_taken_for_others(world: World) -> None:
    nics = a_nic(1, world.device(IGB, 0)), a_nic(2, world.device(MLX, 1), VnicType.MACVTAP)
    server = replace(a_server(1, *nics), devices=(world.gpu,))
    world.control.want(server)
    agent = world.an_agent()
    world.settle(agent)
    check(world, server)
    assert left_alone(world) == {}
    world.control.lose_fetches = True  # A new run knows of servers by what it finds.
    world.run(world.an_agent(), seconds=30)
    assert left_alone(world) == {}
    world.control.lose_fetches = False
    world.control.want(releases=server.held_devices)
    world.settle(agent)
    assert left_alone(world) == {}


def test_a_vf_that_others_have_grabbed_meanwhile_is_told_and_not_touched(world: World) -> None:
    nic = a_nic(1, world.device(IGB, 0))
    define(world, hostdev_nic(at(world, IGB, 0), mac=MAC))
    start(world)
    server = a_server(1, nic)
    world.control.want(server)
    agent = world.an_agent()
    before = world.machine.kernel.log()
    world.run(agent, seconds=5)
    assert left_alone(world)[str(at(world, IGB, 0))] == "libvirt domain vintage"
    told = world.control.server(server)
    assert told is not None
    assert told[0] is ServerCondition.PENDING
    assert "in use by others: libvirt domain vintage" in told[1]
    assert world.machine.kernel.log() == before
    end(world)
    world.settle(agent)
    assert world.raw_domains()[server.id]["power"] == "running"


def test_a_device_on_its_way_back_that_others_have_is_waited_for(world: World) -> None:
    held = world.device(IGB, 0)
    server = a_server(1, a_nic(1, held))
    world.control.want(server)
    agent = world.an_agent()
    world.settle(agent)
    world.machine.hypervisor.destroy(server.id)
    define(world, hostdev_nic(held.address, mac=MAC))
    start(world)
    world.control.want(releases=(held,))
    world.run(agent, seconds=30)
    told = world.control.condition(held)
    assert told is not None
    assert told[0] is not DeviceCondition.CLEAN
    assert "in use by others" in told[1]
    assert world.raw_vf(IGB, 0)["mac"] == str(MAC)
    end(world)
    world.run(agent, seconds=400)
    told = world.control.condition(held)
    assert told is not None
    assert told[0] is DeviceCondition.CLEAN


def test_of_a_pf_with_a_vf_of_others_the_vf_count_stays(world: World) -> None:
    define(world, macvtap_nic("eth2v3"))
    start(world)
    world.control.want()
    assert world.control.config is not None
    wanted = VfCount(pf=IGB, count=2, identity=None)
    world.control.config = replace(world.control.config, vf_counts=(wanted,))
    agent = world.an_agent()
    world.run(agent, seconds=100)
    assert len(world.raw_kernel()["pfs"][0]["vfs"]) == 4
    end(world)
    world.machine.hypervisor.undefine(THEIRS)
    world.settle(agent)
    assert len(world.raw_kernel()["pfs"][0]["vfs"]) == 2

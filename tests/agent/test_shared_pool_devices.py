"""VFs of network pools that somebody has whom libvirt's network does not count.

libvirt gives such a VF to the next guest, and writes to it before anything refuses.
"""

from __future__ import annotations

from pathlib import Path

from tests.agent.test_adoption import define, left_alone, start
from tests.agent.test_network_pools import PHY1, PHY2, Pools, pooled
from tests.agent.world import IGB, MLX
from tests.contract.domains import hostdev_nic
from trunkline.agent.loop import Agent
from trunkline.domain.device_spec_parsing import parse_device_specs
from trunkline.domain.ether import MacAddress
from trunkline.domain.pci import PciAddress
from trunkline.host import fake_bridges
from trunkline.host.machine import KernelState
from trunkline.reconcile.desired import ServerConfig
from trunkline.reconcile.network_pools import network_xml
from trunkline.reconcile.report import ServerCondition

SECOND = "trunkline-phy1-2"
PASSTHROUGH = {"physical_network": "phy1", "network_pool": "passthrough"}
BOTH = ({"address": "0000:05:*.*", **PASSTHROUGH}, {"address": "0000:82:*.*", **PASSTHROUGH})
THEIR_MAC = MacAddress.parse("02:00:00:00:00:fe")


def settled(world: Pools) -> Agent:
    agent = world.an_agent()
    world.control.want()
    world.settle(agent)
    return agent


def told(world: Pools, server: ServerConfig) -> tuple[ServerCondition | None, str]:
    return world.control.server(server) or (None, "")


def _handing_out(world: Pools, pf: PciAddress) -> list[str]:
    """The networks that hand out VFs of a PF."""
    functions = world.machine.kernel.functions().values()
    vfs = {each.ifname for each in functions if each.pf_address == pf}
    states = world.machine.hypervisor.networks()
    return [name for name, state in states.items() if state.live and vfs & set(state.live.members)]


def _bridge(world: Pools, ifname: str, bridge: str) -> None:
    def enslave(state: KernelState) -> None:
        state.ports.append(fake_bridges.make_port(bridge, ifname, is_uplink=True))

    world.machine.kernel.acting_as("operator").write("by_hand", "by hand", enslave)


def test_a_pool_that_gets_another_name_is_handed_out_once_its_old_network_is_gone(
    tmp_path: Path,
) -> None:
    world = Pools(tmp_path, BOTH)
    first = settled(world)
    world.control.want(pooled(world, 1, 0, MLX))
    world.settle(first)
    one = world.server(1)
    assert world.given() == {f"{MLX} vf 0": str(one.nics[0].mac)}

    # The first PF of phy1 is left out: the other's pool is the first one now.
    world.specs = parse_device_specs(BOTH[1:])
    later = world.an_agent()
    world.control.want(one, pooled(world, 2, 1, MLX))
    world.run(later, seconds=60)
    assert world.network(SECOND).live.members == world.members(MLX)
    assert PHY1 not in _handing_out(world, MLX)
    condition, reason = told(world, world.server(2))
    assert (condition, "not ready" in reason) == (ServerCondition.FAILED, True)
    assert world.given() == {f"{MLX} vf 0": str(one.nics[0].mac)}

    three = pooled(world, 3, 2, MLX)
    world.control.want(three, releases=(*one.held_devices, *world.server(2).held_devices))
    world.settle(later)
    assert set(world.machine.hypervisor.networks()) == {PHY1}
    assert list(world.given().values()) == [str(three.nics[0].mac)]


def test_pools_that_exchange_their_names_do_not_wait_for_each_other(tmp_path: Path) -> None:
    world = Pools(tmp_path, BOTH)
    settled(world)
    libvirt = world.machine.hypervisor
    crossed = {PHY1: libvirt.networks()[SECOND], SECOND: libvirt.networks()[PHY1]}
    for name in crossed:
        libvirt.destroy_network(name)
        libvirt.undefine_network(name)
    for name, state in crossed.items():
        assert state.defined is not None
        libvirt.define_network(network_xml(name, state.defined))
        libvirt.start_network(name)
    settled(world)
    assert _handing_out(world, IGB) == [PHY1]
    assert _handing_out(world, MLX) == [SECOND]


def test_a_network_that_somebody_undefined_is_not_made_under_its_guests(tmp_path: Path) -> None:
    world = Pools(tmp_path)
    agent = settled(world)
    world.control.want(pooled(world, 1, 0, MLX))
    world.settle(agent)
    one = world.server(1)
    world.machine.hypervisor.destroy_network(PHY2)
    world.machine.hypervisor.undefine_network(PHY2)
    world.control.want(one, pooled(world, 2, 1, MLX))
    world.run(agent, seconds=60)
    assert world.network(PHY2) is None
    assert world.given() == {f"{MLX} vf 0": str(one.nics[0].mac)}
    world.control.want(releases=(*one.held_devices, *world.server(2).held_devices))
    world.settle(agent)
    assert world.network(PHY2).live.members == world.members(MLX)


def test_what_others_have_is_not_in_the_network(tmp_path: Path) -> None:
    world = Pools(tmp_path)
    taken = world.device(IGB, 0).address
    define(world, hostdev_nic(taken, mac=THEIR_MAC))
    start(world)
    agent = settled(world)
    assert world.network().live.members == tuple(
        each for each in world.members(IGB) if each != str(taken)
    )
    world.control.want(pooled(world, 1, 2))
    world.settle(agent)
    assert world.server(1).held_devices[0].vf_index == 1
    assert world.raw_vf(IGB, 0)["mac"] == str(THEIR_MAC)


def test_what_others_take_of_a_pool_that_is_used_shuts_it_until_the_network_can_drop_it(
    tmp_path: Path,
) -> None:
    world = Pools(tmp_path)
    agent = settled(world)
    world.control.want(pooled(world, 1, 0))
    world.settle(agent)
    one, theirs = world.server(1), world.device(IGB, 3).address
    _bridge(world, "eth2v3", "br-phy1")
    before = world.writes()
    world.run(agent, seconds=60)
    assert left_alone(world).get(str(theirs)) == "eth2v3 is below br-phy1"
    assert world.writes() == before

    world.control.want(one, pooled(world, 2, 1))
    world.run(agent, seconds=60)
    condition, reason = told(world, world.server(2))
    assert condition is ServerCondition.FAILED
    assert f"{theirs}: eth2v3 is below br-phy1" in reason
    world.control.want(pooled(world, 3, 2), releases=one.held_devices)
    world.settle(agent)
    assert str(theirs) not in world.network().live.members
    assert list(world.given()) == [f"{IGB} vf 0"]


def test_a_guest_whose_netdev_was_renamed_is_told_of_and_goes_on(tmp_path: Path) -> None:
    world = Pools(tmp_path)
    agent = settled(world)
    world.control.want(pooled(world, 1, 0, MLX), pooled(world, 2, 1, IGB))
    world.settle(agent)
    before = world.given()
    world.machine.kernel.rename_netdev("eth3v0", "uplink7")
    world.run(agent, seconds=90)
    condition, reason = told(world, world.server(1))
    assert condition is ServerCondition.PENDING
    assert "no VF has the netdev eth3v0" in reason
    assert told(world, world.server(2)) == (ServerCondition.RUNNING, "")
    assert set(world.resumes().values()) == {1}
    assert world.given() == before
    world.machine.kernel.rename_netdev("uplink7", "eth3v0")
    world.settle(agent)
    assert told(world, world.server(1)) == (ServerCondition.RUNNING, "")

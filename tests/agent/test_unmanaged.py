"""Devices that the operator has bound to vfio, and that libvirt is to leave so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.agent.world import GPU, IGB, MLX, World
from tests.reconcile.scenes import a_nic, a_server, whole
from trunkline.domain.device_spec_parsing import parse_device_specs
from trunkline.domain.pci import PciAddress
from trunkline.domain.port import VnicType
from trunkline.domain.server import PowerState
from trunkline.reconcile.desired import HeldDevice
from trunkline.reconcile.report import DeviceCondition, ServerCondition

SPECS = parse_device_specs([
    {"address": "0000:05:*.*", "physical_network": "phy1", "offer": "vfs", "managed": False},
    {"address": str(GPU), "offer": "plain", "managed": False},
])  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, specs=SPECS)


def bind(world: World, driver: str, *addresses: PciAddress) -> None:
    for address in addresses:
        world.machine.kernel.acting_as("operator").bind_driver(address, driver)


def unmanaged(held: HeldDevice) -> HeldDevice:
    return replace(held, managed=False)


def refused(world: World) -> dict[PciAddress, str]:
    inventories = (each.inventory for each in reversed(world.control.reports))
    inventory = next(each for each in inventories if each is not None)
    return {
        each.function.address: each.function.unfit for each in inventory if not each.on_offer
    }  # fmt: skip


def test_what_is_not_bound_to_vfio_is_off_offer_until_it_is(world: World) -> None:
    first = world.device(IGB, 0).address
    bind(world, "vfio-pci", first)
    world.control.want()
    world.settle(world.an_agent())
    off = refused(world)
    assert first not in off
    assert off[world.device(IGB, 1).address].startswith(
        "is bound to igbvf, and its device spec says managed = false: `driverctl set-override"
    )
    assert off[GPU].startswith("is bound to nvidia")
    bind(world, "vfio-pci", GPU)
    world.settle(world.an_agent())
    assert GPU not in refused(world)


def test_it_stays_bound_while_a_guest_has_it_and_afterwards(world: World) -> None:
    vf, gpu = unmanaged(world.device(IGB, 0)), unmanaged(world.gpu)
    bind(world, "vfio-pci", vf.address, gpu.address)
    server = replace(a_server(1, a_nic(1, vf)), devices=(gpu,))
    world.control.want(server)
    agent = world.an_agent()
    world.settle(agent)
    xml = world.machine.hypervisor.xml(server.id)
    assert xml.count('managed="no"') == 2
    assert 'managed="yes"' not in xml
    assert world.control.server(server) == (ServerCondition.RUNNING, "")
    world.control.want(releases=server.held_devices)
    world.settle(agent)
    for held in (vf, gpu):
        assert world.control.condition(held) == (DeviceCondition.CLEAN, "")
        assert world.machine.kernel.functions()[held.address].driver == "vfio-pci"
        assert not world.machine.kernel.functions()[held.address].used_by


@pytest.mark.parametrize("managed", [True, False])
def test_a_whole_pf_that_was_bound_to_vfio_before_is_clean_without_a_netdev(
    tmp_path: Path, *, managed: bool
) -> None:
    world = World(tmp_path)
    pf = replace(whole(MLX), managed=managed)
    world.machine.kernel.acting_as("operator").set_vf_count(MLX, 0)
    bind(world, "vfio-pci", MLX)
    server = a_server(1, a_nic(1, pf, VnicType.DIRECT_PHYSICAL))
    world.control.want(server)
    agent = world.an_agent()
    world.settle(agent)
    assert world.control.server(server) == (ServerCondition.RUNNING, "")
    world.control.want(releases=(pf,))
    world.settle(agent)
    assert world.control.condition(pf) == (DeviceCondition.CLEAN, "")
    assert world.machine.kernel.functions()[MLX].driver == "vfio-pci"


@pytest.mark.parametrize("kind", ["VF", "PF", "GPU"])
def test_what_the_operator_binds_to_vfio_after_its_guest_comes_back_so(
    tmp_path: Path, kind: str
) -> None:
    world = World(tmp_path)
    held = {"VF": world.device(IGB, 0), "PF": whole(MLX), "GPU": world.gpu}[kind]
    nic = a_nic(1, held, VnicType.DIRECT if kind == "VF" else VnicType.DIRECT_PHYSICAL)
    server = replace(a_server(1), devices=(held,)) if kind == "GPU" else a_server(1, nic)
    world.control.want(server)
    agent = world.an_agent()
    world.settle(agent)
    assert world.control.server(server) == (ServerCondition.RUNNING, "")
    world.control.want(replace(server, power=PowerState.STOPPED))
    world.settle(agent)
    bind(world, "vfio-pci", held.address)
    world.control.want(releases=(held,))
    world.run(agent, seconds=60)
    told = world.control.condition(held)
    assert told is not None
    assert told[0] is DeviceCondition.DIRTY
    assert "is bound to vfio-pci, not to" in told[1]
    world.control.want(releases=(unmanaged(held),))
    world.settle(agent)
    assert world.control.condition(held) == (DeviceCondition.CLEAN, "")
    assert world.machine.kernel.functions()[held.address].driver == "vfio-pci"


@pytest.mark.parametrize("what", ["NIC", "device"])
def test_a_wrong_value_reaches_no_libvirt(world: World, what: str) -> None:
    vf, gpu = unmanaged(world.device(IGB, 0)), unmanaged(world.gpu)
    server = a_server(1, a_nic(1, vf)) if what == "NIC" else replace(a_server(1), devices=(gpu,))
    world.control.want(server)
    world.run(world.an_agent(), seconds=60)
    told = world.control.server(server)
    assert told is not None
    assert told[0] is ServerCondition.FAILED
    assert "its device spec says managed = false" in told[1]
    assert not any("start" in each.command for each in world.machine.hypervisor.log())


def test_a_macvtap_on_one_is_refused_at_once(world: World) -> None:
    vf = unmanaged(world.device(IGB, 0))
    bind(world, "vfio-pci", vf.address)
    server = a_server(1, a_nic(1, vf, VnicType.MACVTAP))
    world.control.want(server)
    world.run(world.an_agent(), seconds=20)
    told = world.control.server(server)
    assert told is not None
    assert told[0] is ServerCondition.FAILED
    assert "use a port of type direct" in told[1]

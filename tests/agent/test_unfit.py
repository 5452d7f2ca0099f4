"""Devices that share an IOMMU group: no guest is given one, and they come back by themselves."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.agent.world import GPU, IGB, MLX, World, check
from tests.contract.domains import domain_xml, hostdev_nic
from tests.reconcile.scenes import a_nic, a_server, mac, server_id
from trunkline.agent.loop import Agent
from trunkline.domain.device import service_problem, switchdev_fault
from trunkline.domain.device_spec_parsing import parse_device_specs
from trunkline.domain.pci import PciAddress
from trunkline.domain.port import VnicType
from trunkline.domain.vf import VfChange
from trunkline.host.machine import KernelState
from trunkline.reconcile.interfaces import HostRefused
from trunkline.reconcile.report import ServerCondition


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def set_acs(world: World, *, there: bool) -> None:
    """Have what is above the igb card part its functions, or not."""

    def act(state: KernelState) -> None:
        state.pfs[0].lacks_acs = not there

    world.machine.kernel.acting_as("operator").write("by_hand", "by hand", act)


def refused(world: World) -> dict[PciAddress, str]:
    """By address: why no guest may be given it, as it was last told."""
    inventories = (each.inventory for each in reversed(world.control.reports))
    inventory = next(each for each in inventories if each is not None)
    return {
        each.function.address: each.function.unfit
        for each in inventory
        if each.function.unfit and not each.on_offer
    }


def look(world: World, agent: Agent) -> None:
    world.now = max(agent.step(world.now), world.now + timedelta(seconds=61))
    agent.step(world.now)


def igb_vfs(world: World) -> set[PciAddress]:
    return {world.device(IGB, index).address for index in range(4)}


def test_vfs_that_the_iommu_does_not_part_are_off_offer_while_that_is_so(world: World) -> None:
    set_acs(world, there=False)
    agent = world.an_agent()
    world.control.want()
    world.settle(agent)
    assert set(refused(world)) == igb_vfs(world)
    first = world.device(IGB, 0).address
    assert "shares IOMMU group 10 with 0000:05:00.0 (igb), " in refused(world)[first]
    set_acs(world, there=True)
    look(world, agent)
    assert refused(world) == {}


def test_a_plain_function_is_off_offer_together_with_what_it_shares_its_group_with(
    world: World,
) -> None:
    def act(state: KernelState) -> None:
        other = replace_address(GPU, function=1)
        state.plain.append(
            type(state.plain[0])(
                address=other, vendor_id="10de", product_id="1aef",
                iommu_group=state.plain[0].iommu_group, driver="snd_hda_intel",
            )
        )  # fmt: skip

    world.machine.kernel.acting_as("operator").write("by_hand", "by hand", act)
    agent = world.an_agent()
    world.control.want()
    world.settle(agent)
    assert set(refused(world)) == {GPU, replace_address(GPU, function=1)}


def replace_address(address: PciAddress, *, function: int) -> PciAddress:
    return PciAddress.parse(f"{str(address)[:-1]}{function}")


def test_a_guest_runs_on_and_is_not_started_again_with_what_has_become_unfit(world: World) -> None:
    direct = a_server(1, a_nic(1, world.device(IGB, 0)))
    world.control.want(direct)
    agent = world.an_agent()
    world.settle(agent)
    set_acs(world, there=False)
    look(world, agent)
    check(world, direct)
    assert world.control.server(direct) == (ServerCondition.RUNNING, "")
    again = replace(direct, boot_number=2)
    world.control.want(again)
    world.run(agent, seconds=60)
    told = world.control.server(again)
    assert told is not None
    assert told[0] is ServerCondition.FAILED
    assert "shares IOMMU group 10" in told[1]
    # What it had is brought back as ever.
    world.control.want(releases=direct.held_devices)
    world.settle(agent)
    check(world)


def test_what_the_host_keeps_may_share_a_group(world: World) -> None:
    set_acs(world, there=False)
    server = a_server(1, a_nic(1, world.device(IGB, 1), VnicType.MACVTAP))
    world.control.want(server)
    world.settle(world.an_agent())
    check(world, server)


@pytest.mark.parametrize(("mode", "is_kept"), [("passthrough", True), ("hostdev", False)])
def test_of_network_pools_only_those_for_macvtaps_keep_such_vfs(
    tmp_path: Path,
    mode: str,
    is_kept: bool,
) -> None:
    specs = parse_device_specs(
        [{"address": "0000:05:*.*", "physical_network": "phy1", "network_pool": mode}]
    )
    world = World(tmp_path, specs=specs)
    set_acs(world, there=False)
    world.control.want()
    world.settle(world.an_agent())
    off = refused(world)
    assert igb_vfs(world) <= off.keys() if not is_kept else not igb_vfs(world) & off.keys()
    assert bool(world.machine.hypervisor.networks()) is is_kept


def test_a_pf_in_switchdev_mode_is_told_to_be_of_no_use_and_comes_back(world: World) -> None:
    def set_mode(*, is_switchdev: bool) -> None:
        def act(state: KernelState) -> None:
            state.pfs[1].is_switchdev, state.pfs[1].switch_id = is_switchdev, "3e16a7"

        world.machine.kernel.acting_as("operator").write("by_hand", "by hand", act)

    def told() -> tuple[str, str | None]:
        inventories = (each.inventory for each in reversed(world.control.reports))
        inventory = next(each for each in inventories if each is not None)
        (pf,) = (each.function for each in inventory if each.function.address == MLX)
        return service_problem(pf), pf.switch_id

    set_mode(is_switchdev=True)
    agent = world.an_agent()
    world.control.want()
    world.settle(agent)
    assert told() == (f"eth3: {switchdev_fault(MLX)}", "3e16a7")
    with pytest.raises(HostRefused) as refusal:
        world.machine.kernel.set_vf(MLX, 0, VfChange(vlan_id=100, vlan_qos=0))
    assert refusal.value.errno_name == "EOPNOTSUPP"
    set_mode(is_switchdev=False)
    look(world, agent)
    look(world, agent)
    assert told() == ("", "3e16a7")


def test_the_simulated_vfio_refuses_a_group_of_which_the_host_keeps_a_member(world: World) -> None:
    set_acs(world, there=False)
    nic = hostdev_nic(world.device(IGB, 0).address, mac=mac(1))
    theirs = server_id(0xFE)
    xml = domain_xml(nic, server_id=theirs, name="vintage", ours=False)
    world.machine.hypervisor.define(xml)
    with pytest.raises(HostRefused, match="group 10 is not viable"):
        world.machine.hypervisor.start_paused(theirs)

"""Which VFs are in which network pool, as device specs say it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.reconcile.scenes import IGB, MLX, functions, vf_address
from trunkline.domain.device import DeviceKind, device_attributes
from trunkline.domain.device_spec import Offering
from trunkline.domain.device_spec_parsing import InvalidDeviceSpecs, parse_device_specs
from trunkline.domain.network_pool import NetworkPool, PoolMode
from trunkline.domain.pci import PciAddress


def pools(*specs: dict[str, object]) -> dict[PciAddress, NetworkPool | None]:
    offered = Offering(parse_device_specs(specs))(functions())
    return {each.function.address: each.network_pool for each in offered if each.on_offer}


def test_the_vfs_of_a_pf_are_a_pool_called_after_its_physical_network() -> None:
    found = pools({"ifname": "eth2", "physical_network": "phy1", "network_pool": "hostdev"})
    assert found == {
        vf_address(IGB, index): NetworkPool("trunkline-phy1", PoolMode.HOSTDEV)
        for index in range(4)
    }


def test_pfs_on_one_physical_network_and_vfs_with_other_tags_are_pools_of_their_own() -> None:
    spec = {"physical_network": "phy1", "network_pool": "passthrough"}
    found = pools(
        {"address": "0000:05:10.[01]", "tags": {"trusted": "true"}, **spec},
        {"address": "0000:*:*.*", **spec},
    )
    by_name: dict[str, set[PciAddress]] = {}
    for address, pool in found.items():
        assert pool is not None
        by_name.setdefault(pool.name, set()).add(address)
    assert by_name == {
        "trunkline-phy1": {vf_address(IGB, 2), vf_address(IGB, 3)},
        "trunkline-phy1-2": {vf_address(IGB, 0), vf_address(IGB, 1)},
        "trunkline-phy1-3": {vf_address(MLX, index) for index in range(4)},
    }


def test_a_vf_of_a_pool_is_of_another_kind_to_placement_and_tells_its_pool() -> None:
    specs = [{"ifname": "eth2", "physical_network": "phy1", "network_pool": "hostdev"}]
    device = next(
        each for each in Offering(parse_device_specs(specs))(functions()) if each.network_pool
    )
    assert device.placement_kind is DeviceKind.HOSTDEV_VF
    assert device.placement_kind.of_function is DeviceKind.VF
    assert device_attributes(device)["network_pool"] == "trunkline-phy1"
    plain = replace(device, network_pool=None)
    assert plain.placement_kind is DeviceKind.VF
    assert "network_pool" not in device_attributes(plain)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"network_pool": "hostdev"}, "add physical_network"),
        ({"network_pool": "bridge", "physical_network": "phy1"}, '"hostdev" or "passthrough"'),
        ({"network_pool": True, "physical_network": "phy1"}, "True is unknown"),
        (
            {"network_pool": "hostdev", "physical_network": "phy1", "offer": "all"},
            'remove offer, or write "vfs"',
        ),
        ({"network_pool": "hostdev", "exclude": True}, "no meaning for what is excluded"),
        (
            {"physical_network": "phy1", "tags": {"network_pool": "x"}},
            "the name of a hardware fact",
        ),
    ],
)
def test_a_pool_that_can_not_be_is_told(given: dict[str, object], problem: str) -> None:
    with pytest.raises(InvalidDeviceSpecs) as refused:
        parse_device_specs([{"ifname": "eth2", **given}])
    assert any(problem in fault for fault in refused.value.faults), refused.value.faults

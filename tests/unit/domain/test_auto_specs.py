"""`auto` for an address: the one PF that fits the spec, and that no other spec names."""

from __future__ import annotations

import pytest

from tests.reconcile.scenes import IGB, MLX, functions, vf_address
from trunkline.domain.auto_specs import find_pfs
from trunkline.domain.device_spec import Offering
from trunkline.domain.device_spec_parsing import InvalidDeviceSpecs, parse_device_specs
from trunkline.domain.pci import PciAddress

AUTO = {"address": "auto", "physical_network": "phy1"}


def offered(*raw: object) -> dict[PciAddress, str]:
    """By address: the physical network of what is on offer."""
    specs, faults = find_pfs(parse_device_specs(raw, allow_auto=True), functions())
    assert not faults
    every = Offering(specs)(functions())
    return {each.function.address: each.tags["physical_network"] for each in every if each.on_offer}


def faults(*raw: object) -> dict[int, str]:
    return find_pfs(parse_device_specs(raw, allow_auto=True), functions())[1]


def kin(pf: PciAddress) -> set[PciAddress]:
    return {pf, *(vf_address(pf, index) for index in range(4))}


def test_the_pf_that_no_other_spec_names_is_meant_with_its_vfs() -> None:
    found = offered(AUTO, {"ifname": "eth3", "physical_network": "phy2"})
    assert found == dict.fromkeys(kin(IGB), "phy1") | dict.fromkeys(kin(MLX), "phy2")
    assert offered({"ifname": "eth3", "exclude": True}, AUTO) == dict.fromkeys(kin(IGB), "phy1")


def test_other_conditions_of_the_spec_hold() -> None:
    assert offered(AUTO | {"vendor_id": "15b3"}) == dict.fromkeys(kin(MLX), "phy1")
    both = offered(
        AUTO | {"vendor_id": "15b3"},
        {"address": "auto", "vendor_id": "8086", "physical_network": "phy2"},
    )
    assert both == dict.fromkeys(kin(MLX), "phy1") | dict.fromkeys(kin(IGB), "phy2")


def test_where_several_fit_they_are_named() -> None:
    assert faults(AUTO) == {
        0: "0000:05:00.0 (eth2) and 0000:82:00.0 (eth3) fit; write the address of one of them, or"
        " add a condition"
    }


def test_one_pf_is_found_once_unless_its_vfs_are_another_specs() -> None:
    by_vendor, by_name = AUTO | {"vendor_id": "15b3"}, AUTO | {"ifname": "eth3"}
    assert faults(by_vendor, by_name | {"physical_network": "phy2"}) == {
        1: "0000:82:00.0 fits, which device_spec[0] has found; remove one of them"
    }
    found = offered(by_vendor | {"offer": "pf"}, by_name | {"offer": "vfs"})
    assert found == dict.fromkeys(kin(MLX), "phy1")


def test_where_none_fits_that_is_told_and_nothing_is_meant() -> None:
    raw = ({"ifname": "eth*", "physical_network": "phy2"}, AUTO)
    (told,) = faults(*raw).values()
    assert told.startswith("no PF fits that has no device_spec of its own; write an address")
    specs, _ = find_pfs(parse_device_specs(raw, allow_auto=True), functions())
    assert not any(specs[1].matches(function) for function in functions().values())


@pytest.mark.parametrize(
    ("raw", "allow", "fault"),
    [
        ([AUTO], False, 'device_specs[0].address: "auto" is for compute.toml; write the address'),
        ([AUTO, AUTO | {"physical_network": "phy2"}], True, "matches the same devices as"),
        ([{"address": "auto", "exclude": True}], True, "what is excluded is not to be found"),
        ([{"address": "automatic"}], True, 'or "auto" for the one PF that fits'),
    ],
)
def test_what_it_can_not_be_is_told(raw: list[object], fault: str, *, allow: bool) -> None:
    with pytest.raises(InvalidDeviceSpecs) as refused:
        parse_device_specs(raw, allow_auto=allow)
    assert any(fault in each for each in refused.value.faults), refused.value.faults

"""`auto` for a bridge's name: the one bridge that has a PF on the physical network as uplink."""

from __future__ import annotations

import pytest

from tests.reconcile.scenes import IGB, MLX, functions
from trunkline.domain.auto_bridges import NoOneBridge, find_bridge, find_bridges
from trunkline.domain.device_spec_parsing import parse_device_specs
from trunkline.domain.ids import PhysicalNetwork
from trunkline.domain.pci import PciAddress

PHY1, PHY2 = PhysicalNetwork("phy1"), PhysicalNetwork("phy2")
DISK = PciAddress.parse("0000:01:00.0")
BY_PF = parse_device_specs([
    {"ifname": "eth2", "physical_network": "phy1"}, {"ifname": "eth3", "physical_network": "phy2"},
])  # fmt: skip
BY_VFS = parse_device_specs([{"address": "0000:05:10.*", "physical_network": "phy1"}])
BOTH = parse_device_specs([{"ifname": "eth*", "physical_network": "phy1"}])


def test_it_is_the_one_whose_uplink_is_cabled_to_the_network() -> None:
    uplinks = {"br-a": {IGB}, "br-b": {MLX, DISK}, "br-c": set(), "br-d": {DISK}}
    assert find_bridge(PHY1, functions(), BY_PF, uplinks) == "br-a"
    assert find_bridge(PHY2, functions(), BY_PF, uplinks) == "br-b"
    assert find_bridge(PHY1, functions(), BY_VFS, uplinks) == "br-a", "a PF is where its VFs are"
    assert find_bridge(PHY1, functions(), BOTH, {"bond": {IGB, MLX}}) == "bond"


@pytest.mark.parametrize(
    ("specs", "uplinks", "problem"),
    [
        (
            BOTH,
            {"br-a": {IGB}, "br-b": {MLX}},
            "br-a and br-b have PFs on phy1 as uplinks; write the name of one of them",
        ),
        (
            BOTH,
            {"br-a": {DISK}},
            "no bridge has a PF on phy1 as uplink, which are eth2 (0000:05:00.0), eth3",
        ),
        (
            parse_device_specs([{"ifname": "eth3", "physical_network": "phy2"}]),
            {"br-a": {IGB}},
            "no PF here is on phy1 by the device specs; write a bridge's name",
        ),
    ],
)
def test_where_none_or_several_fit_they_are_named(
    specs: object, uplinks: dict[str, set[PciAddress]], problem: str
) -> None:
    assert isinstance(specs, tuple)
    with pytest.raises(NoOneBridge) as told:
        find_bridge(PHY1, functions(), specs, uplinks)
    assert str(told.value).startswith(problem)


def test_names_are_taken_as_they_are() -> None:
    wanted = {PHY1: "auto", PHY2: "br-z", PhysicalNetwork("phy3"): "auto"}
    found, faults = find_bridges(wanted, functions(), BY_PF, {"br-a": {IGB}})
    assert found == {PHY1: "br-a", PHY2: "br-z"}
    assert list(faults) == ["phy3"]

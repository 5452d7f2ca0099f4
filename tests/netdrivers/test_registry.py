"""Network drivers are found by entry point, and their mistakes are told at start."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint

import pytest

from trunkline.domain.network import NetworkType
from trunkline.netdrivers.base import NETWORK_DRIVER_GROUP, BadDriverOption
from trunkline.netdrivers.builtin import PhysicalNetworkDriver, TunnelDriver
from trunkline.netdrivers.registry import (
    AttributeNotScheduled,
    BrokenNetworkDriver,
    DuplicateNetworkDriver,
    UnknownNetworkDriver,
    load_network_drivers,
    require_scheduled,
)


def an_entry(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, NETWORK_DRIVER_GROUP)


class RivalDriver(PhysicalNetworkDriver):
    """Claims VLAN networks for itself."""

    name = "rival"
    network_types = frozenset({NetworkType.VLAN})


class HalfADriver:
    """Has a name and nothing else."""

    name = "half"

    def __init__(self, options: Mapping[str, str]) -> None:
        pass


HERE = "tests.netdrivers.test_registry"
BUILTIN = "trunkline.netdrivers.builtin"


def test_the_built_in_drivers_are_installed_by_entry_point() -> None:
    assert [type(driver) for driver in load_network_drivers()] == [
        PhysicalNetworkDriver,
        TunnelDriver,
    ]


def test_options_reach_the_driver_they_belong_to() -> None:
    (driver,) = load_network_drivers({"physical_network": {"tenant_attribute": "e.fabric"}})
    assert driver.attributes_used() == {"e.physical_network", "e.fabric", "can.vlan_8021ad"}
    with pytest.raises(BadDriverOption):
        load_network_drivers({"tunnel": {"tenant_attribute": "e.fabric"}})


def test_an_unknown_driver_is_named_with_those_there_are() -> None:
    with pytest.raises(UnknownNetworkDriver, match=r"'vlam'.*physical_network, tunnel"):
        load_network_drivers({"vlam": {}})


def test_two_packages_with_one_driver_name_are_refused() -> None:
    found = [an_entry("mine", "one.package:Driver"), an_entry("mine", "other.package:Driver")]
    with pytest.raises(DuplicateNetworkDriver, match=r"one\.package.*other\.package"):
        load_network_drivers({"mine": {}}, found=found)


def test_one_package_seen_twice_is_one_driver() -> None:
    entry = an_entry("tunnel", f"{BUILTIN}:TunnelDriver")
    assert len(load_network_drivers({"tunnel": {}}, found=[entry, entry])) == 1


def test_two_drivers_of_one_network_type_are_refused() -> None:
    found = [
        an_entry("physical_network", f"{BUILTIN}:PhysicalNetworkDriver"),
        an_entry("rival", f"{HERE}:RivalDriver"),
    ]
    with pytest.raises(DuplicateNetworkDriver, match=r"'vlan'.*physical_network.*rival"):
        load_network_drivers({"physical_network": {}, "rival": {}}, found=found)


@pytest.mark.parametrize(
    "value",
    [
        "no.such.package:Driver",
        f"{BUILTIN}:NoSuchDriver",
        f"{BUILTIN}:DEFAULT_ATTRIBUTE",
        f"{HERE}:HalfADriver",
    ],
)
def test_what_is_no_driver_is_refused_by_name(value: str) -> None:
    with pytest.raises(BrokenNetworkDriver, match="'mine'"):
        load_network_drivers({"mine": {}}, found=[an_entry("mine", value)])


def test_an_attribute_that_scheduling_ignores_is_refused_at_start() -> None:
    drivers = load_network_drivers({"physical_network": {"tenant_attribute": "e.fabric"}})
    require_scheduled(drivers, {"e.physical_network", "e.fabric", "numa_node"})
    with pytest.raises(AttributeNotScheduled) as refused:
        require_scheduled(drivers, {"e.physical_network"})
    assert refused.value.attribute == "e.fabric"

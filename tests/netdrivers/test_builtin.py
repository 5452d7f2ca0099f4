"""What flat, VLAN and VXLAN networks demand of devices."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from trunkline.domain.device import DeviceKind, OfferedDevice, PciFunction
from trunkline.domain.ids import NetworkId, PhysicalNetwork, ProjectId, SegmentId
from trunkline.domain.network import Network, NetworkType, Segment
from trunkline.domain.pci import PciAddress
from trunkline.domain.port import VnicType
from trunkline.netdrivers.base import BadDriverOption
from trunkline.netdrivers.builtin import PhysicalNetworkDriver, TunnelDriver

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def a_network(network_type: NetworkType, physical: str | None, *, provider: bool) -> Network:
    segment = Segment(
        id=SegmentId("s"),
        network_id=NetworkId("n"),
        network_type=network_type,
        physical_network=None if physical is None else PhysicalNetwork(physical),
        segmentation_id=None if network_type is NetworkType.FLAT else 100,
        created_at=NOW,
        updated_at=NOW,
    )
    return Network(
        id=NetworkId("n"),
        project_id=ProjectId("p"),
        name="blue",
        segments=(segment,),
        provider=provider,
        created_at=NOW,
        updated_at=NOW,
    )


def a_vf(**tags: str) -> OfferedDevice:
    return OfferedDevice(
        function=PciFunction(
            address=PciAddress.parse("0000:3b:02.1"),
            kind=DeviceKind.VF,
            vendor_id="8086",
            product_id="10ed",
        ),
        tags=tags,
    )


@pytest.mark.parametrize("network_type", [NetworkType.FLAT, NetworkType.VLAN])
@pytest.mark.parametrize("provider", [True, False])
def test_a_device_must_be_cabled_to_the_segments_physical_network(
    network_type: NetworkType, provider: bool
) -> None:
    network = a_network(network_type, "phy1", provider=provider)
    driver = PhysicalNetworkDriver({})
    assert driver.requirements(network, network.segments[0]).attributes == {
        "e.physical_network": "phy1"
    }


def test_provider_and_tenant_networks_may_demand_different_attributes() -> None:
    driver = PhysicalNetworkDriver({"tenant_attribute": "e.tenant_fabric"})
    ours = a_network(NetworkType.VLAN, "phy1", provider=True)
    theirs = a_network(NetworkType.VLAN, "phy1", provider=False)
    assert driver.requirements(ours, ours.segments[0]).attributes == {"e.physical_network": "phy1"}
    assert driver.requirements(theirs, theirs.segments[0]).attributes == {"e.tenant_fabric": "phy1"}
    assert driver.attributes_used() == {
        "e.physical_network", "e.tenant_fabric", "can.vlan_8021ad",
    }  # fmt: skip


def test_for_a_qinq_network_the_pf_must_put_802_1ad_tags_on() -> None:
    network = replace(a_network(NetworkType.VLAN, "phy1", provider=True), qinq=True)
    driver, segment = PhysicalNetworkDriver(), network.segments[0]
    assert driver.requirements(network, segment).attributes == {
        "e.physical_network": "phy1", "can.vlan_8021ad": "true",
    }  # fmt: skip
    plain = a_vf(physical_network="phy1")
    refusal = driver.refusal(network, segment, plain)
    assert refusal is not None
    assert "can.vlan_8021ad = 'true' and the device has none" in refusal
    able = replace(plain, function=replace(plain.function, pf_can=("vlan_8021ad",)))
    assert driver.refusal(network, segment, able) is None


def test_a_chosen_device_on_the_physical_network_is_accepted() -> None:
    network = a_network(NetworkType.VLAN, "phy1", provider=True)
    device = a_vf(physical_network="phy1")
    assert PhysicalNetworkDriver().refusal(network, network.segments[0], device) is None


@pytest.mark.parametrize(
    ("tags", "said"), [({"physical_network": "phy2"}, "has 'phy2'"), ({}, "has none")]
)
def test_a_chosen_device_elsewhere_is_refused_with_both_facts(
    tags: dict[str, str], said: str
) -> None:
    network = a_network(NetworkType.VLAN, "phy1", provider=True)
    refusal = PhysicalNetworkDriver().refusal(network, network.segments[0], a_vf(**tags))
    assert refusal is not None
    assert "'phy1'" in refusal
    assert said in refusal


def test_no_device_reaches_a_tunnel() -> None:
    network = a_network(NetworkType.VXLAN, None, provider=False)
    driver = TunnelDriver({})
    assert driver.vnic_types == {VnicType.NORMAL}
    assert driver.attributes_used() == frozenset()
    assert driver.requirements(network, network.segments[0]).attributes == {}
    refusal = driver.refusal(network, network.segments[0], a_vf(physical_network="phy1"))
    assert refusal is not None
    assert "vxlan" in refusal


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"provider_atribute": "e.x"}, "provider_atribute"),
        ({"tenant_attribute": ""}, "tenant_attribute"),
    ],
)
def test_a_mistaken_option_is_named(options: dict[str, str], option: str) -> None:
    with pytest.raises(BadDriverOption) as refused:
        PhysicalNetworkDriver(options)
    assert refused.value.option == option
    with pytest.raises(BadDriverOption):
        TunnelDriver(options)

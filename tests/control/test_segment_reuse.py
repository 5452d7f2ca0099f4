"""A VLAN is free again only when no device can still send on it."""

from __future__ import annotations

import pytest

from tests.support.world import ADMIN, DEMO, PHY1, AgentByHand, a_card
from trunkline.control.desired import desired_config
from trunkline.control.network_requests import NetworkCreate, NetworkUpdate, SegmentRequest
from trunkline.control.networks import create_network, delete_network, update_network
from trunkline.control.ports import create_port, delete_port, update_port
from trunkline.control.requests import PortCreate, PortUpdate
from trunkline.control.services import Services
from trunkline.domain.errors import InUse
from trunkline.domain.ids import HostName
from trunkline.domain.network import NetworkType
from trunkline.domain.port import VnicType
from trunkline.reconcile.report import DeviceCondition, DeviceFact

H1 = HostName("h1")


@pytest.fixture
def h1(svc: Services) -> AgentByHand:
    return AgentByHand(svc, H1, a_card(5, "phy1"))


@pytest.fixture
def deleted_vlan(svc: Services, h1: AgentByHand) -> int:
    """A VLAN whose network is deleted, while a VF that was on it has not been seen clean."""
    network = create_network(svc, DEMO, NetworkCreate()).network
    port = create_port(svc, DEMO, PortCreate(network_id=network.id, vnic_type=VnicType.DIRECT)).port
    update_port(svc, ADMIN, port.id, PortUpdate(host=H1, profile={"pci_slot": "0000:05:02.0"}))
    delete_port(svc, DEMO, port.id)
    delete_network(svc, DEMO, network.id)
    vlan = network.segments[0].segmentation_id
    assert vlan is not None
    return vlan


def named(svc: Services, vlan: int) -> None:
    wanted = SegmentRequest(NetworkType.VLAN, PHY1, vlan)
    create_network(svc, ADMIN, NetworkCreate(segments=(wanted,)))


def test_tenants_are_not_given_a_vlan_that_a_device_may_still_send_on(
    svc: Services, deleted_vlan: int
) -> None:
    segment = create_network(svc, DEMO, NetworkCreate()).network.segments[0]
    assert segment.segmentation_id == deleted_vlan + 1


def test_an_admin_who_names_it_is_told_which_device_stands_in_the_way(
    svc: Services, deleted_vlan: int
) -> None:
    with pytest.raises(InUse, match=r"vlan 100 on phy1.*0000:05:02\.0 on h1"):
        named(svc, deleted_vlan)
    other = create_network(svc, DEMO, NetworkCreate()).network
    with pytest.raises(InUse, match="vlan 100 on phy1"):
        update_network(svc, ADMIN, other.id, NetworkUpdate(segmentation_id=deleted_vlan))


def test_it_is_free_once_the_device_is_observed_clean(
    svc: Services, h1: AgentByHand, deleted_vlan: int
) -> None:
    (held,) = desired_config(svc, H1).releases
    h1.report(
        devices=[
            DeviceFact(address=held.address, epoch=held.epoch, condition=DeviceCondition.CLEAN)
        ]
    )
    named(svc, deleted_vlan)

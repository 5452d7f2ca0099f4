"""What each VIF type shows and builds."""

from __future__ import annotations

import pytest
from lxml import etree

from tests.reconcile.scenes import IGB, VIF_TYPES, a_nic, vf, whole
from trunkline.domain.port import VnicType
from trunkline.reconcile.desired import NicConfig
from trunkline.reconcile.domain_xml import vif_request

L2 = {"connectivity": "l2", "port_filter": False}
DIRECT = a_nic(1, vf(IGB, 1))
FLAT = a_nic(1, vf(IGB, 1), vlan_id=0)
MACVTAP = a_nic(1, vf(IGB, 1), VnicType.MACVTAP)
VENDOR = a_nic(1, vf(IGB, 1), VnicType.MACVTAP, vif_type="mlnx_direct")
WHOLE = a_nic(1, whole(IGB), VnicType.DIRECT_PHYSICAL)
NORMAL = a_nic(1, None, VnicType.NORMAL)

MAC = '<mac address="fa:16:3e:00:00:01"/>'
ADDRESS = 'domain="0x0000" bus="0x05" slot="0x10" function="0x1"'
VLAN = '<vlan><tag id="100"/></vlan>'


@pytest.mark.parametrize(
    ("nic", "details", "netdev", "xml"),
    [
        (
            DIRECT,
            L2 | {"vlan": "100"},
            None,
            (
                f'<interface type="hostdev" managed="yes">{MAC}<driver name="vfio"/>'
                f'<source><address {ADDRESS} type="pci"/></source>{VLAN}</interface>'
            ),
        ),
        (
            FLAT,
            L2 | {"vlan": "0"},
            None,
            (
                f'<interface type="hostdev" managed="yes">{MAC}<driver name="vfio"/>'
                f'<source><address {ADDRESS} type="pci"/></source></interface>'
            ),
        ),
        (
            MACVTAP,
            L2 | {"vlan": "100", "device_name": "tl000000010000"},
            "tl000000010000",
            (
                f'<interface type="direct">{MAC}<source dev="tl000000010000" mode="passthrough"/>'
                f'{VLAN}<model type="virtio"/></interface>'
            ),
        ),
        (
            VENDOR,
            L2 | {"vlan": "100", "device_name": "eth00000001-00"},
            "eth00000001-00",
            (
                f'<interface type="direct">{MAC}<source dev="eth00000001-00" mode="passthrough"/>'
                f'{VLAN}<model type="virtio"/></interface>'
            ),
        ),
        (
            WHOLE,
            L2 | {"vlan": "100"},
            None,
            (
                '<hostdev mode="subsystem" type="pci" managed="yes"><driver name="vfio"/>'
                '<source><address domain="0x0000" bus="0x05" slot="0x00" function="0x0"/></source>'
                "</hostdev>"
            ),
        ),
        (
            NORMAL,
            L2 | {"bridge_name": "br-phy1"},
            None,
            (
                f'<interface type="bridge">{MAC}<source bridge="br-phy1"/>'
                '<target dev="tl000000010000"/><model type="virtio"/><mtu size="1500"/></interface>'
            ),
        ),
    ],
    ids=["direct", "flat", "macvtap", "mlnx_direct", "whole PF", "normal"],
)
def test_each_vif_type_says_and_builds_what_neutron_and_libvirt_expect(
    nic: NicConfig, details: dict[str, object], netdev: str | None, xml: str
) -> None:
    vif_type = VIF_TYPES.get(nic.vif_type, nic.vnic_type)
    request = vif_request(nic)
    assert vif_type.details(request) == details
    assert vif_type.netdev_name(request) == netdev
    assert etree.tostring(vif_type.interface(request), encoding="unicode") == xml


def test_the_device_name_is_known_before_any_device_or_host_is() -> None:
    unplaced = a_nic(1, None, VnicType.MACVTAP)
    details = VIF_TYPES.get("hw_veb", VnicType.MACVTAP).details(vif_request(unplaced))
    assert details["device_name"] == "tl000000010000"


def test_device_names_fit_the_kernel() -> None:
    for nic in (MACVTAP, VENDOR):
        name = VIF_TYPES.get(nic.vif_type, nic.vnic_type).netdev_name(vif_request(nic))
        assert name is not None
        assert len(name) <= 15

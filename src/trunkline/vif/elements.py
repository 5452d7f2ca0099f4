"""The pieces of libvirt XML that VIF types share."""

from __future__ import annotations

from lxml import etree
from lxml.etree import _Element

from trunkline.domain.pci import PciAddress
from trunkline.vif.base import VifRequest


def interface(kind: str, request: VifRequest) -> _Element:
    """Return ``<interface type=kind>`` with its MAC address."""
    element = etree.Element("interface", type=kind)
    etree.SubElement(element, "mac", address=str(request.mac))
    return element


def add_pci_address(parent: _Element, address: PciAddress) -> _Element:
    """Append ``<address>``, in the hexadecimal form that libvirt itself writes."""
    return etree.SubElement(
        parent,
        "address",
        domain=f"0x{address.domain:04x}",
        bus=f"0x{address.bus:02x}",
        slot=f"0x{address.slot:02x}",
        function=f"0x{address.function:x}",
    )


def hostdev(address: PciAddress, *, managed: bool) -> _Element:
    """Return a plain ``<hostdev>``.

    `managed`: libvirt binds the function to vfio-pci, and back at the end; else it is so already.
    """
    element = etree.Element("hostdev", mode="subsystem", type="pci")
    element.set("managed", "yes" if managed else "no")
    etree.SubElement(element, "driver", name="vfio")
    add_pci_address(etree.SubElement(element, "source"), address)
    return element


def add_vlan(parent: _Element, request: VifRequest) -> None:
    """Append ``<vlan>`` with one tag; nothing for an untagged segment.

    An explicit tag 0 would be no VLAN to libvirt but a write to the driver, which some refuse.
    """
    if request.vlan_id:
        etree.SubElement(etree.SubElement(parent, "vlan"), "tag", id=str(request.vlan_id))


def macvtap_on(netdev: str, request: VifRequest) -> _Element:
    """Return a virtio NIC on a macvtap that has `netdev` (a VF's) for itself, or one of a pool.

    Passthrough mode makes libvirt set the VF's MAC and, since libvirt 1.3.5, its VLAN.
    """
    if request.network_pool is not None:
        element = from_network(request)
    else:
        element = interface("direct", request)
        etree.SubElement(element, "source", dev=netdev, mode="passthrough")
        add_vlan(element, request)
    etree.SubElement(element, "model", type="virtio")
    return element


def from_network(request: VifRequest) -> _Element:
    """Return a NIC whose device libvirt takes from a network pool when the guest starts."""
    assert request.network_pool is not None
    element = interface("network", request)
    etree.SubElement(element, "source", network=request.network_pool)
    add_vlan(element, request)
    return element


def l2_details(request: VifRequest) -> dict[str, object]:
    """Return what Neutron's SR-IOV driver shows of a port: the VLAN as text, "0" for untagged."""
    return {"connectivity": "l2", "port_filter": False, "vlan": str(request.vlan_id)}

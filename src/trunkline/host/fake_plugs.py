"""One NIC of a simulated guest: parted from the others, or put together with them."""

from __future__ import annotations

from lxml import etree
from lxml.etree import _Element

from trunkline.host.device_handover import HandedOver
from trunkline.host.fake_kernel import FakeKernel
from trunkline.host.libvirt_domain import LibvirtDomain, parse_address, parse_libvirt_domain
from trunkline.reconcile.interfaces import HostRefused
from trunkline.reconcile.nic_steps import UnplugNic

_KINDS = ("interface", "hostdev")


def alone(domain_xml: str, nic_xml: str) -> LibvirtDomain:
    """Return a domain that has nothing of the host but one NIC."""
    root = etree.fromstring(domain_xml.encode())
    devices = _devices(root)
    for kind in _KINDS:
        for each in devices.findall(kind):
            devices.remove(each)
    devices.append(_nic(nic_xml))
    try:
        return parse_libvirt_domain(etree.tostring(root, encoding="unicode"))
    except ValueError as fault:
        raise HostRefused("attach-device", str(fault)) from None


def with_nic(domain_xml: str, nic_xml: str) -> str:
    """Return a definition with one NIC more."""
    root = etree.fromstring(domain_xml.encode())
    _devices(root).append(_nic(nic_xml))
    return etree.tostring(root, encoding="unicode")


def without_nic(domain_xml: str, step: UnplugNic) -> str:
    """Return a definition without a NIC, whether it had it or not."""
    root = etree.fromstring(domain_xml.encode())
    devices = _devices(root)
    for kind in _KINDS:
        for each in devices.findall(kind):
            if _is_meant(each, step):
                devices.remove(each)
    return etree.tostring(root, encoding="unicode")


def check_port(domain_xml: str, has: HandedOver) -> None:
    """Refuse as libvirt does once no root port is free; disk and balloon have one each.

    Source: libvirt src/conf/domain_addr.c, virDomainPCIAddressGetNextAddr().
    """
    root = etree.fromstring(domain_xml.encode())
    ports = root.findall("devices/controller[@model='pcie-root-port']")
    others = root.findall("devices/disk[@device='disk']")
    others += root.findall("devices/memballoon[@model='virtio']")
    used = len(has.own_drivers) + len(has.macvtaps) + len(has.taps) + len(others)
    if used >= len(ports):
        raise HostRefused("attach-device", "internal error: No more available PCI slots")


def together(one: HandedOver, other: HandedOver) -> HandedOver:
    """Return what a guest has that has both."""
    return HandedOver(
        own_drivers=one.own_drivers | other.own_drivers,
        interfaces=[*one.interfaces, *other.interfaces],
        macvtaps=[*one.macvtaps, *other.macvtaps],
        taps=[*one.taps, *other.taps],
    )


def parted(kernel: FakeKernel, has: HandedOver, step: UnplugNic) -> tuple[HandedOver, HandedOver]:
    """Part one NIC of what a guest has from the rest."""
    device = None if step.ifname else step.device
    function = None if device is None else kernel.find_function(device)
    at = (None, None) if function is None else (function.pf_address, function.vf_index)
    part = HandedOver(
        own_drivers={key: each for key, each in has.own_drivers.items() if key == device},
        interfaces=[each for each in has.interfaces if (each.pf, each.vf_index) == at],
        macvtaps=[each for each in has.macvtaps if each.ifname == step.ifname],
        taps=[each for each in has.taps if each.ifname == step.ifname],
    )
    if not (part.own_drivers or part.macvtaps or part.taps):
        raise HostRefused("detach-device", "device not found: no matching network device was found")
    rest = HandedOver(
        own_drivers={key: each for key, each in has.own_drivers.items() if key != device},
        interfaces=[each for each in has.interfaces if each not in part.interfaces],
        macvtaps=[each for each in has.macvtaps if each not in part.macvtaps],
        taps=[each for each in has.taps if each not in part.taps],
    )
    return part, rest


def _is_meant(element: _Element, step: UnplugNic) -> bool:
    source, target = element.find("source"), element.find("target")
    if not step.ifname:
        address = None if source is None else source.find("address")
        return address is not None and parse_address(address) == step.device
    names = [each.get("dev") for each in (source, target) if each is not None]
    return step.ifname in names


def _devices(root: _Element) -> _Element:
    devices = root.find("devices")
    assert devices is not None, "it was defined"
    return devices


def _nic(xml: str) -> _Element:
    try:
        return etree.fromstring(xml.encode())
    except etree.XMLSyntaxError as fault:
        raise HostRefused("attach-device", f"XML error: {fault}") from None

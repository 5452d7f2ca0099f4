"""Guests of the lab host, by its own libvirt, from inside: one NIC, and no first instruction."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from lab.guest.cards import run

URI = "qemu:///system"
START_PAUSED = 1  # VIR_DOMAIN_START_PAUSED

# libvirt needs no confinement here, and would need more of a system for it.
QEMU_CONF = """
user = "root"
group = "root"
security_driver = "none"
stdio_handler = "file"
namespaces = [ ]
cgroup_controllers = [ ]
"""
LIBVIRTD_CONF = """
unix_sock_group = "libvirt"
unix_sock_rw_perms = "0770"
auth_unix_rw = "none"
auth_unix_ro = "none"
log_outputs = "3:file:/run/libvirtd.log"
"""

DOMAIN = """
<domain type='kvm'>
  <name>{name}</name>
  <memory unit='MiB'>16</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <features><acpi/><apic/></features>
  <cpu mode='host-passthrough' check='none'/>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    {interface}
  </devices>
</domain>
"""


def _libvirt() -> Any:
    """Connect; the bindings are in the lab host only, and tests outside name what is here."""
    import libvirt

    return libvirt.open(URI)


def start_libvirtd() -> None:
    """Start the lab host's libvirtd; it answers."""
    run("modprobe", "-a", "vfio-pci", "vfio_iommu_type1", "kvm_amd", "tun", "macvtap")
    for name, text in (("qemu.conf", QEMU_CONF), ("libvirtd.conf", LIBVIRTD_CONF)):
        (Path("/etc/libvirt") / name).write_text(text)
    run("libvirtd", "--daemon")  # It returns when it listens.
    _libvirt()


def start_paused(name: str, interface: str) -> None:
    """Start a guest before its first instruction; `interface` is the XML of its one NIC."""
    _libvirt().createXML(DOMAIN.format(name=name, interface=interface), START_PAUSED)


def end_guest(name: str) -> None:
    """Switch a guest off."""
    _libvirt().lookupByName(name).destroy()


def end_all() -> None:
    """Switch all guests off, and take all networks away."""
    connection = _libvirt()
    for each in (*connection.listAllDomains(), *connection.listAllNetworks()):
        if each.isActive():
            each.destroy()


def vf_interface(pci_address: str, *, mac: str, vlan: int | None) -> str:
    """A VF by vfio that libvirt binds, programs and gives back."""
    domain, bus, slot_and_function = pci_address.split(":")
    slot, function = slot_and_function.split(".")
    interface = _interface("hostdev", mac=mac, vlan=vlan)
    interface.set("managed", "yes")
    ET.SubElement(
        ET.SubElement(interface, "source"), "address", type="pci",
        domain=f"0x{domain}", bus=f"0x{bus}", slot=f"0x{slot}", function=f"0x{function}",
    )  # fmt: skip
    return ET.tostring(interface, encoding="unicode")


def network_interface(network: str, *, mac: str, vlan: int | None) -> str:
    """A device that libvirt picks out of a network pool."""
    interface = _interface("network", mac=mac, vlan=vlan)
    ET.SubElement(interface, "source", network=network)
    return ET.tostring(interface, encoding="unicode")


def macvtap_interface(netdev: str, *, mac: str, vlan: int | None) -> str:
    """A macvtap in passthrough mode on a VF's netdev."""
    interface = _interface("direct", mac=mac, vlan=vlan)
    ET.SubElement(interface, "source", dev=netdev, mode="passthrough")
    ET.SubElement(interface, "model", type="virtio")
    return ET.tostring(interface, encoding="unicode")


def create_hostdev_network(name: str, pf: str) -> None:
    """Make a network pool of all VFs of a PF.

    Raises:
        libvirtError: libvirt refused.
    """
    _libvirt().networkCreateXML(
        f"<network><name>{name}</name><forward mode='hostdev' managed='yes'><pf dev='{pf}'/>"
        "</forward></network>"
    )


def find_network(name: str) -> Any:
    """Return a network of libvirt's."""
    return _libvirt().networkLookupByName(name)


def _interface(kind: str, *, mac: str, vlan: int | None) -> ET.Element:
    interface = ET.Element("interface", type=kind)
    ET.SubElement(interface, "mac", address=mac)
    if vlan is not None:
        ET.SubElement(ET.SubElement(interface, "vlan"), "tag", id=str(vlan))
    return interface

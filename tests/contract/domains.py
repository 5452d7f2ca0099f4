"""Domain XML for the contract suites, as small as libvirt takes it."""

from __future__ import annotations

from tests.contract.guests import A
from trunkline.domain.ether import MacAddress
from trunkline.domain.ids import ServerId
from trunkline.domain.pci import PciAddress

VF0 = PciAddress.parse("0000:05:10.0")
VF1 = PciAddress.parse("0000:05:10.2")
MAC = MacAddress.parse("02:00:00:00:00:0a")
ORIGINAL = MacAddress.parse("02:00:00:00:00:99")


def address(at: PciAddress) -> str:
    return (
        f"<address type='pci' domain='0x{at.domain:04x}' bus='0x{at.bus:02x}'"
        f" slot='0x{at.slot:02x}' function='0x{at.function:x}'/>"
    )


def hostdev_nic(at: PciAddress = VF0, *, mac: MacAddress = MAC, vlan_id: int = 100) -> str:
    vlan = f"<vlan><tag id='{vlan_id}'/></vlan>" if vlan_id else ""
    return (
        f"<interface type='hostdev' managed='yes'><mac address='{mac}'/><driver name='vfio'/>"
        f"<source>{address(at)}</source>{vlan}</interface>"
    )


def macvtap_nic(ifname: str, *, mac: MacAddress = MAC, vlan_id: int = 100) -> str:
    return (
        f"<interface type='direct'><mac address='{mac}'/>"
        f"<source dev='{ifname}' mode='passthrough'/><vlan><tag id='{vlan_id}'/></vlan></interface>"
    )


def hostdev(at: PciAddress) -> str:
    where = address(at).replace(" type='pci'", "")
    return f"<hostdev mode='subsystem' type='pci' managed='yes'><source>{where}</source></hostdev>"


def domain_xml(
    *devices: str,
    server_id: ServerId = A,
    name: str = "a",
    ours: bool = True,
    boot_number: int = 1,
    xml_digest: str = "d1",
    vcpu: str = "<vcpu>1</vcpu>",
    domain_type: str = "kvm",
) -> str:
    metadata = (
        f"<metadata><trunkline:server xmlns:trunkline='urn:trunkline:1'"
        f" boot-number='{boot_number}' xml-digest='{xml_digest}'/></metadata>"
    )
    return (
        f"<domain type='{domain_type}'><name>{name}</name><uuid>{server_id}</uuid>"
        f"{metadata if ours else ''}<memory unit='MiB'>64</memory>{vcpu}"
        f"<os><type>hvm</type></os><features><acpi/></features><devices>{''.join(devices)}</devices></domain>"
    )

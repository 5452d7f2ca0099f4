"""What of a libvirt domain's XML matters to a hypervisor that gives devices to guests."""

from __future__ import annotations

import functools
import uuid
from dataclasses import dataclass
from typing import Final

from lxml import etree

from trunkline.domain.ether import MacAddress
from trunkline.domain.ids import ServerId
from trunkline.domain.numa import cpu_numbers
from trunkline.domain.pci import PciAddress
from trunkline.reconcile.observed import OtherDomain

METADATA_NAMESPACE: Final = "urn:trunkline:1"
_SERVER = f"{{{METADATA_NAMESPACE}}}server"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostdevInterface:
    """``<interface type='hostdev'>``: a VF whose MAC and VLAN libvirt writes itself."""

    address: PciAddress
    mac: MacAddress | None
    vlan_id: int  # 0: no <vlan>.
    at: PciAddress | None = None  # Where the guest finds it; None: libvirt chooses.


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectInterface:
    """``<interface type='direct'>`` in passthrough mode: a macvtap on a VF's netdev."""

    ifname: str
    mac: MacAddress | None
    vlan_id: int
    at: PciAddress | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkInterface:
    """``<interface type='network'>``: libvirt chooses a device of the network's."""

    network: str
    mac: MacAddress | None
    vlan_id: int
    at: PciAddress | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeInterface:
    """``<interface type='bridge'>``: a tap, which libvirt makes and adds to a bridge."""

    bridge: str
    ifname: str  # Empty: libvirt chooses one.
    vlan_id: int
    mac: MacAddress | None = None
    at: PciAddress | None = None


Interface = HostdevInterface | DirectInterface | NetworkInterface | BridgeInterface


@dataclass(frozen=True, slots=True, kw_only=True)
class LibvirtDomain:
    """A libvirt domain's definition."""

    server_id: ServerId
    name: str
    is_ours: bool  # Carries our metadata element.
    boot_number: int
    disk_number: int
    xml_digest: str
    hostdev_interfaces: tuple[HostdevInterface, ...]
    hostdevs: tuple[PciAddress, ...]  # ``<hostdev>``: given away as they are.
    direct_interfaces: tuple[DirectInterface, ...]
    bridges: tuple[BridgeInterface, ...]
    networks: tuple[NetworkInterface, ...] = ()
    unmanaged: frozenset[PciAddress] = frozenset()  # Those that whoever asks has bound to vfio.
    cpuset: frozenset[int] = frozenset()  # Of the host; empty: any.
    numa_nodes: frozenset[int] = frozenset()  # Of the host, for its memory; empty: any.

    @property
    def host_devices(self) -> tuple[PciAddress, ...]:
        """Every PCI function that leaves its driver for the guest, in the order of the XML."""
        return (*(each.address for each in self.hostdev_interfaces), *self.hostdevs)

    @property
    def nics(self) -> tuple[Interface, ...]:
        """Every NIC, in the order in which the guest finds them."""
        nics: tuple[Interface, ...] = (
            *self.hostdev_interfaces,
            *self.direct_interfaces,
            *self.bridges,
            *self.networks,
        )
        return tuple(sorted(nics, key=lambda each: (each.at is None, str(each.at))))

    def as_other(self, *, is_active: bool) -> OtherDomain:
        """Return what the agent is told of it, where it is not ours."""
        return OtherDomain(
            name=self.name,
            is_active=is_active,
            devices=frozenset(self.host_devices),
            ifnames=frozenset(each.ifname for each in self.direct_interfaces),
        )


@functools.lru_cache(maxsize=1024)  # Definitions are read at each look, and hardly ever change.
def parse_libvirt_domain(xml: str) -> LibvirtDomain:
    """Read a definition.

    Raises:
        ValueError: It is no domain XML that libvirt would take; the text says what is wrong.
    """
    # Definitions come from the agent, and entities are of no use in them.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(xml.encode(), parser)
    except etree.XMLSyntaxError as fault:
        raise ValueError(f"XML error: {fault}") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise ValueError("XML error: a document type is not allowed")
    if root.tag != "domain":
        raise ValueError(f"XML error: unexpected root element <{root.tag}>, expecting <domain>")
    ours = root.find(f"metadata/{_SERVER}")
    return LibvirtDomain(
        server_id=ServerId(_uuid(root)),
        name=_name(root),
        is_ours=ours is not None,
        boot_number=0 if ours is None else _number(ours.get("boot-number"), "boot-number"),
        disk_number=1 if ours is None else _number(ours.get("disk-number", "1"), "disk-number"),
        xml_digest="" if ours is None else ours.get("xml-digest") or "",
        hostdev_interfaces=tuple(
            HostdevInterface(
                address=parse_address(each.find("source/address")),
                mac=_mac(each),
                vlan_id=_vlan(each),
                at=_at(each),
            )
            for each in root.findall("devices/interface[@type='hostdev']")
        ),
        hostdevs=tuple(
            parse_address(each.find("source/address"))
            for each in root.findall("devices/hostdev[@type='pci']")
        ),
        direct_interfaces=tuple(
            _direct(each) for each in root.findall("devices/interface[@type='direct']")
        ),
        bridges=tuple(_bridge(each) for each in root.findall("devices/interface[@type='bridge']")),
        networks=tuple(
            NetworkInterface(
                network=_attribute(each.find("source"), "network", "interface of type network"),
                mac=_mac(each),
                vlan_id=_vlan(each),
                at=_at(each),
            )
            for each in root.findall("devices/interface[@type='network']")
        ),
        unmanaged=frozenset(
            parse_address(each.find("source/address"))
            for each in (
                *root.findall("devices/interface[@type='hostdev']"),
                *root.findall("devices/hostdev[@type='pci']"),
            )
            if each.get("managed") != "yes"
        ),
        cpuset=_cpuset(root),
        numa_nodes=_numa_nodes(root),
    )


def _cpuset(root: etree._Element) -> frozenset[int]:
    vcpu = root.find("vcpu")
    text = None if vcpu is None else vcpu.get("cpuset")
    return frozenset() if text is None else _bitmap(text, "cpuset")


def _numa_nodes(root: etree._Element) -> frozenset[int]:
    memory = root.find("numatune/memory")
    if memory is None:
        return frozenset()
    if memory.get("mode") != "strict":
        raise ValueError(f"NUMA memory mode {memory.get('mode')!r} is not simulated, only 'strict'")
    text = memory.get("nodeset")
    if text is None:
        # Source: src/conf/numa_conf.c, virDomainNumatuneSet().
        raise ValueError("nodeset for NUMA memory tuning must be set if 'placement' is 'static'")
    return _bitmap(text, "nodeset")


def _bitmap(text: str, name: str) -> frozenset[int]:
    """What libvirt reads as a bitmap; it takes none that is empty."""
    try:
        numbers = cpu_numbers(text)
    except ValueError:
        numbers = frozenset()
    if not numbers:
        raise ValueError(f"Invalid value of '{name}': {text}")
    return numbers


def _name(root: etree._Element) -> str:
    name = root.findtext("name") or ""
    if not name or "/" in name:
        raise ValueError("missing domain name" if not name else "name cannot contain '/'")
    return name


def _uuid(root: etree._Element) -> str:
    try:
        return str(uuid.UUID((root.findtext("uuid") or "").strip()))
    except ValueError:
        raise ValueError("malformed uuid element") from None


def _direct(interface: etree._Element) -> DirectInterface:
    source = interface.find("source")
    mode = None if source is None else source.get("mode")
    if mode != "passthrough":
        raise ValueError(f"macvtap mode {mode!r} is not simulated, only 'passthrough'")
    return DirectInterface(
        ifname=_attribute(source, "dev", "interface of type direct"),
        mac=_mac(interface),
        vlan_id=_vlan(interface),
        at=_at(interface),
    )


def _bridge(interface: etree._Element) -> BridgeInterface:
    target = interface.find("target")
    return BridgeInterface(
        bridge=_attribute(interface.find("source"), "bridge", "interface of type bridge"),
        ifname="" if target is None else target.get("dev") or "",
        vlan_id=_vlan(interface),
        mac=_mac(interface),
        at=_at(interface),
    )


def _attribute(element: etree._Element | None, name: str, where: str) -> str:
    value = None if element is None else element.get(name)
    if not value:
        raise ValueError(f"XML error: missing {name!r} of <source> in {where}")
    return value


def _at(interface: etree._Element) -> PciAddress | None:
    element = interface.find("address")
    return None if element is None else parse_address(element)


def parse_address(element: etree._Element | None) -> PciAddress:
    """Read an ``<address type='pci'>``; raise `ValueError` for what is none."""
    if element is None:
        raise ValueError("XML error: missing <address> in <source> of a host device")
    try:
        numbers = [int(element.get(key) or "", 0) for key in ("domain", "bus", "slot", "function")]
        domain, bus, slot, function = numbers
        return PciAddress.parse(f"{domain:04x}:{bus:02x}:{slot:02x}.{function:x}")
    except ValueError:
        raise ValueError(
            f"XML error: malformed PCI address {etree.tostring(element).decode().strip()}"
        ) from None


def _mac(interface: etree._Element) -> MacAddress | None:
    element = interface.find("mac")
    if element is None:
        return None
    mac = MacAddress.parse(element.get("address") or "")
    if mac.is_multicast:
        raise ValueError(f"XML error: expected unicast mac address, found multicast '{mac}'")
    return mac


def _vlan(interface: etree._Element) -> int:
    tags = interface.findall("vlan/tag")
    if len(tags) > 1 or interface.find("vlan[@trunk='yes']") is not None:
        raise ValueError("vlan trunking is not supported by SR-IOV network devices")
    if not tags:
        return 0
    vlan_id = _number(tags[0].get("id"), "vlan tag id")
    if vlan_id > 4095:  # Source: src/conf/netdev_vlan_conf.c, virNetDevVlanParse().
        raise ValueError(f"vlan tag id {vlan_id} too large (maximum 4095)")
    return vlan_id


def _number(text: str | None, what: str) -> int:
    if text is None or not text.isascii() or not text.isdigit():
        raise ValueError(f"XML error: malformed {what}: {text!r}")
    return int(text)

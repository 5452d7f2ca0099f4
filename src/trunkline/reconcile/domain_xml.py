"""ServerConfig to libvirt domain XML: a tree, the same bytes for the same server each time."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from lxml import etree
from lxml.etree import _Element

from trunkline.domain.network_pool import NetworkPool, PoolMode
from trunkline.domain.pci import PciAddress
from trunkline.domain.port import VnicType
from trunkline.reconcile.config_drive import file_name, guest_address
from trunkline.reconcile.desired import NicConfig, ServerConfig
from trunkline.reconcile.disks import disk_name
from trunkline.vif import registry as vif_registry
from trunkline.vif.base import VifRequest
from trunkline.vif.builtin import BRIDGE
from trunkline.vif.elements import add_pci_address, hostdev
from trunkline.vif.registry import VifRegistry

METADATA_NAMESPACE: Final = "urn:trunkline:1"

_METADATA = f"{{{METADATA_NAMESPACE}}}server"
# What XML 1.0 can't hold (production [2], Char), and the line breaks that libvirt's <title> can't.
_NOT_IN_TITLE = re.compile("[^\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainOptions:
    """What a host's domains have in common."""

    domain_type: str = "kvm"  # `qemu` where there is no KVM.
    arch: str = "x86_64"
    disk_directory: str = "/var/lib/trunkline/disks"
    console_directory: str | None = None  # Where consoles are written to; None: nowhere.
    has_config_drives: bool = False  # Beside the disks. Simulated hosts have neither.


Pools = Mapping[PciAddress, NetworkPool]  # By VF.
NO_POOLS: Final[Pools] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainDefinition:
    """A server's domain, ready to be defined."""

    xml: str
    digest: str  # Of everything but our metadata element; SHA-256, hexadecimal.


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """How the guest of a server is attached to the host, as an observation would show it."""

    devices: frozenset[PciAddress]  # Handed to the guest.
    ifnames: frozenset[str]  # Netdevs under its macvtaps, and its taps.


def is_tap(nic: NicConfig) -> bool:
    """Whether a NIC is a tap on a Linux bridge, called by its logical name."""
    return nic.vif_type == BRIDGE and nic.bridge is not None


def pool_of(nic: NicConfig, pools: Pools) -> NetworkPool | None:
    """Return the network pool that `nic` gets its device from; None: it gets its very device."""
    pool = None if nic.device is None else pools.get(nic.device.address)
    # A device that was given away before it came to be in a pool goes on as it was.
    return None if pool is None or nic.vnic_type is not _VNIC_TYPES[pool.mode] else pool


_VNIC_TYPES: Final = {
    PoolMode.HOSTDEV: VnicType.DIRECT,
    PoolMode.PASSTHROUGH: VnicType.MACVTAP,
}


def vif_request(nic: NicConfig, pools: Pools = NO_POOLS) -> VifRequest:
    """Return what a VIF type may know about `nic`."""
    pool = pool_of(nic, pools)
    return VifRequest(
        vnic_type=nic.vnic_type,
        mac=nic.mac,
        logical_name=nic.logical_name,
        vlan_id=nic.vlan_id,
        device_kind=nic.device.kind if nic.device else None,
        device_address=nic.device.address if nic.device else None,
        bridge=nic.bridge,
        mtu=nic.mtu,
        network_pool=None if pool is None else pool.name,
        managed=nic.device is None or nic.device.managed,
    )


def netdev_name(nic: NicConfig, vif_types: VifRegistry, pools: Pools = NO_POOLS) -> str | None:
    """Return the name that the netdev of `nic`'s VF must have; None: none in particular."""
    return vif_types.get(nic.vif_type, nic.vnic_type).netdev_name(vif_request(nic, pools))


def names_network(nic: NicConfig, vif_types: VifRegistry, pools: Pools) -> bool:
    """Whether the XML of a NIC in a network pool names its libvirt network, as it must."""
    vif_type = vif_types.get(nic.vif_type, nic.vnic_type)
    return vif_registry.names_network(vif_type, vif_request(nic, pools))


def attachment(server: ServerConfig, vif_types: VifRegistry, pools: Pools = NO_POOLS) -> Attachment:
    """Return how the running guest of `server` is attached, but for what pools give it."""
    devices, ifnames = set(), set()
    for nic in server.nics:
        if pool_of(nic, pools) is not None:
            continue
        name = netdev_name(nic, vif_types)
        if name is not None:
            ifnames.add(name)
        elif nic.device is not None:
            devices.add(nic.device.address)
        elif is_tap(nic):
            ifnames.add(nic.logical_name)
    devices.update(held.address for held in server.devices)
    return Attachment(devices=frozenset(devices), ifnames=frozenset(ifnames))


def define(
    server: ServerConfig,
    vif_types: VifRegistry,
    options: DomainOptions,
    pools: Pools = NO_POOLS,
) -> DomainDefinition:
    """Build the domain of `server`: NICs and devices in the order in which it has them.

    Raises:
        UnknownVifType: A NIC's VIF type is not installed.
    """
    root = _domain(server, options)
    devices = etree.SubElement(root, "devices")
    if server.disk_gib:
        name = disk_name(server.id, server.disk_number)
        devices.append(_disk(f"{options.disk_directory}/{name}"))
    drive = file_name(server) if options.has_config_drives else None
    if drive is not None:
        devices.append(_cdrom(f"{options.disk_directory}/{drive}"))
    given = [(place, _element(nic, vif_types, pools)) for place, nic in server.placed_nics]
    given += [
        (place, hostdev(held.address, managed=held.managed))
        for place, held in server.placed_devices
    ]
    _add_root_ports(devices, max((place for place, _ in given), default=-1) + 1)
    for place, element in given:
        # Said, so that a guest finds each in the same place on every host, and can be told where.
        add_pci_address(element, guest_address(place)).set("type", "pci")
        devices.append(element)
    devices.append(_console(server, options))
    # vfio pins all of a guest's memory, so there is nothing for a balloon to give back.
    pinned = bool(server.devices) or any(nic.device is not None for nic in server.nics)
    etree.SubElement(devices, "memballoon", model="none" if pinned else "virtio")
    if options.arch == "x86_64":
        # By this a guest tells of its kernel's panic, so that it is noticed, and <on_crash> obeyed.
        etree.SubElement(devices, "panic", model="isa")

    digest = hashlib.sha256(etree.tostring(root, method="c14n")).hexdigest()
    root.insert(_TITLE_END, _metadata(server, digest))
    etree.indent(root)
    return DomainDefinition(xml=etree.tostring(root, encoding="unicode") + "\n", digest=digest)


def device_xml(nic: NicConfig, vif_types: VifRegistry) -> str:
    """Build one NIC of a guest that runs; libvirt finds a place in the guest for it."""
    return etree.tostring(_element(nic, vif_types, NO_POOLS), encoding="unicode")


def _element(nic: NicConfig, vif_types: VifRegistry, pools: Pools) -> _Element:
    return vif_types.get(nic.vif_type, nic.vnic_type).interface(vif_request(nic, pools))


def _add_root_ports(devices: _Element, places: int) -> None:
    """Say how many PCI Express root ports there are: only into one that is free can be plugged.

    libvirt itself makes one for each device that there is, and hardly one more.
    Source: https://libvirt.org/pci-hotplug.html#x86_64-q35-machine-type
    """
    for index in range(1, places + _OTHER_PORTS + SPARE_PORTS + 1):
        etree.SubElement(
            devices, "controller", type="pci", index=str(index), model="pcie-root-port"
        )


SPARE_PORTS: Final = 4  # NICs that a guest can be given while it runs, until its next start.
_OTHER_PORTS: Final = 2  # Of the disk and the balloon.
_TITLE_END: Final = 3  # <name>, <uuid> and <title> come first.


def _domain(server: ServerConfig, options: DomainOptions) -> _Element:
    root = etree.Element("domain", type=options.domain_type)
    # Server names need not be unique, domain names must be; the server's name is the title.
    _add(root, "name", server.id)
    _add(root, "uuid", server.id)
    _add(root, "title", _NOT_IN_TITLE.sub("\ufffd", server.name) or server.id)
    _add(root, "memory", str(server.memory_mib)).set("unit", "MiB")
    vcpu = _add(root, "vcpu", str(server.vcpus))
    if server.numa_node is not None:
        if server.numa_node.cpus:
            vcpu.set("placement", "static")
            vcpu.set("cpuset", server.numa_node.cpus)
        numatune = etree.SubElement(root, "numatune")
        nodeset = str(server.numa_node.number)
        etree.SubElement(numatune, "memory", mode="strict", nodeset=nodeset)
    os = etree.SubElement(root, "os")
    machine = _add(os, "type", "hvm")
    machine.set("arch", options.arch)
    machine.set("machine", "q35")
    etree.SubElement(os, "boot", dev="hd")
    features = etree.SubElement(root, "features")
    etree.SubElement(features, "acpi")
    etree.SubElement(features, "apic")
    if options.domain_type == "kvm":
        etree.SubElement(root, "cpu", mode="host-passthrough")
    for event, answer in (("poweroff", "destroy"), ("reboot", "restart"), ("crash", "destroy")):
        _add(root, f"on_{event}", answer)
    return root


def _add(parent: _Element, tag: str, text: str) -> _Element:
    element = etree.SubElement(parent, tag)
    element.text = text
    return element


def _console(server: ServerConfig, options: DomainOptions) -> _Element:
    """Return a serial console; what the guest says on it is kept beside it, whoever listens."""
    console = etree.Element("console", type="pty")
    if options.console_directory is not None:
        path = f"{options.console_directory}/{server.id}.log"
        etree.SubElement(console, "log", file=path, append="on")
    etree.SubElement(console, "target", type="serial")
    return console


def _disk(path: str) -> _Element:
    disk = etree.Element("disk", type="file", device="disk")
    etree.SubElement(disk, "driver", name="qemu", type="qcow2")
    etree.SubElement(disk, "source", file=path)
    etree.SubElement(disk, "target", dev="vda", bus="virtio")
    return disk


def _cdrom(path: str) -> _Element:
    disk = etree.Element("disk", type="file", device="cdrom")
    etree.SubElement(disk, "driver", name="qemu", type="raw")
    etree.SubElement(disk, "source", file=path)
    etree.SubElement(disk, "target", dev="sda", bus="sata")
    etree.SubElement(disk, "readonly")
    return disk


def _metadata(server: ServerConfig, digest: str) -> _Element:
    metadata = etree.Element("metadata")
    ours = etree.SubElement(metadata, _METADATA, nsmap={"trunkline": METADATA_NAMESPACE})
    ours.set("boot-number", str(server.boot_number))
    if server.disk_number > 1:
        ours.set("disk-number", str(server.disk_number))
    ours.set("xml-digest", digest)
    return metadata

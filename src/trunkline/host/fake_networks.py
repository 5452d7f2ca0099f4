"""libvirt's networks on one simulated machine: those that hand out devices, and no others.

Source: libvirt, src/network/bridge_driver.c, networkValidate(), networkAllocatePort() and
networkReleasePort(); seen alike on libvirt 9.0.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import replace

import msgspec
from lxml import etree

from trunkline.domain.device import DeviceKind, PciFunction
from trunkline.domain.network_pool import PoolMode, PoolNetwork
from trunkline.domain.pci import PciAddress
from trunkline.host.libvirt_domain import (
    METADATA_NAMESPACE,
    DirectInterface,
    HostdevInterface,
    LibvirtDomain,
    NetworkInterface,
    parse_address,
)
from trunkline.reconcile.interfaces import HostRefused
from trunkline.reconcile.observed import NetworkState

_OURS = f"metadata/{{{METADATA_NAMESPACE}}}network"


class NetworkRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A defined network."""

    uuid: str
    defined: PoolNetwork
    is_ours: bool = False
    autostarts: bool = False
    live: PoolNetwork | None = None  # None: it is not active.
    counted: list[str] = msgspec.field(default_factory=list)  # Members that guests have.


Networks = dict[str, NetworkRecord]


def network_states(networks: Networks) -> Mapping[str, NetworkState]:
    """Return what libvirt tells of its networks."""
    return {
        name: NetworkState(
            is_ours=record.is_ours,
            autostarts=record.autostarts,
            defined=record.defined,
            live=record.live,
            is_active=record.live is not None,
            in_use=bool(record.counted),
        )
        for name, record in networks.items()
    }


def define(networks: Networks, xml: str, functions: Mapping[PciAddress, PciFunction]) -> str:
    """Define a network, or redefine one; return its name.

    Raises:
        ValueError: libvirt would not take it; the text says why.
    """
    root = etree.fromstring(xml.encode(), etree.XMLParser(resolve_entities=False, no_network=True))
    name = root.findtext("name") or ""
    if not name:
        raise ValueError("XML error: missing name element")
    given = root.findtext("uuid")
    known = networks.get(name)
    if known is not None and given != known.uuid:
        raise ValueError(f"network '{name}' already exists with uuid {known.uuid}")
    network = _parse(root)
    for member in network.members if network.mode is PoolMode.HOSTDEV else ():
        function = functions.get(PciAddress.parse(member))
        if function is None or function.kind is not DeviceKind.VF:
            raise ValueError(
                f"device '{member}' in network '{name}' is not an SR-IOV Virtual Function"
            )
    record = NetworkRecord(
        uuid=given or str(uuid.uuid5(uuid.NAMESPACE_OID, f"network {name}")), defined=network
    )
    record = networks.setdefault(name, record)
    # An active one keeps what it was started with.
    record.defined, record.is_ours = network, root.find(_OURS) is not None
    record.autostarts = True
    return name


def restarted(networks: Networks) -> None:
    """Follow a boot of the machine: networks start that are to, and nobody uses them."""
    for record in networks.values():
        record.live = record.defined if record.autostarts else None
        record.counted = []


def with_devices(
    networks: Networks, domain: LibvirtDomain, *, last: bool = False
) -> tuple[LibvirtDomain, list[tuple[str, str]]]:
    """Choose a device for each NIC on a network, the first that libvirt does not count as used.

    With `last`, the last such: all that is promised is that it is one of them.

    Returns:
        The domain as if it had named its devices, and which members of which network they are.

    Raises:
        HostRefused: A network is not there or not active, or all its devices are used.
    """
    taken: list[tuple[str, str]] = []
    hostdevs, directs = list(domain.hostdev_interfaces), list(domain.direct_interfaces)
    for interface in domain.networks:
        mode, member = _choose(networks, interface, taken, last=last)
        taken.append((interface.network, member))
        mac, vlan_id, at = interface.mac, interface.vlan_id, interface.at
        if mode is PoolMode.HOSTDEV:
            address = PciAddress.parse(member)
            hostdevs.append(HostdevInterface(address=address, mac=mac, vlan_id=vlan_id, at=at))
        else:
            directs.append(DirectInterface(ifname=member, mac=mac, vlan_id=vlan_id, at=at))
    return (
        replace(domain, hostdev_interfaces=tuple(hostdevs), direct_interfaces=tuple(directs)),
        taken,
    )


def count(networks: Networks, taken: Collection[tuple[str, str]]) -> None:
    """Note that a guest has these members."""
    for name, member in taken:
        networks[name].counted.append(member)


def uncount(networks: Networks, taken: Collection[tuple[str, str]]) -> None:
    """Note that it has them no more. A network that was stopped meanwhile has forgotten it."""
    for name, member in taken:
        record = networks.get(name)
        if record is not None and member in record.counted:
            record.counted.remove(member)


def _choose(
    networks: Networks,
    interface: NetworkInterface,
    taken: Collection[tuple[str, str]],
    *,
    last: bool,
) -> tuple[PoolMode, str]:
    name = interface.network
    record = networks.get(name)
    if record is None:
        raise HostRefused("interface", f"Network not found: no network with matching name '{name}'")
    if record.live is None:
        raise HostRefused("interface", f"network '{name}' is not active")
    for member in reversed(record.live.members) if last else record.live.members:
        if member not in record.counted and (name, member) not in taken:
            return record.live.mode, member
    raise HostRefused(
        "interface",
        f"network '{name}' requires exclusive access to interfaces, but none are available",
    )


def _parse(root: etree._Element) -> PoolNetwork:
    forward = root.find("forward")
    mode = None if forward is None else forward.get("mode")
    if forward is None or mode not in {each.value for each in PoolMode}:
        raise ValueError(f"a network of mode {mode!r} is not simulated")
    members = [str(parse_address(each)) for each in forward.findall("address")]
    members += [each.get("dev") or "" for each in forward.findall("interface")]
    return PoolNetwork(PoolMode(mode), tuple(members))

"""Bridges of this machine, read by rtnetlink; what is beneath their ports, by sysfs."""

from __future__ import annotations

import errno
from collections.abc import Collection, Mapping
from typing import Final

from trunkline.domain.bridge import Bridge, BridgePort
from trunkline.domain.ether import MacAddress
from trunkline.domain.pci import PciAddress
from trunkline.host.linux import sysfs
from trunkline.host.linux.bridge_messages import (
    BridgeLink,
    get_own_addresses,
    get_ports,
    parse_bridge,
    parse_own_address,
    parse_port,
)
from trunkline.host.linux.link_messages import RTM_GETLINK, get_link_by_name
from trunkline.host.linux.netlink import Malformed
from trunkline.host.linux.rtnetlink import Rtnetlink
from trunkline.host.refusals import host_refused
from trunkline.reconcile.interfaces import HostRefused

_DEPTH_MAX: Final = 8  # As netdevs are stacked: Linux include/linux/netdevice.h, MAX_NEST_DEV.


def read_bridges(
    rtnetlink: Rtnetlink, sysfs_root: str, names: Collection[str]
) -> Mapping[str, Bridge]:
    """See `Kernel.bridges`."""
    operation = "bridge -d vlan show"
    try:
        links = {name: link for name in names if (link := _find_bridge(rtnetlink, name))}
        type_, flags, payload = get_ports()
        readings = [parse_port(each) for each in rtnetlink.exchange(type_, payload, flags=flags)]
        ports: dict[int, dict[str, BridgePort]] = {link.index: {} for link in links.values()}
        for reading in readings:
            if reading is None or reading.bridge_index not in ports:
                continue
            functions = functions_beneath(sysfs_root, reading.ifname)
            ports[reading.bridge_index][reading.ifname] = BridgePort(
                ifname=reading.ifname,
                pvid=reading.pvid,
                vlans=reading.vlans,
                is_uplink=functions is not None,
                functions=functions or frozenset(),
            )
    except Malformed as problem:
        raise HostRefused(operation, f"can't read what rtnetlink told: {problem}") from problem
    except OSError as problem:
        raise host_refused(operation, problem) from problem
    return {
        name: Bridge(
            name=name,
            vlan_filtering=link.vlan_filtering,
            default_pvid=link.default_pvid,
            ports=ports[link.index],
        )
        for name, link in links.items()
    }


def read_uplinks(sysfs_root: str) -> Mapping[str, frozenset[PciAddress]]:
    """Return all bridges, each with the PCI functions beneath its uplinks."""
    netdevs = f"{sysfs_root}/class/net"
    found = {}
    for name in sysfs.neighbours(netdevs, ""):
        if sysfs.find_int(f"{netdevs}/{name}/bridge/stp_state") is None:
            continue
        ports = sysfs.neighbours(f"{netdevs}/{name}", "lower_")
        beneath = (functions_beneath(sysfs_root, port) or frozenset() for port in ports)
        found[name] = frozenset[PciAddress]().union(*beneath)
    return found


def read_own_addresses(rtnetlink: Rtnetlink, ifindex: int) -> frozenset[MacAddress]:
    """Read the addresses in a netdev's own forwarding table. Raises as `exchange` does."""
    type_, flags, payload = get_own_addresses(ifindex)
    told = rtnetlink.exchange(type_, payload, flags=flags)
    found = (parse_own_address(each, ifindex) for each in told)
    return frozenset(mac for mac in found if mac is not None)


def _find_bridge(rtnetlink: Rtnetlink, name: str) -> BridgeLink | None:
    try:
        links = rtnetlink.exchange(RTM_GETLINK, get_link_by_name(name))
    except OSError as refusal:
        if refusal.errno == errno.ENODEV:
            return None
        raise
    if len(links) != 1:
        raise Malformed(f"asked for one link, rtnetlink tells of {len(links)}")
    return parse_bridge(links[0])


def functions_beneath(root: str, ifname: str, depth: int = 0) -> frozenset[PciAddress] | None:
    """Return the PCI functions beneath a netdev; None: it is not on top of any hardware.

    Hardware elsewhere than on PCI has no function. A representor stands for what is at the other
    end of a VF, though the card that it is on is the PF's.
    """
    netdev = f"{root}/class/net/{ifname}"
    if sysfs.is_representor(netdev):
        return None
    name = sysfs.find_link_name(f"{netdev}/device")
    if name is not None:
        try:
            return frozenset({PciAddress.parse(name)})
        except ValueError:
            return frozenset()
    found: frozenset[PciAddress] | None = None
    for lower in sysfs.neighbours(netdev, "lower_") if depth < _DEPTH_MAX else ():
        beneath = functions_beneath(root, lower, depth + 1)
        if beneath is not None:
            found = (found or frozenset()) | beneath
    return found

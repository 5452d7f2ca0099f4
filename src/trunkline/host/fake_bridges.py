"""Bridges of a simulated kernel: what they take and refuse, as Linux does.

Source: Linux net/bridge/br_netlink.c, br_process_vlan_info(); br_vlan.c, __vlan_add_flags();
net/core/rtnetlink.c, rtnl_bridge_setlink(), ndo_dflt_fdb_add().
"""

from __future__ import annotations

import errno
from collections.abc import Collection, Mapping
from typing import Final

from trunkline.domain.bridge import Bridge, BridgePort
from trunkline.domain.ether import MacAddress
from trunkline.domain.pci import PciAddress
from trunkline.host import machine
from trunkline.host.machine import KernelState, PfRecord, PortRecord, refused

DEFAULT_PVID: Final = 1  # Source: net/bridge/br_vlan.c, br_vlan_init().
_VLAN_ID_LAST: Final = 4094


def bridges(state: KernelState, names: Collection[str]) -> Mapping[str, Bridge]:
    """Read bridges with their ports."""
    return {
        name: Bridge(
            name=name,
            vlan_filtering=name not in state.unfiltered_bridges,
            default_pvid=DEFAULT_PVID,
            ports={port.ifname: _port(state, port) for port in state.ports if port.bridge == name},
        )
        for name in names
        if name in state.bridges
    }


def make_port(bridge: str, ifname: str, *, is_uplink: bool = False) -> PortRecord:
    """Make a port as it is when it has just been added."""
    return PortRecord(
        bridge=bridge,
        ifname=ifname,
        pvid=DEFAULT_PVID,
        vlans={DEFAULT_PVID: True},
        is_uplink=is_uplink,
    )


def set_port_vlan(
    state: KernelState, ifname: str, vlan_id: int, *, untagged: bool, member: bool
) -> None:
    """Add a VLAN to a port, or take it away; one that is not there is taken away as well."""
    port = find_port(state, ifname)
    if port is None:
        exists = machine.netdev_exists(state, ifname)
        raise refused(errno.EOPNOTSUPP if exists else errno.ENODEV)
    if not 0 < vlan_id <= _VLAN_ID_LAST:
        raise refused(errno.EINVAL)
    if port.pvid == vlan_id:
        port.pvid = 0
    if not member:
        port.vlans.pop(vlan_id, None)
        return
    port.vlans[vlan_id] = untagged
    if untagged:
        port.pvid = vlan_id


def set_address(state: KernelState, ifname: str, mac: MacAddress, *, present: bool) -> None:
    """Add an address to a PF's own table, or take it away."""
    pf, vf_index = machine.find_netdev(state, ifname)
    if vf_index is not None:
        raise refused(errno.EOPNOTSUPP)
    if mac.is_multicast or mac.is_zero:
        raise refused(errno.EINVAL)
    if present and mac not in pf.addresses:
        pf.addresses.append(mac)
    elif not present:
        if mac not in pf.addresses:
            raise refused(errno.ENOENT)
        pf.addresses.remove(mac)


def addresses(pf: PfRecord) -> frozenset[MacAddress]:
    """Read a PF's own table."""
    if pf.in_guest:
        raise refused(errno.ENODEV)
    return frozenset(pf.addresses)


def add_tap(state: KernelState, bridge: str, ifname: str) -> None:
    """Make a tap and add it to a bridge."""
    if bridge not in state.bridges:
        raise refused(errno.ENODEV)
    if machine.netdev_exists(state, ifname):
        raise refused(errno.EBUSY)  # Source: drivers/net/tun.c, tun_set_iff(): another has it.
    state.ports.append(make_port(bridge, ifname))


def remove_tap(state: KernelState, ifname: str) -> None:
    """Take a tap away, and with it its VLANs."""
    port = find_port(state, ifname)
    if port is None:
        raise refused(errno.ENODEV)
    state.ports.remove(port)


def reboot(state: KernelState) -> None:
    """Leave what the host's own configuration makes: uplinks as they begin, and no taps."""
    state.ports = [
        make_port(port.bridge, port.ifname, is_uplink=True)
        for port in state.ports
        if port.is_uplink
    ]
    for pf in state.pfs:
        pf.addresses = []


def find_port(state: KernelState, ifname: str) -> PortRecord | None:
    """Find a port by its name."""
    return next((port for port in state.ports if port.ifname == ifname), None)


def _port(state: KernelState, port: PortRecord) -> BridgePort:
    functions: set[PciAddress] = set()
    if port.is_uplink:
        functions = {pf.address for pf in state.pfs if pf.ifname == port.ifname}
    return BridgePort(
        ifname=port.ifname,
        pvid=port.pvid,
        vlans=dict(port.vlans),
        is_uplink=port.is_uplink,
        functions=frozenset(functions),
    )

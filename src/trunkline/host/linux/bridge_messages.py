"""VLANs of a bridge's ports and static entries of forwarding tables, as bytes of netlink.

Source: Linux include/uapi/linux/if_bridge.h, if_link.h and neighbour.h; net/bridge/br_netlink.c,
net/core/rtnetlink.c, rtnl_fdb_add(), rtnl_bridge_getlink().
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from trunkline.domain.ether import MacAddress
from trunkline.host.linux.link_messages import RTM_DELLINK, RTM_GETLINK, RTM_SETLINK, link_info
from trunkline.host.linux.netlink import (
    NLM_F_APPEND,
    NLM_F_CREATE,
    NLM_F_DUMP,
    Malformed,
    attribute,
    attributes,
)

_RTM_NEWNEIGH: Final = 28
_RTM_DELNEIGH: Final = 29
_RTM_GETNEIGH: Final = 30
_AF_BRIDGE: Final = socket.AF_BRIDGE
_IFINFOMSG: Final = struct.Struct("=BxHiII")  # Family, type, index, flags, mask of flags.
_NDMSG: Final = struct.Struct("=BxxxiHBB")  # Family, index, state, flags, type.

_IFLA_IFNAME: Final = 3
_IFLA_MASTER: Final = 10
_IFLA_AF_SPEC: Final = 26
_IFLA_EXT_MASK: Final = 29
_BR_VLAN_FILTERING: Final = 7
_BR_VLAN_PROTOCOL: Final = 8
_BR_VLAN_DEFAULT_PVID: Final = 39
_802_1Q: Final = b"\x81\x00"
_RTEXT_FILTER_BRVLAN: Final = 2
_IFLA_BRIDGE_FLAGS: Final = 0
_IFLA_BRIDGE_VLAN_INFO: Final = 2
_VLAN_INFO: Final = struct.Struct("=HH")  # Flags, VLAN ID.
_PVID: Final = 1 << 1
_UNTAGGED: Final = 1 << 2

_NDA_LLADDR: Final = 2
_NDA_VLAN: Final = 5
_NUD_NOARP: Final = 0x40
_NUD_PERMANENT: Final = 0x80
_NTF_SELF: Final = 0x02

Request = tuple[int, int, bytes]  # Type, flags, payload.


def port_vlan(index: int, vlan_id: int, *, untagged: bool, member: bool) -> Request:
    """Make a bridge's port (by index) a member of a VLAN, or not; a VLAN it has stays as told.

    `untagged`: frames without a tag are of this VLAN, and its frames leave without one.
    """
    flags = _PVID | _UNTAGGED if untagged and member else 0
    vlan = attribute(_IFLA_BRIDGE_VLAN_INFO, _VLAN_INFO.pack(flags, vlan_id))
    payload = _IFINFOMSG.pack(_AF_BRIDGE, 0, index, 0, 0) + attribute(_IFLA_AF_SPEC, vlan)
    return (RTM_SETLINK if member else RTM_DELLINK, 0, payload)


def fdb_entry(index: int, mac: MacAddress, *, vlan_id: int | None, present: bool) -> Request:
    """Add an address to, or remove it from, what the netdev's own switch sends to this netdev.

    That is how frames of a VF reach a guest behind a bridge on the same PF.
    """
    payload = _NDMSG.pack(_AF_BRIDGE, index, _NUD_NOARP | _NUD_PERMANENT, _NTF_SELF, 0)
    payload += attribute(_NDA_LLADDR, bytes.fromhex(str(mac).replace(":", "")))
    if vlan_id is not None:
        payload += attribute(_NDA_VLAN, struct.pack("=H", vlan_id))
    if present:
        return (_RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_APPEND, payload)
    return (_RTM_DELNEIGH, 0, payload)


# Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeLink:
    """A bridge, as its link tells it."""

    index: int
    vlan_filtering: bool  # By 802.1Q; a bridge that goes by 802.1ad does not know our VLANs apart.
    default_pvid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PortReading:
    """A port of a bridge."""

    ifname: str
    bridge_index: int
    pvid: int
    vlans: Mapping[int, bool]  # By VLAN: whether it leaves untagged.


def get_ports() -> Request:
    """Ask for all ports of all bridges, with their VLANs one by one."""
    mask = attribute(_IFLA_EXT_MASK, struct.pack("=I", _RTEXT_FILTER_BRVLAN))
    return RTM_GETLINK, NLM_F_DUMP, _IFINFOMSG.pack(_AF_BRIDGE, 0, 0, 0, 0) + mask


def get_own_addresses(index: int) -> Request:
    """Ask for the forwarding entries of one netdev, its own and those of a bridge it is a port of.

    The request is a link's: with that, any kernel looks at this netdev alone.
    Source: Linux net/core/rtnetlink.c, valid_fdb_dump_legacy().
    """
    return _RTM_GETNEIGH, NLM_F_DUMP, _IFINFOMSG.pack(_AF_BRIDGE, 0, index, 0, 0)


def parse_bridge(link: memoryview) -> BridgeLink | None:
    """Read the RTM_NEWLINK of a netdev; None: it is no bridge. Raises `Malformed`."""
    index, found = _link(link)
    kind, of_bridge = link_info(found)
    if kind != b"bridge":
        return None
    data = dict(attributes(of_bridge))
    protocol = bytes(data.get(_BR_VLAN_PROTOCOL, _802_1Q))
    return BridgeLink(
        index=index,
        vlan_filtering=any(data.get(_BR_VLAN_FILTERING, b"")) and protocol == _802_1Q,
        default_pvid=_u16(data.get(_BR_VLAN_DEFAULT_PVID, b"\0\0")),
    )


def parse_port(link: memoryview) -> PortReading | None:
    """Read an RTM_NEWLINK of the family AF_BRIDGE; None: it tells of no port. Raises `Malformed`.

    A bridge tells of itself too, and a card of its embedded switch (BRIDGE_FLAGS_SELF).
    """
    index, found = _link(link)
    master = found.get(_IFLA_MASTER)
    spec = list(attributes(found.get(_IFLA_AF_SPEC, memoryview(b""))))
    if master is None or any(type_ == _IFLA_BRIDGE_FLAGS for type_, _ in spec):
        return None
    if len(master) < 4:
        raise Malformed(f"IFLA_MASTER has {len(master)} bytes, not 4")
    (bridge_index,) = struct.unpack_from("=I", master)
    if bridge_index == index:
        return None
    pvid, vlans = 0, {}
    for type_, value in spec:
        if type_ != _IFLA_BRIDGE_VLAN_INFO:
            continue
        if len(value) < _VLAN_INFO.size:
            raise Malformed(f"IFLA_BRIDGE_VLAN_INFO has {len(value)} bytes, not {_VLAN_INFO.size}")
        flags, vlan_id = _VLAN_INFO.unpack_from(value)
        vlans[vlan_id] = bool(flags & _UNTAGGED)
        pvid = vlan_id if flags & _PVID else pvid
    name = bytes(found.get(_IFLA_IFNAME, b"")).rstrip(b"\0").decode("utf-8", "surrogateescape")
    return PortReading(ifname=name, bridge_index=bridge_index, pvid=pvid, vlans=vlans)


def parse_own_address(neighbour: memoryview, index: int) -> MacAddress | None:
    """Read an RTM_NEWNEIGH of the family AF_BRIDGE; None: no address of an interface that the
    netdev with this index has in its own table. Raises `Malformed`.
    """
    if len(neighbour) < _NDMSG.size:
        raise Malformed(f"a neighbour message of {len(neighbour)} bytes ends in its header")
    _, about, _, flags, _ = _NDMSG.unpack_from(neighbour)
    address = dict(attributes(neighbour[_NDMSG.size :])).get(_NDA_LLADDR)
    if about != index or not flags & _NTF_SELF or address is None or len(address) != 6:
        return None
    mac = MacAddress(bytes(address).hex(":"))
    return None if mac.is_multicast else mac


def is_about_a_port(link: memoryview) -> bool:
    """Whether an RTM_NEWLINK or RTM_DELLINK is of the family AF_BRIDGE. Raises `Malformed`."""
    if len(link) < _IFINFOMSG.size:
        raise Malformed(f"a link message of {len(link)} bytes ends in its header")
    return link[0] == _AF_BRIDGE


def _link(link: memoryview) -> tuple[int, dict[int, memoryview]]:
    if len(link) < _IFINFOMSG.size:
        raise Malformed(f"a link message of {len(link)} bytes ends in its header")
    _, _, index, _, _ = _IFINFOMSG.unpack_from(link)
    return index, dict(attributes(link[_IFINFOMSG.size :]))


def _u16(value: bytes | memoryview) -> int:
    if len(value) < 2:
        raise Malformed(f"a number has {len(value)} bytes, not 2")
    (number,) = struct.unpack_from("=H", value)
    return int(number)

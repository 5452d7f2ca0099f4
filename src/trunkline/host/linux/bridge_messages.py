"""VLANs of a bridge's ports and static entries of forwarding tables: requests as bytes.

Source: Linux include/uapi/linux/if_bridge.h and neighbour.h; net/bridge/br_netlink.c,
net/core/rtnetlink.c, rtnl_fdb_add().
"""

from __future__ import annotations

import socket
import struct
from typing import Final

from trunkline.domain.ether import MacAddress
from trunkline.host.linux.link_messages import RTM_DELLINK, RTM_SETLINK
from trunkline.host.linux.netlink import NLM_F_APPEND, NLM_F_CREATE, attribute

_RTM_NEWNEIGH: Final = 28
_RTM_DELNEIGH: Final = 29
_AF_BRIDGE: Final = socket.AF_BRIDGE
_IFINFOMSG: Final = struct.Struct("=BxHiII")  # Family, type, index, flags, mask of flags.
_NDMSG: Final = struct.Struct("=BxxxiHBB")  # Family, index, state, flags, type.

_IFLA_AF_SPEC: Final = 26
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

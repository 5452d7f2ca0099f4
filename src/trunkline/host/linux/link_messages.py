"""RTM_GETLINK and RTM_SETLINK: requests as bytes, and what the kernel tells about a link.

Source: Linux include/uapi/linux/if_link.h and rtnetlink.h; net/core/rtnetlink.c.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from trunkline.domain.ether import MacAddress
from trunkline.domain.vf import LinkState, VfChange, VlanProtocol
from trunkline.host.linux.netlink import (
    Malformed,
    attribute,
    attributes,
    header_at,
    value_at,
)

RTM_NEWLINK: Final = 16
RTM_DELLINK: Final = 17
RTM_GETLINK: Final = 18
RTM_SETLINK: Final = 19
RTM_DELLINKPROP: Final = 109

IFF_UP: Final = 0x1

_IFINFOMSG: Final = struct.Struct("=BxHiII")  # Family, type, index, flags, mask of flags.

_IFNAME: Final = 3
_TXQLEN: Final = 13
_LINKINFO: Final = 18
_INFO_KIND: Final = 1
_INFO_DATA: Final = 2
_NUM_VF: Final = 21
_VFINFO_LIST: Final = 22
_EXT_MASK: Final = 29
_CARRIER: Final = 33
_PROP_LIST: Final = 52
_ALT_IFNAME: Final = 53
_PERM_ADDRESS: Final = 54
_PARENT_DEV_NAME: Final = 56
_PARENT_DEV_BUS_NAME: Final = 57
_NESTED: Final = 0x8000

_RTEXT_FILTER_VF: Final = 1
# Without statistics a VF takes 196 bytes instead of some 300. Since Linux 5.17.
_RTEXT_FILTER_SKIP_STATS: Final = 8

_VF_INFO: Final = 1
_VF_MAC, _VF_VLAN, _VF_SPOOFCHK, _VF_LINK_STATE, _VF_RATE, _VF_TRUST, _VF_VLAN_LIST = (
    1, 2, 4, 5, 6, 9, 12,
)  # fmt: skip
_PAIR: Final = struct.Struct("=II")
_TRIPLE: Final = struct.Struct("=III")
_MAC_STRUCT: Final = struct.Struct("=I32s")
_VF_VLAN_INFO: Final = 1
_VLAN_INFO: Final = struct.Struct("=III2s2x")  # VF, VLAN ID, priority, EtherType in network order.

# Source: Linux include/uapi/linux/if_ether.h, ETH_P_8021Q and ETH_P_8021AD.
_ETHER_TYPES: Final[Mapping[VlanProtocol, bytes]] = MappingProxyType(
    {VlanProtocol.DOT1Q: b"\x81\x00", VlanProtocol.DOT1AD: b"\x88\xa8"}
)
_PROTOCOLS: Final = {ether_type: protocol for protocol, ether_type in _ETHER_TYPES.items()}
_NOT_REPORTED: Final = 0xFFFF_FFFF  # -1: rtnl_fill_vfinfo() asks, and the driver does not answer.
# Source: enum in if_link.h, IFLA_VF_LINK_STATE_*.
_LINK_STATES: Final = (LinkState.AUTO, LinkState.ENABLE, LinkState.DISABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class VfReading:
    """What the kernel reports of one VF. A link state or rate of 0 may stand for "don't know"."""

    mac: MacAddress
    vlan_id: int
    vlan_qos: int
    vlan_protocol: VlanProtocol | None  # None: one that is neither of those there are names for.
    min_tx_rate_mbps: int
    max_tx_rate_mbps: int
    link_state: LinkState
    spoof_check: bool | None  # None: the driver does not report it.
    trust: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One RTM_NEWLINK or RTM_DELLINK."""

    index: int
    is_up: bool
    ifname: str
    alt_ifnames: tuple[str, ...] = ()
    carrier: bool | None = None  # None: not told.
    permanent_mac: MacAddress | None = None
    parent: str | None = None  # Address of the PCI function that the netdev sits on.
    vfs: Mapping[int, VfReading] = field(default_factory=lambda: MappingProxyType({}))


# Requests


def get_link(index: int, *, with_vfs: bool = False) -> bytes:
    """Ask for a link by its index."""
    mask = _RTEXT_FILTER_SKIP_STATS | (_RTEXT_FILTER_VF if with_vfs else 0)
    return _IFINFOMSG.pack(0, 0, index, 0, 0) + attribute(_EXT_MASK, struct.pack("=I", mask))


def get_link_by_name(ifname: str) -> bytes:
    """Ask for a link by its name, or one of its alternative names."""
    name = ifname.encode() + b"\0"
    return (
        _IFINFOMSG.pack(0, 0, 0, 0, 0)
        + attribute(_EXT_MASK, struct.pack("=I", _RTEXT_FILTER_SKIP_STATS))
        + attribute(_IFNAME, name)
    )


def set_up(index: int, *, up: bool) -> bytes:
    """Set a link up or down."""
    return _IFINFOMSG.pack(0, 0, index, IFF_UP if up else 0, IFF_UP)


def set_queue_length(index: int, packets: int) -> bytes:
    """Set how many packets may wait in a netdev."""
    return _IFINFOMSG.pack(0, 0, index, 0, 0) + attribute(_TXQLEN, struct.pack("=I", packets))


def set_name(index: int, ifname: str) -> bytes:
    """Rename a link, which must be down (before Linux 6.2)."""
    return _IFINFOMSG.pack(0, 0, index, 0, 0) + attribute(_IFNAME, ifname.encode() + b"\0")


def delete_alt_name(index: int, ifname: str) -> bytes:
    """Take one alternative name from a link (RTM_DELLINKPROP)."""
    name = attribute(_ALT_IFNAME, ifname.encode() + b"\0")
    return _IFINFOMSG.pack(0, 0, index, 0, 0) + attribute(_PROP_LIST | _NESTED, name)


def set_vf(index: int, vf_index: int, change: VfChange) -> bytes:
    """Write settings of one VF of the PF whose netdev has this index.

    The VLAN goes as IFLA_VF_VLAN, whose protocol is always 802.1Q, or in IFLA_VF_VLAN_LIST.
    """
    parts: list[bytes] = []
    if change.mac is not None:
        mac = bytes.fromhex(str(change.mac).replace(":", ""))
        parts.append(attribute(_VF_MAC, _MAC_STRUCT.pack(vf_index, mac)))
    if change.vlan_id is not None:
        parts.append(_vlan(vf_index, change))
    if change.min_tx_rate_mbps is not None:
        rates = (change.min_tx_rate_mbps, change.max_tx_rate_mbps or 0)
        parts.append(attribute(_VF_RATE, _TRIPLE.pack(vf_index, *rates)))
    if change.spoof_check is not None:
        parts.append(attribute(_VF_SPOOFCHK, _PAIR.pack(vf_index, change.spoof_check)))
    if change.link_state is not None:
        state = _LINK_STATES.index(change.link_state)
        parts.append(attribute(_VF_LINK_STATE, _PAIR.pack(vf_index, state)))
    if change.trust is not None:
        parts.append(attribute(_VF_TRUST, _PAIR.pack(vf_index, change.trust)))
    vf_info = attribute(_VF_INFO, b"".join(parts))
    return _IFINFOMSG.pack(0, 0, index, 0, 0) + attribute(_VFINFO_LIST, vf_info)


def _vlan(vf_index: int, change: VfChange) -> bytes:
    vlan = vf_index, change.vlan_id, change.vlan_qos or 0
    protocol = change.vlan_protocol or VlanProtocol.DOT1Q
    if protocol is VlanProtocol.DOT1Q:
        return attribute(_VF_VLAN, _TRIPLE.pack(*vlan))
    info = attribute(_VF_VLAN_INFO, _VLAN_INFO.pack(*vlan, _ETHER_TYPES[protocol]))
    return attribute(_VF_VLAN_LIST, info)


# What the kernel tells


def link_info(link: Mapping[int, memoryview]) -> tuple[bytes, memoryview]:
    """Return the kind of a netdev, by its link's attributes, and the attributes of that kind.

    Both are empty for what has no kind, as the netdev of a card. Raises `Malformed`.
    """
    info = dict(attributes(link.get(_LINKINFO, memoryview(b""))))
    kind = bytes(info.get(_INFO_KIND, b"")).rstrip(b"\0")
    return kind, info.get(_INFO_DATA, memoryview(b""))


def parse_link(payload: memoryview) -> Link:
    """Read an RTM_NEWLINK or RTM_DELLINK.

    Raises:
        Malformed: It is none.
    """
    if len(payload) < _IFINFOMSG.size:
        raise Malformed(f"a link message of {len(payload)} bytes ends in its header")
    _family, _type, index, flags, _change = _IFINFOMSG.unpack_from(payload)
    found: dict[int, memoryview] = {}
    vfs: dict[int, VfReading] = {}
    at = _IFINFOMSG.size
    while at < len(payload):
        length, type_ = header_at(payload, at)
        if type_ == _VFINFO_LIST:
            end = _vf_list_end(payload, at, length, count=_u32(found.get(_NUM_VF), "IFLA_NUM_VF"))
            vfs = _parse_vfs(payload[at + 4 : end])
            at = end
            continue
        found[type_] = value_at(payload, at, length)
        at += length + -length % 4
    carrier = found.get(_CARRIER)
    return Link(
        index=index,
        is_up=bool(flags & IFF_UP),
        ifname=_text(found.get(_IFNAME)),
        alt_ifnames=_alt_names(found.get(_PROP_LIST)),
        carrier=None if carrier is None else any(carrier),
        permanent_mac=_mac(found.get(_PERM_ADDRESS)),
        parent=_text(found.get(_PARENT_DEV_NAME)) or None
        if _text(found.get(_PARENT_DEV_BUS_NAME)) == "pci"
        else None,
        vfs=MappingProxyType(vfs),
    )


def _vf_list_end(payload: memoryview, at: int, length: int, *, count: int) -> int:
    """Find where IFLA_VFINFO_LIST ends, whose own length has 16 bits and wraps with many VFs.

    From some 222 VFs with statistics, or 334 without, on. The entries say their own lengths, so
    they are counted off; the list's must agree with their sum as far as it goes.

    Source: Linux include/net/netlink.h, nla_nest_end(): `start->nla_len` is a u16.
    """
    end = at + 4
    for _ in range(count):
        if end >= len(payload):
            break
        entry_length, type_ = header_at(payload, end)
        if type_ != _VF_INFO:  # The driver has left VFs out, so that fewer came than there are.
            break
        value_at(payload, end, entry_length)
        end += entry_length + -entry_length % 4
    if (end - at) & 0xFFFF != length:
        raise Malformed(
            f"the list of VFs has {end - at} bytes, which does not agree with the {length} it says"
        )
    return end


def _parse_vfs(entries: memoryview) -> dict[int, VfReading]:
    vfs: dict[int, VfReading] = {}
    for _type, entry in attributes(entries):
        found = dict(attributes(entry))
        vf_index, mac = _unpack(_MAC_STRUCT, found.get(_VF_MAC), "IFLA_VF_MAC")
        _, vlan_id, vlan_qos = _unpack(_TRIPLE, found.get(_VF_VLAN), "IFLA_VF_VLAN")
        _, slowest, fastest = _unpack(_TRIPLE, found.get(_VF_RATE), "IFLA_VF_RATE")
        _, link_state = _unpack(_PAIR, found.get(_VF_LINK_STATE), "IFLA_VF_LINK_STATE")
        if link_state >= len(_LINK_STATES):
            raise Malformed(f"VF {vf_index} has the link state {link_state}, which does not exist")
        if vf_index in vfs:
            raise Malformed(f"VF {vf_index} is told of twice")
        vfs[vf_index] = VfReading(
            mac=MacAddress(mac[:6].hex(":")),
            vlan_id=vlan_id,
            vlan_qos=vlan_qos,
            vlan_protocol=_protocol(found.get(_VF_VLAN_LIST)),
            min_tx_rate_mbps=slowest,
            max_tx_rate_mbps=fastest,
            link_state=_LINK_STATES[link_state],
            spoof_check=_switch(found.get(_VF_SPOOFCHK), "IFLA_VF_SPOOFCHK"),
            trust=_switch(found.get(_VF_TRUST), "IFLA_VF_TRUST"),
        )
    return vfs


def _protocol(vlan_list: memoryview | None) -> VlanProtocol | None:
    """Return the protocol of the VLAN that is told; without one, and by itself, 802.1Q.

    The kernel tells one. Of several that differ it would be neither's.
    """
    if vlan_list is None:
        return VlanProtocol.DOT1Q
    infos = (_unpack(_VLAN_INFO, value, "IFLA_VF_VLAN_INFO") for _, value in attributes(vlan_list))
    told = {ether_type for _, vlan_id, _, ether_type in infos if vlan_id}
    if not told:
        return VlanProtocol.DOT1Q
    return _PROTOCOLS.get(told.pop()) if len(told) == 1 else None


def _switch(value: memoryview | None, name: str) -> bool | None:
    """Read a setting that is on, off, or not reported (-1)."""
    if value is None:
        return None
    _, setting = _unpack(_PAIR, value, name)
    return None if setting == _NOT_REPORTED else bool(setting)


def _unpack(shape: struct.Struct, value: memoryview | None, name: str) -> tuple[Any, ...]:
    if value is None:
        raise Malformed(f"{name} is missing")
    if len(value) < shape.size:
        raise Malformed(f"{name} has {len(value)} bytes, not {shape.size}")
    return shape.unpack_from(value)


def _u32(value: memoryview | None, name: str) -> int:
    if value is None or len(value) < 4:
        raise Malformed(f"{name} is missing, or has no 4 bytes")
    return int.from_bytes(value[:4], sys.byteorder)


def _text(value: memoryview | None) -> str:
    return "" if value is None else bytes(value).rstrip(b"\0").decode("utf-8", "surrogateescape")


def _mac(value: memoryview | None) -> MacAddress | None:
    return MacAddress(bytes(value).hex(":")) if value is not None and len(value) == 6 else None


def _alt_names(value: memoryview | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(_text(name) for type_, name in attributes(value) if type_ == _ALT_IFNAME)

"""RTM_NEWLINK as the kernel fills it, built here from its headers alone.

Source: Linux net/core/rtnetlink.c, rtnl_fill_ifinfo() and rtnl_fill_vfinfo().
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass


def nla(type_: int, value: bytes) -> bytes:
    """One attribute; a length above 65,535 wraps, as it does in nla_nest_end()."""
    length = 4 + len(value)
    return struct.pack("=HH", length & 0xFFFF, type_) + value + bytes(-length % 4)


@dataclass(frozen=True)
class Vf:
    index: int
    mac: str = "00:00:00:00:00:00"
    vlan: int = 0
    qos: int = 0
    protocol: int = 0x8100
    spoof_check: int = 0xFFFFFFFF
    trust: int = 0xFFFFFFFF
    link_state: int = 0
    min_rate: int = 0
    max_rate: int = 0


def vf_info(vf: Vf, *, with_statistics: bool = False) -> bytes:
    number = struct.pack("=I", vf.index)
    mac = bytes.fromhex(vf.mac.replace(":", ""))
    vlan = number + struct.pack("=II", vf.vlan, vf.qos)
    parts = [
        nla(1, number + mac.ljust(32, b"\0")),
        nla(13, b"\xff" * 6 + bytes(26)),  # Broadcast.
        nla(2, vlan),
        nla(6, number + struct.pack("=II", vf.min_rate, vf.max_rate)),
        nla(3, number + struct.pack("=I", vf.max_rate)),
        nla(4, number + struct.pack("=I", vf.spoof_check)),
        nla(5, number + struct.pack("=I", vf.link_state)),
        nla(7, number + struct.pack("=I", 0xFFFFFFFF)),
        nla(9, number + struct.pack("=I", vf.trust)),
        nla(12, nla(1, vlan + struct.pack("!H", vf.protocol) + bytes(2))),
    ]
    if with_statistics:
        parts.append(nla(8, b"".join(nla(each, bytes(8)) for each in range(8))))
    return nla(1, b"".join(parts))


def new_link(
    vfs: Sequence[Vf] = (),
    *,
    count: int | None = None,
    with_statistics: bool = False,
    index: int = 7,
    ifname: str = "eth0",
    parent: str = "0000:05:00.0",
) -> bytes:
    """The payload of one message; `count` is IFLA_NUM_VF, if it is not how many are listed."""
    payload = struct.pack("=BxHiII", 0, 1, index, 0x1043, 0)
    payload += nla(3, ifname.encode() + b"\0") + nla(33, b"\1")
    payload += nla(54, bytes.fromhex("001b21000001")) + nla(1, bytes.fromhex("001b21000001"))
    payload += nla(36, bytes.fromhex("aabbcc"))
    payload += nla(21, struct.pack("=I", len(vfs) if count is None else count))
    if vfs or count:
        payload += nla(22, b"".join(vf_info(vf, with_statistics=with_statistics) for vf in vfs))
    payload += nla(43, nla(2, b"\0")) + nla(0x8000 | 52, nla(53, b"enp5s0f0\0"))
    return payload + nla(56, parent.encode() + b"\0") + nla(57, b"pci\0")

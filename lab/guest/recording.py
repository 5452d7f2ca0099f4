"""What the kernel says of the lab host's first card, byte for byte, from inside."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

from lab.guest import cards
from lab.guest.cards import NETDEVS, RTEXT_FILTER_VF, RTMGRP_LINK, read, write
from tests.support import sysfs_trees

PF = "pf1"
WAIT_SECONDS_MAX = 240

# Source: Linux include/uapi/linux/netlink.h, rtnetlink.h, if_link.h.
NLM_F_REQUEST, NLM_F_ACK = 0x1, 0x4
RTM_GETLINK, RTM_SETLINK = 18, 19
IFLA_VFINFO_LIST, IFLA_EXT_MASK, IFLA_VF_INFO = 22, 29, 1
IFLA_VF_VLAN, IFLA_VF_LINK_STATE, IFLA_VF_RATE = 2, 5, 6
NETLINK_KOBJECT_UEVENT, KERNEL_UEVENTS = 15, 1

# Settings of VF 0 that igb refuses: each as the attribute and the bytes of its value.
REFUSED = {
    "vlan-4096": (IFLA_VF_VLAN, struct.pack("=III", 0, 4096, 0)),
    "link-state": (IFLA_VF_LINK_STATE, struct.pack("=II", 0, 1)),
    "min-rate": (IFLA_VF_RATE, struct.pack("=III", 0, 10, 100)),
    "vf-out-of-range": (IFLA_VF_VLAN, struct.pack("=III", 99, 100, 0)),
}


def sysfs() -> str:
    """The network controllers in sysfs, as `tests.support.sysfs_trees` replays them."""
    return "".join(f"{line}\n" for line in sysfs_trees.record(Path("/sys")))


def get_link() -> str:
    """The payload of the answer to RTM_GETLINK with VFs, in hex."""
    mask = _attribute(IFLA_EXT_MASK, struct.pack("=I", RTEXT_FILTER_VF))
    return _exchange(RTM_GETLINK, mask, flags=0)[16:].hex()


def refusals() -> dict[str, str]:
    """The whole answers to settings that igb refuses, in hex."""
    answers = {}
    for name, (kind, value) in REFUSED.items():
        setting = _attribute(IFLA_VF_INFO, _attribute(kind, value))
        answer = _exchange(RTM_SETLINK, _attribute(IFLA_VFINFO_LIST, setting), flags=NLM_F_ACK)
        answers[name] = answer.hex()
    return answers


def print_until_operstate(wanted: str) -> None:
    """Print each message about links, in hex, until the PF is `up` or `down`."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as changes:
        changes.bind((0, RTMGRP_LINK))
        changes.settimeout(WAIT_SECONDS_MAX)
        print("listening", flush=True)
        while True:
            print(changes.recv(1 << 16).hex(), flush=True)
            if read(NETDEVS / PF / "operstate") == wanted:
                return


def uevents_of_vf_creation() -> list[str]:
    """What the kernel tells udev when a first VF is made, bound to igbvf, and taken away."""
    device = NETDEVS / PF / "device"
    write(device / "sriov_drivers_autoprobe", 0)
    heard = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_KOBJECT_UEVENT) as events:
        events.bind((0, KERNEL_UEVENTS))
        write(device / "sriov_numvfs", 1)
        cards.bind(cards.vf_address(PF, 0), "igbvf")
        cards.wait_for_vf_netdev(PF, 0)
        write(device / "sriov_numvfs", 0)
        events.settimeout(1)  # All were sent before the write returned.
        try:
            while True:
                heard.append(events.recv(1 << 16).hex())
        except TimeoutError:
            return heard


def _exchange(kind: int, attributes: bytes, *, flags: int) -> bytes:
    index = int(read(NETDEVS / PF / "ifindex"))
    body = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, index, 0, 0) + attributes
    header = struct.pack("=IHHII", 16 + len(body), kind, NLM_F_REQUEST | flags, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as channel:
        channel.settimeout(WAIT_SECONDS_MAX)
        channel.send(header + body)
        return channel.recv(1 << 20)


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)

"""Bridges inside the lab host, as an operator makes them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
import struct
import time

from lab.guest.cards import run
from trunkline.host.privileged.direct import DirectWrites

_FRAME = b"\xff" * 6 + bytes.fromhex("020000000001") + b"\x08\x00" + b"of another network" * 3
_SECONDS_MAX = 100.0  # Until a new port forwards.


def make_bridge(bridge: str, uplink: str, tap: str) -> None:
    """Make a VLAN-aware bridge with an uplink and a tap."""
    run("ip", "link", "add", bridge, "type", "bridge", "vlan_filtering", "1")
    run("ip", "link", "set", bridge, "up")
    run("ip", "link", "set", uplink, "master", bridge)
    run("modprobe", "tun")
    run("ip", "tuntap", "add", tap, "mode", "tap")
    run("ip", "link", "set", tap, "master", bridge, "up")


def remove_bridge(bridge: str, tap: str) -> None:
    """Take it away again, and its tap."""
    run("ip", "link", "delete", tap)
    run("ip", "link", "delete", bridge)


def switch_filtering_off(bridge: str) -> None:
    """Have a bridge forward whatever VLAN a frame is of."""
    run("ip", "link", "set", bridge, "type", "bridge", "vlan_filtering", "0")


def use_port(bridge: str, port: str, *, mac: str, namespace: str, address: str) -> None:
    """Put a port on a bridge whose other end is a namespace's, with this MAC."""
    run("ip", "netns", "add", namespace)
    run("ip", "link", "add", port, "type", "veth", "peer", "name", f"{port}-in")
    run("ip", "link", "set", port, "master", bridge, "up")
    run("ip", "link", "set", f"{port}-in", "address", mac, "netns", namespace)
    inside = ("ip", "-n", namespace)
    run(*inside, "address", "add", address, "dev", f"{port}-in")
    run(*inside, "link", "set", f"{port}-in", "up")


def frames_of_others(bridge: str, vlan_id: int) -> tuple[int, int]:
    """Count the frames of the VLAN of new ports that wait for a guest that does not run yet.

    First as libvirt makes its tap, then once the tap is in a VLAN of its own.
    """
    tap, writes = "tl0123456789ab", DirectWrites()
    guest = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    try:
        # Source: Linux include/uapi/linux/if_tun.h, TUNSETIFF, IFF_TAP | IFF_NO_PI.
        fcntl.ioctl(guest, 0x400454CA, struct.pack("16sH", tap.encode(), 0x1002))
        run("ip", "link", "set", tap, "master", bridge, "up")
        run("ip", "link", "add", "other", "type", "veth", "peer", "name", "other-in")
        run("ip", "link", "set", "other", "master", bridge, "up")
        run("ip", "link", "set", "other-in", "up")
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as network:
            network.bind(("other-in", 0))
            before, end = 0, time.monotonic() + _SECONDS_MAX
            while not before and time.monotonic() < end:
                network.send(_FRAME)
                select.select([guest], [], [], 0.1)
                before = _received(guest)
            network.send(_FRAME)
            writes.set_bridge_vlan(tap, 1, member=False)
            writes.set_bridge_vlan(tap, vlan_id, untagged=True)
            network.send(_FRAME)
            return before, _received(guest)
    finally:
        os.close(guest)
        run("ip", "link", "delete", "other")


def _received(guest: int) -> int:
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            count += os.read(guest, 2000) == _FRAME
    return count

"""Bridges inside the lab host, as an operator makes them."""

from __future__ import annotations

from lab.guest.cards import run


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

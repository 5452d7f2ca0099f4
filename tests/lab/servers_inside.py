"""Ends of the wires inside the lab host, and what is asked of the guests of its agent."""

from __future__ import annotations

from lab.guest import cards
from tests.lab.agent_inside import end_libvirtd

SHELL_PORT = "7"  # Where a guest runs what it is told: `lab/guest/server-init`.
UP_SECONDS_MAX = 1200  # 110 on two idle cores.


def make_wires(vlans: dict[str, tuple[int, str]]) -> None:
    """Be a peer on each of these VLANs of phy1, in a network namespace of its name."""
    for namespace, (vlan, address) in vlans.items():
        cards.use_wire("phy1", vlan=vlan, namespace=namespace, address=address)


def make_bridge(bridge: str, uplink: str) -> None:
    """Make a VLAN-aware bridge over a PF, as an operator does.

    Two things are as they are for the emulated card's sake: see docs/kernel-notes.md.
    """
    cards.run("ethtool", "-L", uplink, "combined", "1")
    cards.run("ip", "link", "add", bridge, "type", "bridge", "vlan_filtering", "1")
    cards.run("ip", "link", "set", uplink, "master", bridge)
    cards.run("ip", "link", "set", uplink, "type", "bridge_slave", "learning", "off")
    cards.run("ip", "link", "set", bridge, "up")


def wait_until_up(namespace: str, address: str) -> None:
    """Wait until a guest answers a ping from a peer.

    Raises:
        OSError: It does not.
    """
    seconds = str(UP_SECONDS_MAX)
    cards.run("ip", "netns", "exec", namespace, "ping", "-q", "-c", "1", "-w", seconds, address)


def restart_libvirtd() -> None:
    """Kill libvirtd as a crash would, and start it again."""
    end_libvirtd()
    cards.run("libvirtd", "--daemon")

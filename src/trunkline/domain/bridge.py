"""A Linux bridge of a host, its ports, and which VLANs they carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from trunkline.domain.pci import PciAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgePort:
    """A netdev that a bridge forwards from and to."""

    ifname: str
    pvid: int = 0  # The VLAN of frames that come in without a tag; 0: they are dropped.
    vlans: Mapping[int, bool] = field(default_factory=dict)  # By VLAN: whether it leaves untagged.
    is_uplink: bool = False  # It is hardware, or on top of hardware (a bond, a VLAN netdev).
    functions: frozenset[PciAddress] = frozenset()  # Of an uplink: the PCI functions beneath.

    def carries_alone(self, vlan_id: int) -> bool:
        """Whether it is in this VLAN only, untagged; 0: in none."""
        return self.pvid == vlan_id and dict(self.vlans) == ({vlan_id: True} if vlan_id else {})

    def carries_tagged(self, vlan_id: int) -> bool:
        """Whether frames of this VLAN leave it with their tag."""
        return self.vlans.get(vlan_id) is False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """A bridge with its ports, by name."""

    name: str
    vlan_filtering: bool  # False: it forwards all frames as they are, whatever VLANs ports have.
    default_pvid: int = 1  # The VLAN that a new port gets, untagged; 0: none.
    ports: Mapping[str, BridgePort] = field(default_factory=dict)

    @property
    def uplinks(self) -> tuple[BridgePort, ...]:
        """Return the ports that lead to the physical network."""
        return tuple(port for port in self.ports.values() if port.is_uplink)

    def new_port(self, ifname: str) -> BridgePort:
        """Return a port as it is when it has just been added."""
        if not self.default_pvid:
            return BridgePort(ifname=ifname)
        return BridgePort(ifname=ifname, pvid=self.default_pvid, vlans={self.default_pvid: True})


def describe_port(port: BridgePort) -> str:
    """Say the VLANs of a port, in the words of ``bridge vlan``."""
    words = [
        f"{vlan_id}{' pvid' if vlan_id == port.pvid else ''}{' untagged' if untagged else ''}"
        for vlan_id, untagged in sorted(port.vlans.items())
    ]
    return f"VLAN {', '.join(words)}" if words else "no VLAN"

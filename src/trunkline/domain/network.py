"""Networks: what servers share, and its pieces on physical networks."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

from trunkline.domain.ids import (
    NetworkId,
    PhysicalNetwork,
    ProjectId,
    QosPolicyId,
    SegmentId,
    SubnetId,
)

# Device owners of ports.
SERVER_OWNER: Final = "compute:nova"
DHCP_OWNER: Final = "network:dhcp"  # Of a DHCP server's.
NETWORK_DEVICES: Final = "network:"  # What those begin with that are part of the network itself.


class NetworkType(enum.Enum):
    """How a segment's frames are told apart on the wire."""

    FLAT = "flat"  # Untagged: the whole physical network.
    VLAN = "vlan"  # The segmentation ID is the VLAN ID, of 802.1Q unless the network is QinQ.
    VXLAN = "vxlan"  # A tunnel between hosts; no SR-IOV device can reach it.

    @property
    def is_tunnel(self) -> bool:
        """Whether hosts encapsulate the frames, so that no physical network is involved."""
        return self is NetworkType.VXLAN


class Ipv6Mode(enum.Enum):
    """How guests come by their IPv6 addresses. The values are Neutron's."""

    SLAAC = "slaac"  # From their MAC and the prefix that a router advertises.
    DHCP_STATELESS = "dhcpv6-stateless"  # So too; DHCP tells the rest.
    DHCP_STATEFUL = "dhcpv6-stateful"  # By DHCP.


class PfPolicy(enum.Enum):
    """How a network's VFs are laid over the PFs of a host, all else being equal. API values."""

    SPREAD = "spread"  # So that PFs are left as even as can be.
    PACK = "pack"  # PF after PF, the one with the fewest devices left first.


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A network's piece on one physical network."""

    id: SegmentId
    network_id: NetworkId
    network_type: NetworkType
    physical_network: PhysicalNetwork | None  # None for tunnels.
    segmentation_id: int | None  # VLAN ID 1-4094, VXLAN VNI 1-16777215; None for flat.
    created_at: datetime
    updated_at: datetime
    name: str | None = None
    description: str | None = None
    revision: int = 0

    @property
    def wire(self) -> str:
        """Where its frames are, in words: ``vlan 100 on phy1``. No two networks share it."""
        return wire(self.network_type, self.physical_network, self.segmentation_id)


def wire(
    network_type: NetworkType, physical_network: str | None, segmentation_id: int | None
) -> str:
    """Say where frames are on the wire: ``vlan 100 on phy1``, ``flat on phy1``, ``vxlan 7``."""
    number = "" if segmentation_id is None else f" {segmentation_id}"
    place = "" if physical_network is None else f" on {physical_network}"
    return f"{network_type.value}{number}{place}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A layer-2 network with its segments (at least one)."""

    id: NetworkId
    project_id: ProjectId
    name: str
    segments: tuple[Segment, ...]
    created_at: datetime
    updated_at: datetime
    description: str = ""
    admin_state_up: bool = True
    shared: bool = False
    provider: bool = False  # An admin named the segments; else they came from the tenant ranges.
    mtu: int = 1500
    port_security_enabled: bool = True
    pf_policy: PfPolicy = PfPolicy.SPREAD
    # Its segments' VLAN IDs are those of an outer tag, by 802.1ad: guests' own tags stay inside.
    qinq: bool = False
    qos_policy_id: QosPolicyId | None = None  # Of its ports that have none of their own.
    tags: tuple[str, ...] = ()
    revision: int = 0


@dataclass(frozen=True, slots=True)
class AddressPool:
    """Addresses that may be handed out, both ends included."""

    start: str  # Canonical text, as `ipaddress` gives it; of the subnet's IP version.
    end: str


@dataclass(frozen=True, slots=True)
class HostRoute:
    """A route that guests should have."""

    destination: str
    nexthop: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subnet:
    """IP addressing of a network."""

    id: SubnetId
    network_id: NetworkId
    project_id: ProjectId
    name: str
    cidr: IPv4Network | IPv6Network
    gateway_ip: IPv4Address | IPv6Address | None
    allocation_pools: tuple[AddressPool, ...]
    created_at: datetime
    updated_at: datetime
    description: str = ""
    enable_dhcp: bool = True
    dns_nameservers: tuple[str, ...] = ()
    host_routes: tuple[HostRoute, ...] = ()
    segment_id: SegmentId | None = None
    ipv6_ra_mode: Ipv6Mode | None = None  # What routers are to advertise.
    ipv6_address_mode: Ipv6Mode | None = None
    service_types: tuple[str, ...] = ()  # For ports of these device owners alone; empty: for all.
    tags: tuple[str, ...] = ()
    revision: int = 0

    def serves(self, device_owner: str) -> bool:
        """Whether ports of this device owner get addresses here, as in Neutron."""
        if not self.service_types or device_owner in self.service_types:
            return True
        return self.enable_dhcp and device_owner == DHCP_OWNER

    @property
    def ip_version(self) -> int:
        """4 or 6."""
        return self.cidr.version

    @property
    def addresses_follow_macs(self) -> bool:
        """Whether a port's address here is its prefix and its MAC, and no other can be had."""
        by_mac = (Ipv6Mode.SLAAC, Ipv6Mode.DHCP_STATELESS)
        return self.ipv6_ra_mode in by_mac or self.ipv6_address_mode in by_mac

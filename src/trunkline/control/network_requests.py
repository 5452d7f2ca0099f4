"""What the use cases of networks and subnets are asked: values, parsed and typed by the API."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from trunkline.control.requests import UNSET, Unset
from trunkline.domain.ids import NetworkId, PhysicalNetwork, ProjectId, QosPolicyId, SegmentId
from trunkline.domain.network import AddressPool, HostRoute, Ipv6Mode, NetworkType, PfPolicy


@dataclass(frozen=True, slots=True)
class SegmentRequest:
    """A segment as an admin names it. What is None is chosen from the configured ranges."""

    network_type: NetworkType
    physical_network: PhysicalNetwork | None = None
    segmentation_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkCreate:
    """A new network."""

    name: str = ""
    project_id: ProjectId | None = None  # None: the caller's. Another's: admins only.
    description: str = ""
    admin_state_up: bool = True
    shared: bool = False  # Admins only.
    mtu: int | None = None  # None: the largest that the segments carry.
    port_security_enabled: bool = True
    pf_policy: PfPolicy | None = None  # None: spread. Admins only.
    qinq: bool = False  # For good: whoever has a port goes by it.
    qos_policy_id: QosPolicyId | Unset | None = UNSET  # UNSET: the project's default.
    segments: tuple[SegmentRequest, ...] = ()  # Admins only; empty: one from the tenant ranges.


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkUpdate:
    """Changes to a network; UNSET leaves a field alone."""

    name: str | Unset = UNSET
    description: str | Unset = UNSET
    admin_state_up: bool | Unset = UNSET
    shared: bool | Unset = UNSET  # Admins only.
    mtu: int | Unset = UNSET
    port_security_enabled: bool | Unset = UNSET
    pf_policy: PfPolicy | Unset = UNSET  # Admins only.
    qos_policy_id: QosPolicyId | Unset | None = UNSET
    segmentation_id: int | Unset = UNSET  # Admins only, and only while no port is bound.
    seen_revision: int | None = None  # If-Match: refuse unless the network is at this revision.


@dataclass(frozen=True, slots=True, kw_only=True)
class SubnetCreate:
    """A new subnet."""

    network_id: NetworkId
    cidr: IPv4Network | IPv6Network
    name: str = ""
    project_id: ProjectId | None = None  # None: the caller's. Another's: admins only.
    description: str = ""
    gateway_ip: IPv4Address | IPv6Address | Unset | None = UNSET  # UNSET: the first address.
    allocation_pools: tuple[AddressPool, ...] | None = None  # None: all but the gateway.
    enable_dhcp: bool = True
    dns_nameservers: tuple[str, ...] = ()
    host_routes: tuple[HostRoute, ...] = ()
    segment_id: SegmentId | None = None
    ipv6_ra_mode: Ipv6Mode | None = None
    ipv6_address_mode: Ipv6Mode | None = None
    service_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubnetUpdate:
    """Changes to a subnet; UNSET leaves a field alone."""

    name: str | Unset = UNSET
    description: str | Unset = UNSET
    gateway_ip: IPv4Address | IPv6Address | Unset | None = UNSET
    allocation_pools: tuple[AddressPool, ...] | Unset = UNSET
    enable_dhcp: bool | Unset = UNSET
    dns_nameservers: tuple[str, ...] | Unset = UNSET
    host_routes: tuple[HostRoute, ...] | Unset = UNSET
    service_types: tuple[str, ...] | Unset = UNSET
    seen_revision: int | None = None  # If-Match: refuse unless the subnet is at this revision.

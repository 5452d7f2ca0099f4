"""What the use cases of ports and servers are asked: values, parsed and typed by the API layer."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from trunkline.domain.ether import MacAddress
from trunkline.domain.ids import (
    FlavorId,
    HostName,
    ImageId,
    NetworkId,
    PortId,
    ProjectId,
    QosPolicyId,
    SecurityGroupId,
    SubnetId,
    ZoneName,
)
from trunkline.domain.nic_rules import AskedRule, NumaPolicy
from trunkline.domain.port import AddressPair, VnicType
from trunkline.domain.server import DiskConfig


class Unset(enum.Enum):
    """Says that a field of an update was not given, which is not the same as None."""

    UNSET = "unset"


UNSET = Unset.UNSET

T = TypeVar("T")


def given(value: T | Unset, default: T) -> T:
    """Return what was given, or else the default."""
    return default if isinstance(value, Unset) else value


def given_fields(changes: object, *names: str) -> dict[str, Any]:
    """Return those of the named fields of an update that were given."""
    values = {name: getattr(changes, name) for name in names}
    return {name: value for name, value in values.items() if value is not UNSET}


@dataclass(frozen=True, slots=True)
class AddressRequest:
    """A fixed IP that is asked for: in a subnet, or this very address, or both."""

    subnet_id: SubnetId | None = None
    ip_address: str | None = None


@dataclass(frozen=True, slots=True)
class DhcpOptionRequest:
    """A DHCP option as a port is to have it, or (None) no longer."""

    name: str
    value: str | None
    ip_version: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PortCreate:
    """A new port. Fields after `fixed_ips` that are not defaults may need the admin role."""

    network_id: NetworkId
    name: str = ""
    project_id: ProjectId | None = None  # None: the caller's.
    description: str = ""
    admin_state_up: bool = True
    vnic_type: VnicType | None = None  # None: as the network's physical network says.
    pci_flavor: str | None = None
    pci_match: object = None  # As it was sent: see `port_devices`.
    numa_policy: NumaPolicy | None = None
    qos_policy_id: QosPolicyId | None = None  # None: the network's.
    mac: MacAddress | None = None  # None: one is generated.
    fixed_ips: tuple[AddressRequest, ...] | None = None  # None: one per subnet's IP version.
    port_security_enabled: bool | None = None  # None: as the network says.
    device_id: str = ""
    device_owner: str = ""
    profile: Mapping[str, object] = field(default_factory=dict)  # binding:profile, as sent.
    trusted: bool | None = None  # None: as the profile says. Admins only.
    allowed_address_pairs: tuple[AddressPair, ...] = ()
    extra_dhcp_opts: tuple[DhcpOptionRequest, ...] = ()
    security_groups: tuple[SecurityGroupId, ...] | None = None  # None: the project's default.
    tags: tuple[str, ...] = ()
    host: HostName | None = None  # binding:host_id: admins only; with pci_slot it is a claim.


@dataclass(frozen=True, slots=True, kw_only=True)
class PortUpdate:
    """Changes to a port; UNSET leaves a field alone."""

    name: str | Unset = UNSET
    description: str | Unset = UNSET
    admin_state_up: bool | Unset = UNSET
    vnic_type: VnicType | Unset = UNSET
    pci_flavor: str | Unset | None = UNSET
    pci_match: object | Unset = UNSET
    numa_policy: NumaPolicy | Unset | None = UNSET
    qos_policy_id: QosPolicyId | Unset | None = UNSET
    mac: MacAddress | Unset | None = UNSET  # None: another that is free.
    fixed_ips: tuple[AddressRequest, ...] | Unset = UNSET
    port_security_enabled: bool | Unset = UNSET
    device_id: str | Unset = UNSET
    device_owner: str | Unset = UNSET
    profile: Mapping[str, object] | Unset = UNSET  # Admins only.
    trusted: bool | Unset = UNSET  # Goes into the profile. Admins only.
    allowed_address_pairs: tuple[AddressPair, ...] | Unset = UNSET
    extra_dhcp_opts: tuple[DhcpOptionRequest, ...] | Unset = UNSET  # Others stay as they are.
    security_groups: tuple[SecurityGroupId, ...] | Unset = UNSET
    host: HostName | Unset | None = UNSET  # Admins only; None or "" releases a claim.
    seen_revision: int | None = None  # If-Match: refuse unless the port is at this revision.


@dataclass(frozen=True, slots=True, kw_only=True)
class NicRequest:
    """One NIC of a new server: an existing port, or a network to make a port on."""

    port_id: PortId | None = None
    network_id: NetworkId | None = None
    vnic_type: VnicType | None = None  # None: the port's; of a new one, the network's default.
    fixed_ip: str | None = None  # With `network_id` only.
    pci_flavor: str | None = None  # By name. With `port_id`: for a port that has none.
    numa_policy: NumaPolicy | None = None  # With `network_id` only.
    tag: str | None = None  # By which the guest is to know it.


class NicPolicy(enum.Enum):
    """What a server gets when its NICs are not listed."""

    AUTO = "auto"  # The one network that the project can see; none if there is none.
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCreate:
    """A new server."""

    name: str
    flavor_id: FlavorId
    image_id: ImageId | None
    nics: tuple[NicRequest, ...] | NicPolicy
    rules: tuple[AskedRule, ...] = ()  # Besides those of the flavor.
    host: HostName | None = None  # Admins only: this host or none.
    zone: ZoneName | None = None  # An availability zone; None: any.
    group_id: str | None = None  # A server group that it becomes a member of.
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()  # Names or IDs, for ports that are made for it.
    config_drive: bool = False
    key_name: str | None = None
    user_data: str | None = None
    hostname: str | None = None
    admin_password: str | None = field(default=None, repr=False)
    access_ipv4: str = ""
    access_ipv6: str = ""
    disk_config: DiskConfig = DiskConfig.MANUAL
    scheduler_hints: Mapping[str, object] = field(default_factory=dict)  # To be shown again.


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerUpdate:
    """Changes to what is kept and shown of a server; UNSET leaves a field alone."""

    name: str | Unset = UNSET
    description: str | Unset | None = UNSET
    access_ipv4: str | Unset = UNSET
    access_ipv6: str | Unset = UNSET
    disk_config: DiskConfig | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRebuild:
    """A new disk, and what else is to be another from then on; UNSET leaves a field alone."""

    image_id: ImageId | None  # None: the disk is blank.
    name: str | Unset = UNSET
    description: str | Unset | None = UNSET
    metadata: Mapping[str, str] | Unset = UNSET
    key_name: str | Unset | None = UNSET  # Of the server's user.
    user_data: str | Unset | None = UNSET
    hostname: str | Unset = UNSET
    admin_password: str | None = field(default=None, repr=False)  # None: there is none any more.
    access_ipv4: str | Unset = UNSET
    access_ipv6: str | Unset = UNSET
    disk_config: DiskConfig | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainRequest:
    """A server that is not to be made, only to be thought through."""

    flavor_id: FlavorId | None
    nics: tuple[NicRequest, ...]
    rules: tuple[AskedRule, ...] = ()  # Besides those of the flavor.
    host: HostName | None = None
    zone: ZoneName | None = None
    group_id: str | None = None

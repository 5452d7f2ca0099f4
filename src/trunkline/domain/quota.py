"""Quotas: how much of each resource a project may hold at a time."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

from trunkline.domain.device import DeviceKind
from trunkline.domain.errors import ErrorKind, TrunklineError
from trunkline.domain.ids import PhysicalNetwork, ProjectId


class Resource(enum.Enum):
    """What a quota limits. The values are stored, and are those of the API and the CLI."""

    VFS = "vf"
    PFS = "pf"  # Given away whole.
    PLAIN_DEVICES = "plain"
    EGRESS_MBPS = "egress_mbps"  # Guaranteed by PFs.
    INGRESS_MBPS = "ingress_mbps"
    SERVERS = "servers"
    CORES = "cores"
    MEMORY_MIB = "memory_mib"
    NETWORKS = "networks"
    SUBNETS = "subnets"
    PORTS = "ports"
    SECURITY_GROUPS = "security_groups"
    SECURITY_GROUP_RULES = "security_group_rules"
    RBAC_POLICIES = "rbac_policies"  # Shares of what is the project's.
    SERVER_GROUPS = "server_groups"
    SERVER_GROUP_MEMBERS = "server_group_members"  # Of one group.
    KEY_PAIRS = "key_pairs"  # Of one user.
    METADATA_ITEMS = "metadata_items"  # Of one server.

    @property
    def is_cabled(self) -> bool:
        """Whether it is held of a PF, so that a quota may name a physical network."""
        return self in CABLED


OF_DEVICE_KIND: Final[Mapping[DeviceKind, Resource]] = MappingProxyType({
    DeviceKind.VF: Resource.VFS,
    DeviceKind.PF: Resource.PFS,
    DeviceKind.PLAIN: Resource.PLAIN_DEVICES,
})  # fmt: skip
GUARANTEED: Final = frozenset({Resource.EGRESS_MBPS, Resource.INGRESS_MBPS})
CABLED: Final = frozenset(OF_DEVICE_KIND.values()) | GUARANTEED


@dataclass(frozen=True, slots=True, kw_only=True)
class OfEach:
    """How much each one may have of what is limited for every thing by itself."""

    without_quota: int | None  # None: any amount.
    most: int | None = None  # No quota permits more.


# What no project holds, but each group, user or server of it. Where there are numbers, they keep
# lists that are shown whole, and rows that are read by the thousand, from growing without end.
OF_EACH: Final[Mapping[Resource, OfEach]] = MappingProxyType({
    Resource.SERVER_GROUP_MEMBERS: OfEach(without_quota=None),
    Resource.KEY_PAIRS: OfEach(without_quota=100, most=1000),  # Nova's, as the next.
    Resource.METADATA_ITEMS: OfEach(without_quota=128, most=256),
})  # fmt: skip

# How much of what; None: cabled to no physical network, or nothing that could be.
Amounts: TypeAlias = Mapping[tuple[Resource, PhysicalNetwork | None], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """One limit. Where there is none, any amount may be held."""

    project_id: ProjectId | None  # None: of every project that has none of its own.
    resource: Resource
    physical_network: PhysicalNetwork | None  # None: wherever it is cabled to.
    limit: int | None  # 0: none at all; None: any amount, whatever other projects may.

    def count(self, amounts: Amounts) -> int:
        """Return how much of the amounts counts against it."""
        return sum(
            amount
            for (resource, name), amount in amounts.items()
            if resource is self.resource and self.physical_network in (None, name)
        )

    @property
    def what(self) -> str:
        """What it limits, e.g. ``VFs on phy1``."""
        where = f" on {self.physical_network}" if self.physical_network else ""
        return f"{_SAID[self.resource]}{where}"


_SAID: Final[Mapping[Resource, str]] = MappingProxyType({
    Resource.VFS: "VFs",
    Resource.PFS: "PFs",
    Resource.PLAIN_DEVICES: "plain devices",
    Resource.EGRESS_MBPS: "guaranteed egress Mbit/s",
    Resource.INGRESS_MBPS: "guaranteed ingress Mbit/s",
    Resource.SERVERS: "servers",
    Resource.CORES: "cores",
    Resource.MEMORY_MIB: "MiB of memory",
    Resource.NETWORKS: "networks",
    Resource.SUBNETS: "subnets",
    Resource.PORTS: "ports",
    Resource.SECURITY_GROUPS: "security groups",
    Resource.SECURITY_GROUP_RULES: "security group rules",
    Resource.RBAC_POLICIES: "RBAC policies",
    Resource.SERVER_GROUPS: "server groups",
    Resource.SERVER_GROUP_MEMBERS: "members of a server group",
    Resource.KEY_PAIRS: "key pairs of a user",
    Resource.METADATA_ITEMS: "metadata items of a server",
})  # fmt: skip


class QuotaExceeded(TrunklineError):
    """A project would hold more than an admin lets it."""

    code = "quota.exceeded"
    kind = ErrorKind.FORBIDDEN  # As Nova answers it; the network face says 409, as Neutron.

    def __init__(self, quota: Quota, *, held: int, wanted: int) -> None:
        super().__init__(
            f"quota exceeded for {quota.what}: {wanted} asked for, {held} of {quota.limit} held"
        )
        self.quota = quota
        self.held = held
        self.wanted = wanted

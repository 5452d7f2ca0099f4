"""What is asked of placement, and what it answers."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from trunkline.domain.aggregate import MetadataDemand
from trunkline.domain.bandwidth import Guarantee
from trunkline.domain.device import DeviceKind, DeviceRef
from trunkline.domain.ids import HostId, HostName, PhysicalNetwork, SegmentId, ZoneName
from trunkline.domain.nic_rules import NumaPolicy, Scope
from trunkline.domain.pci_flavor import DeviceMatch
from trunkline.domain.port import said
from trunkline.placement.asks.edits import Edit
from trunkline.placement.asks.fellows import Fellows


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentOption:
    """One segment that a NIC may be on, and what a device must have to reach it."""

    segment_id: SegmentId | None
    attributes: Mapping[str, str] = field(default_factory=dict)  # All must be equal.
    physical_network: PhysicalNetwork | None = None  # For `normal` NICs: needs a bridge on it.


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRule:
    """All of these NICs in one place, or each in a place of its own. Bridges have no place.

    PFs whose switch or NUMA node is not known are neither known to be in one place nor known to
    be in two; VFs of one PF are in one place always.
    """

    scope: Scope
    apart: bool  # Anti-affinity.
    hard: bool  # If not: as far as it can be had.
    nics: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class NicDemand:
    """What one NIC needs: a device of `kind` that fits one of `options`; or a bridge (None).

    A device that is on no network, as a GPU is, is one with no `options`.
    """

    nic: str  # Its name in answers: the port's ID, or `nic 0` before there is a port.
    port_name: str = ""  # Of its port, if that has one: for people.
    kind: DeviceKind | None  # VF, PF, PLAIN, or None for `normal`.
    options: tuple[SegmentOption, ...]  # Any one of them will do; the first that fits is taken.
    attributes: Mapping[str, str] = field(default_factory=dict)  # Demanded of the device besides.
    match: DeviceMatch = ()  # And this: PCI flavors.
    or_kinds: frozenset[DeviceKind] = frozenset()  # Kinds that will do as well as `kind`.
    numa: NumaPolicy | None = None
    packs: bool = False  # It rather fills a PF than spreads over them, all else being equal.
    egress_mbps: int = 0  # Guaranteed, of what the PF accounts; 0: nothing is.
    ingress_mbps: int = 0

    @property
    def said(self) -> str:
        """What people are told that it is."""
        return said(self.port_name, self.nic)

    @property
    def guarantee(self) -> Guarantee:
        """What its PF is to owe it."""
        return Guarantee(egress_mbps=self.egress_mbps, ingress_mbps=self.ingress_mbps)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementRequest:
    """One server's demands: all NICs together, and its size."""

    nics: tuple[NicDemand, ...]
    vcpus: int = 1
    memory_mib: int = 0
    disk_gib: int = 0
    excluded_hosts: frozenset[HostId] = frozenset()  # Hosts that have refused it.
    only_host: HostName | None = None  # An admin named the host, or the server is there.
    even_disabled: bool = False  # The server is there: disabling a host is about new ones.
    rules: tuple[GroupRule, ...] = ()  # Their order does not matter.
    zone: ZoneName | None = None  # An availability zone: only hosts of it.
    metadata: tuple[MetadataDemand, ...] = ()  # All must be met by aggregates of the host.
    fellows: Fellows | None = None  # None: the server is of no server group.

    @property
    def is_ruled(self) -> bool:
        """Whether it matters for whether it fits where devices are, or what their PFs owe."""
        return bool(self.rules) or any(
            nic.numa or nic.egress_mbps or nic.ingress_mbps for nic in self.nics
        )

    @property
    def is_confined(self) -> bool:
        """Whether the guest must be on one NUMA node, of hosts that say which they have."""
        return any(
            nic.numa is not None and nic.numa.confines for nic in self.nics if nic.kind is not None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NicChoice:
    """The device and segment chosen for one NIC."""

    nic: str
    segment_id: SegmentId | None
    device: DeviceRef | None  # None: `normal`.


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A host, and the very devices, for all NICs. Nothing is held by it yet."""

    host_id: HostId
    seen_generation: int  # Of the host; the commit goes through only if it has not moved.
    choices: tuple[NicChoice, ...]  # In the order of the request's NICs.
    numa_node: int | None = None  # The guest is confined to it, and counts against it.


class Reason(enum.Enum):
    """Why a host cannot take a server, or a NIC. The values are API: added to, never renamed."""

    DISABLED = "disabled"  # An operator disabled the host.
    DOWN = "down"  # Its agent has not been heard for longer than the limit.
    STUCK = "stuck"  # Its agent says that it can't use the host.
    EXCLUDED = "excluded"  # It has refused this server before.
    NOT_THE_HOST_ASKED_FOR = "not_the_host_asked_for"
    NOT_IN_ZONE = "not_in_zone"  # In another availability zone than was asked for.
    AGGREGATE_METADATA = "aggregate_metadata"  # No aggregate of it has what the flavor demands.
    SERVER_GROUP_AFFINITY = "server_group_affinity"  # The members of its group are elsewhere.
    SERVER_GROUP_ANTI_AFFINITY = "server_group_anti_affinity"  # It has as many as may be together.
    NO_VCPUS = "no_vcpus"
    NO_MEMORY = "no_memory"
    NO_DISK = "no_disk"
    NO_BRIDGE = "no_bridge"  # A `normal` NIC, and no bridge on any of its physical networks.
    NO_DEVICE = "no_device"  # The host offers no device of the kind at all.
    NOT_CABLED = "not_cabled"  # No device of the kind has the attributes the network demands.
    NO_MATCHING_DEVICE = "no_matching_device"  # Cabled, but lacking what the port demands besides.
    NO_FREE_DEVICE = "no_free_device"  # Fitting devices exist; all have owners.
    PF_IN_USE = "pf_in_use"  # A whole PF is wanted; those without owners have VFs with owners.
    PF_GIVEN_AWAY = "pf_given_away"  # A VF is wanted; those without owners are of a PF with one.
    OUT_OF_SERVICE = (
        "out_of_service"  # None in service is free; PFs without a link would have some.
    )
    TOO_FEW_TOGETHER = "too_few_together"  # Each NIC alone would fit; all of them together don't.
    AFFINITY = "affinity"  # Without this rule of the request, or these, devices would do.
    ANTI_AFFINITY = "anti_affinity"
    NUMA = "numa"
    BANDWIDTH = "bandwidth"


@dataclass(frozen=True, slots=True, kw_only=True)
class NicReason:
    """Why one NIC does not fit on a host. Counts let a reader see how near it was."""

    nic: str
    reason: Reason
    detail: str = ""  # e.g. "e.physical_network=phy2: 8 VFs, 0 free"
    fitting: int = 0  # Devices that fit the demand, free or not.
    free: int = 0  # Of these, free now.


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRefusal:
    """Why one host was refused: reasons of the host, or of its NICs."""

    host_id: HostId
    host_name: HostName
    reasons: tuple[Reason, ...]  # Host-wide; empty when only NICs stand in the way.
    nics: tuple[NicReason, ...]
    detail: str = ""
    missing: int = 0  # How many more devices would have to be free for it to fit, if that is all.
    edits: tuple[Edit, ...] = ()  # The least that would make it fit there.

    @property
    def change(self) -> str:
        """The edits in one sentence."""
        return "; and ".join(edit.words for edit in self.edits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a request fits nowhere."""

    host_count: int  # Hosts that refuse.
    counts: Mapping[Reason, int]  # How many hosts each reason stands at.
    nearest: tuple[HostRefusal, ...]  # Those that lack least, the nearest first.
    smallest_change: str  # What would make it fit at the first of these; "" when it fits anyway.
    is_proven: bool = True  # That no hosts are nearer, of which not all could be looked at.
    asked_for: HostRefusal | None = None  # The host that the request names, if it refuses.
    page: tuple[HostRefusal, ...] = ()  # Of all that refuse, by name, as was asked for.
    next_after: HostName | None = None  # The last host of the page, if there are more.

    @property
    def told(self) -> tuple[HostRefusal, ...]:
        """Every host that is told about; one may be in it twice."""
        asked_for = () if self.asked_for is None else (self.asked_for,)
        return (*asked_for, *self.nearest, *self.page)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of a list of hosts by name."""

    limit: int
    after: HostName | None = None  # Those that come later than this name.


@dataclass(frozen=True, slots=True, kw_only=True)
class NotPlaced:
    """Nothing fits: a result, not an error."""

    explanation: Explanation

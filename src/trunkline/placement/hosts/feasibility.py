"""What a host must have for a request: rules about the host, and how its slots fit the NICs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from trunkline.domain.bandwidth import NOT_ACCOUNTED, Bandwidth
from trunkline.domain.server_group import GroupPolicy
from trunkline.placement.asks.demand import Demand, NicClass
from trunkline.placement.asks.fellows import Fellows
from trunkline.placement.asks.request import PlacementRequest, Reason
from trunkline.placement.hosts.host_state import HostState
from trunkline.placement.hosts.structure import Profile, Structure
from trunkline.placement.hosts.views import NumaRoom
from trunkline.placement.matching.match import solve, solve_unruled
from trunkline.placement.matching.problem import Costs, Place, Problem, Solution


def host_reasons(request: PlacementRequest, host: HostState) -> tuple[Reason, ...]:
    """All reasons that lie in the host rather than in its devices; none if it can take a server."""
    rules = (
        (request.only_host in (None, host.name), Reason.NOT_THE_HOST_ASKED_FOR),
        (host.id not in request.excluded_hosts, Reason.EXCLUDED),
        (host.enabled or request.even_disabled, Reason.DISABLED),
        (host.up or bool(host.problem), Reason.DOWN),
        (not host.problem, Reason.STUCK),
        *_rules_of_others(request, host),
        (request.vcpus <= host.free_vcpus, Reason.NO_VCPUS),
        (request.memory_mib <= host.free_memory_mib, Reason.NO_MEMORY),
        (request.disk_gib <= host.free_disk_gib, Reason.NO_DISK),
    )
    return tuple([reason for holds, reason in rules if not holds])


def _rules_of_others(request: PlacementRequest, host: HostState) -> list[tuple[bool, Reason]]:
    """What aggregates say of the host, and where the fellows of the server are."""
    found = []
    if request.zone is not None:
        found.append((host.zone == request.zone, Reason.NOT_IN_ZONE))
    if request.metadata:
        met = all(demand.holds(host.metadata) for demand in request.metadata)
        found.append((met, Reason.AGGREGATE_METADATA))
    if request.fellows is not None:
        found.append((request.fellows.allow(host.id), reason_of(request.fellows)))
    return found


def reason_of(fellows: Fellows) -> Reason:
    """Why a host can't take a server, where it is its group that stands in the way."""
    if fellows.policy is GroupPolicy.AFFINITY:
        return Reason.SERVER_GROUP_AFFINITY
    return Reason.SERVER_GROUP_ANTI_AFFINITY


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a host's families are and what they can guarantee; read only where rules ask."""

    places: tuple[Place, ...] = ()  # [family]
    egress_left: tuple[int | None, ...] = ()  # [family] Mbps; None: not accounted.
    ingress_left: tuple[int | None, ...] = ()
    numa_nodes: tuple[int, ...] | None = None  # That the guest can be on; None: not reported.
    numa_sockets: tuple[int | None, ...] = ()  # Of these nodes; empty: as `places` tell.


def site_of(host: HostState, request: PlacementRequest) -> Site:
    """Say where a host's families are, what they can guarantee, and where the guest can be."""
    return make_site(host.places, host.accounted, host.numa, request)


def make_site(
    places: tuple[Place, ...],
    accounted: Sequence[Bandwidth],
    rooms: tuple[NumaRoom, ...],
    request: PlacementRequest,
) -> Site:
    """The same from what was taken down of a host; places and bandwidth by family.

    Bandwidth is empty where nothing is accounted.
    """
    left = accounted or (NOT_ACCOUNTED,) * len(places)
    nodes = _nodes_with_room(rooms, request)
    return Site(
        places=places,
        egress_left=tuple([_none_below_0(each.egress_mbps) for each in left]),
        ingress_left=tuple([_none_below_0(each.ingress_mbps) for each in left]),
        numa_nodes=tuple([node.number for node in nodes]) if rooms else None,
        numa_sockets=tuple([node.socket for node in nodes]),
    )


def _none_below_0(mbps: int | None) -> int | None:
    """A PF that owes more than it has left leaves the other PFs theirs."""
    return mbps and max(mbps, 0)


def _nodes_with_room(rooms: tuple[NumaRoom, ...], request: PlacementRequest) -> Sequence[NumaRoom]:
    """The nodes that the guest can be on, those with most memory free first.

    A guest that is not confined can be on any, whatever is left there.
    """
    nodes = sorted(rooms, key=lambda node: (-node.free_memory_mib, node.number))
    if not request.is_confined:
        return nodes
    return [
        node
        for node in nodes
        if request.vcpus <= node.free_vcpus and request.memory_mib <= node.free_memory_mib
    ]


@dataclass(frozen=True, slots=True)
class Fit:
    """What one demand can use of one structure; worked out once for all hosts built alike."""

    demand: Demand
    structure: Structure
    costs: Costs  # [class][slot] tags that the device would have in vain; None: does not fit.

    @property
    def counts(self) -> tuple[int, ...]:
        """NICs in each class."""
        return self.demand.counts

    @property
    def is_ruled(self) -> bool:
        """Whether it matters where devices are."""
        return self.demand.is_ruled

    def solve(self, usable: tuple[int, ...], site: Site | None = None) -> Solution | None:
        """Assign devices to all NICs of a host with these counts, exactly.

        Without a site, whether devices suffice is asked apart from all rules.
        """
        if site is not None:
            return solve(self.problem(usable, site))
        structure = self.structure
        return solve_unruled(
            self.demand.counts, self.costs, usable, structure.family, structure.whole
        )

    def problem(self, usable: tuple[int, ...], site: Site | None = None) -> Problem:
        """The matching problem of a host with these counts."""
        demand, structure = self.demand, self.structure
        devices = Problem(
            counts=demand.counts,
            costs=self.costs,
            free=usable,
            family=structure.family,
            whole=structure.whole,
        )
        if site is None:
            return devices
        return replace(
            devices,
            numa=tuple(one.numa for one, _ in demand.device_classes),
            egress=tuple(one.egress_mbps for one, _ in demand.device_classes),
            ingress=tuple(one.ingress_mbps for one, _ in demand.device_classes),
            rules=demand.rules,
            packs=tuple(one.packs for one, _ in demand.device_classes),
            places=site.places,
            egress_left=site.egress_left,
            ingress_left=site.ingress_left,
            numa_nodes=site.numa_nodes,
            numa_sockets=site.numa_sockets,
        )


def fit(demand: Demand, structure: Structure) -> Fit | None:
    """Lay a demand beside a structure. None: no host built so can ever take it."""
    if any(not one.bridges & structure.bridges for one in demand.bridge_classes):
        return None
    costs = tuple(
        tuple(wasted_tags(one, slot.profile) for slot in structure.slots)
        for one, _ in demand.device_classes
    )
    if any(all(cost is None for cost in row) for row in costs):
        return None
    return Fit(demand, structure, costs)


def wasted_tags(one: NicClass, profile: Profile) -> int | None:
    """How many tags of a device nobody would use if a NIC of this class had it; None: no fit."""
    if not one.is_of(profile.kind):
        return None
    if not one.match:
        having = (way for way in one.ways if way <= profile.attributes)
        return min((len(profile.spare_tags - way) for way in having), default=None)
    tags = [key for key, _ in profile.spare_tags]
    return min(
        (
            sum(key not in demanded for key in tags)
            for demanded in one.demanded_of(profile.attributes)
        ),
        default=None,
    )

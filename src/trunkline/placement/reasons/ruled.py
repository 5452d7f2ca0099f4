"""The hard rules of a request on one host after another: whether they can be kept, or which not.

A host is looked at by all that decides: which NICs the devices of each pool fit and how many of
them there are, where PFs are and what they can guarantee, and where the guest can be. Hosts that
are alike in this are looked at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Final, TypeVar

from trunkline.domain.bandwidth import Bandwidth, Guarantee
from trunkline.domain.nic_rules import NumaPolicy, Scope
from trunkline.placement.asks import wording
from trunkline.placement.asks.demand import NicClass, classes_and_rules, make_demand
from trunkline.placement.asks.request import NicDemand, NicReason, PlacementRequest, Reason
from trunkline.placement.hosts.feasibility import Fit, Site, site_of
from trunkline.placement.hosts.fitting import Fitting
from trunkline.placement.hosts.host_state import HostState
from trunkline.placement.matching.problem import ClassRule, Place, Problem
from trunkline.placement.reasons.obstacles import Obstacle, find_obstacles, obstacles

T = TypeVar("T")


class Rules:
    """The rules of one request that must hold."""

    def __init__(self, request: PlacementRequest, fitting: Fitting) -> None:
        self._request, self._fitting = request, fitting
        _, self._rules = classes_and_rules(request)
        self._demand = make_demand(request)
        classes = self._demand.device_classes
        self._nic_count = sum(count for _, count in classes)
        self.every = tuple(obstacles(rules_alone(classes, self._demand.rules)))
        self._needs_bandwidth = any(one.reason is Reason.BANDWIDTH for one in self.every)
        self._needs_nodes = any(one.reason is Reason.NUMA for one in self.every)
        self._is_confined = request.is_confined
        self._found: dict[object, tuple[Obstacle, ...]] = {}
        self._alike: dict[object, tuple[Obstacle, ...]] = {}
        self._by_place = any(one.scope is not Scope.PF for one in self._demand.rules)

    def in_the_way(self, host: HostState) -> tuple[Obstacle, ...]:
        """The rules that would have to go on a host whose devices would do without rules."""
        if not self.every:
            return ()
        key = self._key(host)
        found = self._found.get(key)
        if found is None:
            alike = self._shape(host)
            found = self._alike.get(alike)
            if found is None:
                found = self._alike[alike] = find_obstacles(self._problem(host), devices_do=True)
            self._found[key] = found
        return found

    def reasons(self, host: HostState, found: Sequence[Obstacle]) -> tuple[NicReason, ...]:
        """Those in the way, NIC by NIC in the request's order; one NIC may have several."""
        return tuple(
            NicReason(nic=nic.nic, reason=one.reason, detail=self._detail(one, nic, host))
            for nic in self._request.nics
            for one in found
            if nic in self.nics_of(one)
        )

    def nics_of(self, one: Obstacle) -> list[NicDemand]:
        """The NICs that a rule is about, in the request's order."""
        if one.rule is not None:
            return [n for n in self._request.nics if n.nic in self._rules[one.rule].nics]
        if one.reason is Reason.NUMA:
            return [n for n in self._request.nics if n.numa and is_hard(n.numa)]
        return [n for n in self._request.nics if n.egress_mbps or n.ingress_mbps]

    def words(self, one: Obstacle) -> str:
        """What a rule demands, e.g. `nic 0 and nic 1 on one PF`."""
        names = wording.names([nic.said for nic in self.nics_of(one)])
        if one.rule is not None:
            place = wording.scope_name(self._rules[one.rule].scope)
            if self._rules[one.rule].apart:
                return f"{names} each on a {place} of its own"
            return f"{names} on one {place}"
        if one.reason is Reason.NUMA:
            return f"{names} by the guest's NUMA node"
        return f"so much guaranteed to {names}"

    def site_of(self, host: HostState, wanted: Sequence[bool]) -> Site:
        """Where a host's families are and what they can guarantee, as far as the rules ask.

        Nothing is said of families that are not wanted, and NUMA nodes are in order of their
        numbers, so that few hosts are unlike.
        """
        if not (self._by_place or self._needs_nodes or self._needs_bandwidth):
            return Site()
        of_host = site_of(host, self._request)
        nodes = zip(of_host.numa_nodes or (), of_host.numa_sockets, strict=True)
        numbered = sorted(nodes, key=itemgetter(0)) if self._needs_nodes else []
        is_told = self._needs_nodes and of_host.numa_nodes is not None
        by_place, by_bandwidth = self._by_place or self._needs_nodes, self._needs_bandwidth
        return Site(
            places=_of_wanted(of_host.places, wanted, _ANYWHERE) if by_place else (),
            egress_left=_of_wanted(of_host.egress_left, wanted, None) if by_bandwidth else (),
            ingress_left=_of_wanted(of_host.ingress_left, wanted, None) if by_bandwidth else (),
            numa_nodes=tuple([number for number, _ in numbered]) if is_told else None,
            numa_sockets=tuple([socket for _, socket in numbered]),
        )

    def _detail(self, one: Obstacle, nic: NicDemand, host: HostState) -> str:
        said = f"devices would do, but not with {self.words(one)}"
        if one.reason is not Reason.BANDWIDTH:
            return said
        asked = Guarantee(egress_mbps=nic.egress_mbps, ingress_mbps=nic.ingress_mbps)
        most = self._most_left(host)
        left = Bandwidth(
            egress_mbps=most.egress_mbps if asked.egress_mbps else None,
            ingress_mbps=most.ingress_mbps if asked.ingress_mbps else None,
        )
        return f"{said}: {asked} wanted, at most {left} left on one PF"

    def _most_left(self, host: HostState) -> Bandwidth:
        """In each direction, the most that any of the PFs can guarantee whose devices would do."""
        fitting, family = self._fitting.of(host.structure), host.structure.family
        doing = {f for fits, f in zip(fitting, family, strict=True) if fits}
        left = [left for f, left in enumerate(host.bandwidth_left()) if f in doing]
        return Bandwidth(
            egress_mbps=max((one.egress_mbps or 0 for one in left), default=0),
            ingress_mbps=max((one.ingress_mbps or 0 for one in left), default=0),
        )

    def _problem(self, host: HostState) -> Problem:
        costs = self._fitting.costs(self._fitting.of(host.structure))
        fit = Fit(self._demand, host.structure, costs)
        return fit.problem(host.usable, site_of(host, self._request))

    def _shape(self, host: HostState) -> object:
        """What makes hosts alike but for the order of their families."""
        structure, enough = host.structure, self._nic_count
        fits, site = self._fitting.of(structure), site_of(host, self._request)
        families = []
        for f, family in enumerate(structure.families):
            slots = family.parts if family.whole is None else (family.whole, *family.parts)
            given = sorted(
                (structure.whole[slot], fits[slot], min(host.usable[slot], enough))
                for slot in slots
                if fits[slot]
            )
            left = (site.egress_left[f], site.ingress_left[f]) if self._needs_bandwidth else ()
            place = site.places[f] if self._by_place or self._needs_nodes else None
            families.append((given, repr(place), repr(left)))
        nodes = (site.numa_nodes, site.numa_sockets) if self._needs_nodes else ()
        return repr(sorted(families)), nodes

    def _key(self, host: HostState) -> object:
        """The same, quickly told apart: hosts with one key are alike, though not the reverse."""
        structure, enough = host.structure, self._nic_count
        devices = tuple(
            [
                fits and fits * (enough + 1) + (count if count < enough else enough)
                for fits, count in zip(self._fitting.of(structure), host.usable, strict=True)
            ]
        )
        left = host.bandwidth_left() if self._needs_bandwidth else None
        nodes = self._nodes(host) if self._needs_nodes else None
        # Equal places are the same.
        return devices, structure.family, structure.whole, id(host.places), left, nodes

    def _nodes(self, host: HostState) -> object:
        """Where the guest can be. In which order nodes are tried does not matter here."""
        if not self._is_confined:
            return host.numa_nodes
        vcpus, memory_mib = self._request.vcpus, self._request.memory_mib
        with_room = [
            number
            for number, free_vcpus, free_memory_mib in host.numa_left()
            if vcpus <= free_vcpus and memory_mib <= free_memory_mib
        ]
        return host.numa_nodes, tuple(with_room)


# Where a family is of which nobody wants anything.
_ANYWHERE: Final = Place(numa_node=None, socket=None, card=-1, switch=None)


def _of_wanted(of_families: Sequence[T], wanted: Sequence[bool], nothing: T) -> tuple[T, ...]:
    """[family] The same, nothing said of those that are not wanted."""
    pairs = zip(of_families, wanted, strict=True)
    return tuple([one if is_wanted else nothing for one, is_wanted in pairs])


def rules_alone(classes: Sequence[tuple[NicClass, int]], rules: tuple[ClassRule, ...]) -> Problem:
    """Make a problem of rules, without devices."""
    return Problem(
        counts=(),
        costs=(),
        free=(),
        family=(),
        whole=(),
        rules=rules,
        numa=tuple(one.numa for one, _ in classes),
        egress=tuple(one.egress_mbps for one, _ in classes),
        ingress=tuple(one.ingress_mbps for one, _ in classes),
    )


def is_hard(policy: NumaPolicy) -> bool:
    """Whether the policy must hold."""
    return policy is not NumaPolicy.PREFERRED

"""What it takes to keep the rules of a request, on all hosts at once.

With the guest's NUMA node and the place of each affinity chosen, all that is left of the rules is
what a flow expresses, and `gates` counts what it lacks. So the places are gone through, and the
sets of rules that could be dropped, fewest first; hosts are not. What no flow expresses (PFs given
whole, guarantees, several anti-affinities) is left to a look at each host.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import prod
from typing import Final

from trunkline.domain.nic_rules import NumaPolicy, Scope
from trunkline.placement.asks.demand import Demand
from trunkline.placement.asks.request import PlacementRequest, Reason
from trunkline.placement.hosts.bits import EVERYWHERE, Counter, minus, union
from trunkline.placement.index.lanes import SCOPES, Fits, Lanes
from trunkline.placement.matching.problem import ClassRule
from trunkline.placement.reasons.gates import Gates, Want, blocks_of
from trunkline.placement.reasons.obstacles import SMALLEST_UP_TO, Obstacle
from trunkline.placement.reasons.ruled_shortfall import Known

OBSTACLES_MAX: Final = 4  # All sets of them are tried.
AFFINITIES_MAX: Final = 2  # All pairs of their places are.
# Sets of kinds of NICs, times places. Each takes some 20 us over 10,000 hosts.
CUTS_MAX: Final = 3000

_POLICIES: Final = (NumaPolicy.REQUIRED, NumaPolicy.LEGACY)  # With any that is soft.
_NUMA: Final = SCOPES.index(Scope.NUMA)

Masks = list[int]  # [lane] Hosts.


@dataclass(frozen=True, slots=True)
class Unruled:
    """What hosts lack when nobody minds where devices are."""

    to_free: Counter  # Devices to be freed.
    to_offer: Counter  # Devices that would be lacking even if none had an owner.


@dataclass(frozen=True, slots=True)
class _Spot:
    """One place that some NICs can be in."""

    masks: Mapping[int, Masks]  # [class] Where it is; classes that are not in it go anywhere.
    hosts: int = EVERYWHERE  # That have it.


@dataclass(frozen=True, slots=True)
class _Kept:
    """The rules that are not dropped."""

    together: list[ClassRule]
    apart: ClassRule | None
    nodes: bool  # NUMA policies.


class RuleCosts:
    """Which rules to drop and how many devices to free, so that the rest can be kept."""

    def __init__(
        self,
        request: PlacementRequest,
        demand: Demand,
        obstacles: Sequence[Obstacle],
        fitting: Sequence[tuple[int, Fits]],
        lanes: Lanes,
        unruled: Unruled,
    ) -> None:
        """Begin.

        Args:
            request: What is asked.
            demand: The same, reduced.
            obstacles: The rules that could be dropped.
            fitting: [class] Bitmap of the profiles that fit it, and where its slots fit.
            lanes: Of the hosts.
            unruled: What hosts lack without rules.
        """
        self._request, self._every, self._lanes, self._unruled = request, obstacles, lanes, unruled
        # What nothing could ever meet is told of apart.
        self._counts = [count if one.ways else 0 for one, count in demand.device_classes]
        self._policies = [one.numa for one, _ in demand.device_classes]
        self._rules = demand.rules
        self._profiles = [profiles for profiles, _ in fitting]
        numbers = sorted({slot for _, fits in fitting for slot in fits})
        self._fits = [[fits.get(slot, 0) for slot in numbers] for _, fits in fitting]
        self._slots = [lanes.slots[slot] for slot in numbers]
        most = sum(self._counts)
        self._free = [lane.usable.up_to(most) for lane in self._slots]
        self._offered = [lane.offered.up_to(most) for lane in self._slots]
        # Planes of a merit: rules dropped, devices freed; the rest is edits in all.
        self._widths = len(obstacles).bit_length(), most.bit_length()
        self._merit = Counter()
        self._dropped: list[tuple[int, tuple[Obstacle, ...]]] = []  # By hosts; the last counts.
        self._asked = 0  # The hosts that matter.
        self.hosts = 0  # All of which it is known what it takes.
        self.undecided = 0  # Of these, those where more rules are in the way than are tried.
        self.reasons: dict[tuple[Obstacle, ...], int] = {}  # Hosts where devices would do.

    @property
    def to_free(self) -> Counter:
        """How many devices would have to be freed."""
        first, width = self._widths
        return Counter.of_planes(self._merit.planes()[first : first + width])

    @property
    def to_drop(self) -> Counter:
        """How many rules would have to go."""
        return Counter.of_planes(self._merit.planes()[: self._widths[0]])

    def of(self, place: int) -> Known | None:
        """What it takes on one host, if that is known."""
        if not self.hosts >> place & 1:
            return None
        dropped = next((d for hosts, d in reversed(self._dropped) if hosts >> place & 1), None)
        return Known(
            tuple(self._every) if dropped is None else dropped,
            self.to_free.at(place),
            self._unruled.to_offer.at(place),
            next((o for o, hosts in self.reasons.items() if hosts >> place & 1), None),
        )

    def work_out(self, hosts: int, devices_do: int) -> None:
        """Work it out for those of the hosts where a flow tells.

        Args:
            hosts: All that matter.
            devices_do: Those of them whose devices would do without rules.
        """
        self._asked = hosts
        self.hosts = hosts = self._told_by_flow(hosts)
        self._merit = self._merit_of(len(self._every), self._unruled.to_free, hosts)
        waiting = devices_do & hosts
        for count in range(len(self._every) if hosts else 0):
            least = self._merit_of(count, self._unruled.to_free, hosts)
            for dropped in combinations(self._every, count):
                asked = least.below(self._merit, hosts)
                if count <= SMALLEST_UP_TO:
                    asked |= waiting
                if asked:
                    keeping, to_free = self._keep(self._without(dropped), asked)
                    found = self._merit_of(count, to_free, keeping)
                    better = found.below(self._merit, keeping)
                    self._merit.put_at(better, found)
                    self._dropped.append((better, dropped))
                    if count <= SMALLEST_UP_TO:
                        self.reasons[dropped] = minus(waiting & keeping, to_free.any())
                        waiting ^= self.reasons[dropped]
        if len(self._every) <= SMALLEST_UP_TO + 1:
            self.reasons[tuple(self._every)] = waiting
        else:
            self.undecided = waiting

    def _merit_of(self, dropped: int, to_free: Counter, hosts: int) -> Counter:
        """Number what hosts are compared by: edits in all, then devices freed."""
        of_dropped, of_freed = self._widths
        rules, total = Counter.where(hosts, dropped), Counter.where(hosts, dropped)
        total.add(to_free, hosts)
        return Counter.of_planes(
            [*rules.padded(of_dropped), *to_free.padded(of_freed, hosts), *total.planes()]
        )

    # Where a flow tells.

    def _told_by_flow(self, hosts: int) -> int:
        every = self._without(())
        hard = [rule for rule in self._rules if rule.hard]
        if (
            any(one.reason is Reason.BANDWIDTH for one in self._every)
            or len(self._every) > OBSTACLES_MAX
            or len(every.together) > AFFINITIES_MAX
            or len(hard) - len(every.together) > 1
            or any(one and one.confines and one not in _POLICIES for one in self._policies)
            or self._cut_count() > CUTS_MAX
        ):
            return 0
        if every.apart is None:
            return hosts
        if every.apart.scope is not Scope.PF and len(self._every) > 1:
            return 0  # Its places may be parted by those of other rules.
        return minus(hosts, self._mingled(every.apart))

    def _cut_count(self) -> int:
        """How many sets of NICs, at how many places, would have to be looked at."""
        found = 0
        for count in range(len(self._every)):
            for dropped in combinations(self._every, count):
                kept = self._without(dropped)
                sets = sum(1 << len(block) for block in blocks_of(self._wants(kept)))
                found += sets * prod(map(len, self._spots(kept)))
        return found

    def _mingled(self, rule: ClassRule) -> int:
        """Hosts with a place where NICs that must be apart do not all fit the same devices.

        And those where one may come to be alone, and be where it could not be beside others.
        """
        found = 0
        for place in self._places(rule):
            at = self._at(rule.scope, place)
            of_classes = [
                [fits & here for fits, here in zip(self._fits[c], at, strict=True)]
                for c in rule.classes
                if self._counts[c]
            ]
            any_fits = [union(fits) for fits in zip(*of_classes, strict=True)]
            if place < 0:
                found |= union(any_fits) & self._unruled.to_offer.any()
            for of_class in of_classes:
                there = union(of_class)
                for fits, any_class in zip(of_class, any_fits, strict=True):
                    found |= minus(there & any_class, fits)
        return found

    # What it takes to keep some.

    def _keep(self, kept: _Kept, hosts: int) -> tuple[int, Counter]:
        """Return the hosts where they can be kept, and how many devices that frees."""
        wants, gates = self._wants(kept), self._gates(kept)
        blocks, to_offer = blocks_of(wants), self._unruled.to_offer
        best = Counter()
        keeping, waiting = 0, hosts
        for among, fits in self._homes(kept, wants, hosts):
            if not (here := among & waiting):
                continue
            lacking = gates.lacking(wants, blocks, fits, self._free, here)
            to_free = lacking.less(to_offer, here)
            better = to_free.below(best, here) | here ^ here & keeping
            if unsure := to_offer.below(lacking, better):
                never = gates.lacking(wants, blocks, fits, self._offered, unsure)
                better ^= to_offer.below(never, unsure)
            best.put_at(better, to_free)
            keeping |= better
            # Nowhere is less needed than without rules.
            waiting ^= better ^ self._unruled.to_free.below(to_free, better)
        return keeping, best

    def _homes(
        self, kept: _Kept, wants: Sequence[Want], hosts: int
    ) -> Iterator[tuple[int, list[Masks]]]:
        """Yield the hosts that have places, and [want][lane] what fits there."""
        # A NIC that wants a device that is not on offer can be in any place.
        unbound = hosts & self._unruled.to_offer.any()
        for spots in product(*self._spots(kept)):
            among, found = hosts, []
            for spot in spots:
                among &= spot.hosts
            for want in wants:
                fits = self._fits[want.number]
                for spot in spots:
                    if (mask := spot.masks.get(want.number)) is not None:
                        fits = [fit & here for fit, here in zip(fits, mask, strict=True)]
                among &= union(fits) | unbound
                found.append(fits)
            if among:
                yield among, found

    def _wants(self, kept: _Kept) -> list[Want]:
        """The classes; those that nothing tells apart any more as one."""
        found: dict[object, Want] = {}
        for c, count in enumerate(self._counts):
            if count:
                profiles = self._profiles[c]
                is_apart = kept.apart is not None and c in kept.apart.classes
                policy = self._policies[c] if kept.nodes else None
                key = profiles, is_apart, policy, tuple(c in r.classes for r in kept.together)
                before = found[key].count if key in found else 0
                found[key] = Want(c, before + count, profiles, is_apart)
        return list(found.values())

    def _gates(self, kept: _Kept) -> Gates:
        rule = kept.apart
        if rule is None:
            return Gates()
        known = [place for place in self._places(rule) if place >= 0]
        return Gates([self._at(rule.scope, place) for place in known])

    # Places.

    def _without(self, dropped: Sequence[Obstacle]) -> _Kept:
        numbers = {one.rule for one in dropped}
        hard = [rule for n, rule in enumerate(self._rules) if rule.hard and n not in numbers]
        # A NIC that is alone is neither together with others nor apart from them.
        hard = [rule for rule in hard if sum(self._counts[c] for c in rule.classes) > 1]
        return _Kept(
            [rule for rule in hard if not rule.apart],
            next((rule for rule in hard if rule.apart), None),
            any(one.reason is Reason.NUMA for one in self._every)
            and not any(one.reason is Reason.NUMA for one in dropped),
        )

    def _spots(self, kept: _Kept) -> list[list[_Spot]]:
        """For each rule, the places; NICs for which nothing is on offer are in the last one."""
        nowhere = [0] * len(self._slots)
        found = []
        for rule in kept.together:
            each = [self._at(rule.scope, place) for place in self._places(rule)]
            found.append([_Spot(dict.fromkeys(rule.classes, at)) for at in [*each, nowhere]])
        if kept.nodes:
            bound = [c for c, policy in enumerate(self._policies) if policy in _POLICIES]
            nodes = [self._node(node, bound) for node in self._nodes()]
            found.append([*nodes, _Spot(dict.fromkeys(bound, nowhere))])
        if kept.apart is not None:
            known = self._known(kept.apart.scope)
            found.append([_Spot(dict.fromkeys(kept.apart.classes, known))])
        return found

    def _node(self, node: int, bound: Sequence[int]) -> _Spot:
        """The guest on a node: of hosts that report none, wherever devices are."""
        lanes, request = self._lanes, self._request
        on_node = self._at(Scope.NUMA, node)
        known = self._known(Scope.NUMA)
        elsewhere = minus(self._asked, lanes.with_nodes)
        return _Spot(
            {
                c: on_node
                if self._policies[c] is NumaPolicy.REQUIRED
                else [
                    at | minus(self._asked, told) for at, told in zip(on_node, known, strict=True)
                ]
                for c in bound
            },
            elsewhere | lanes.with_room(node, request.vcpus, request.memory_mib, lanes.with_nodes),
        )

    def _nodes(self) -> list[int]:
        """All that any host has; at least one, for hosts that tell of none."""
        told = {node for lane in self._slots for node in lane.at[_NUMA] if node >= 0}
        return sorted(told | set(self._lanes.nodes)) or [0]

    def _places(self, rule: ClassRule) -> list[int]:
        scope = SCOPES.index(rule.scope)
        return sorted({place for lane in self._slots for place in lane.at[scope]})

    def _at(self, scope: Scope, place: int) -> Masks:
        number = SCOPES.index(scope)
        return [lane.at[number].get(place, 0) for lane in self._slots]

    def _known(self, scope: Scope) -> Masks:
        number = SCOPES.index(scope)
        return [
            union(hosts for place, hosts in lane.at[number].items() if place >= 0)
            for lane in self._slots
        ]

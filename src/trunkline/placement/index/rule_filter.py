"""Which hosts may keep the rules of a request: told of all hosts at once, before any match."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Final

from trunkline.domain.nic_rules import NumaPolicy, Scope
from trunkline.placement.asks.demand import Demand
from trunkline.placement.asks.request import PlacementRequest
from trunkline.placement.hosts.bits import Counter, union
from trunkline.placement.index.lanes import SCOPES, Fits, Lanes, SlotLane
from trunkline.placement.matching.problem import ClassRule

# Of so many classes that must be apart it is asked whether they have places enough together.
_TOGETHER_MAX: Final = 4

_FitsOf = Sequence[Sequence[int]]  # [class][slot] The hosts whose slot fits.


class RuleFilter:
    """Hard rules, guarantees and NUMA nodes, as far as counts of devices in places tell.

    Classes are looked at one by one, each with those that fit nowhere but where it fits, or a few
    together: what is said is necessary, not sufficient. Soft rules, and policies that devices whose
    node is not known may meet, are left out.
    """

    def __init__(
        self,
        request: PlacementRequest,
        demand: Demand,
        fitting: Sequence[tuple[int, Fits]],
        lanes: Lanes,
    ) -> None:
        """Begin.

        Args:
            request: What is asked.
            demand: The same, reduced.
            fitting: [class] Bitmap of the profiles that fit it, and where its slots fit.
            lanes: Of the hosts.
        """
        self._request = request
        self._counts = demand.counts
        self._classes = [one for one, _ in demand.device_classes]
        self._rules = [rule for rule in demand.rules if rule.hard]
        self._profiles = [profiles for profiles, _ in fitting]
        self._lanes = lanes
        self._confined = [
            c for c, one in enumerate(self._classes) if one.numa is NumaPolicy.REQUIRED
        ]
        numbered = range(len(lanes.slots))
        self._fits = [[fits.get(slot, 0) for slot in numbered] for _, fits in fitting]

    def possible(self, hosts: int) -> int:
        """Return those of the hosts that may keep all rules together."""
        if not self._request.is_confined:
            return self._on(hosts, self._fits)
        elsewhere = hosts ^ hosts & self._lanes.with_nodes
        if not self._confined:
            rooms = union(self._with_room(node, hosts) for node in self._lanes.nodes)
            return self._on(elsewhere | rooms, self._fits)
        return union(
            self._on(elsewhere | self._with_room(node, hosts), fits)
            for node, fits in self._fits_by_node()
        )

    def _with_room(self, node: int, hosts: int) -> int:
        """Hosts that report this node, with room for the guest on it."""
        request = self._request
        return self._lanes.with_room(node, request.vcpus, request.memory_mib, hosts)

    def _fits_by_node(self) -> Iterator[tuple[int, _FitsOf]]:
        """What fits with the guest on one NUMA node after the other."""
        scope = SCOPES.index(Scope.NUMA)
        slots = self._lanes.slots
        for node in sorted({node for lane in slots for node in lane.at[scope] if node >= 0}):
            on_node = [lane.at[scope].get(node, 0) for lane in slots]
            yield (
                node,
                [
                    [fits & at for fits, at in zip(of_class, on_node, strict=True)]
                    if c in self._confined
                    else of_class
                    for c, of_class in enumerate(self._fits)
                ],
            )

    def _on(self, hosts: int, fits: _FitsOf) -> int:
        every = range(len(self._classes))
        for c in every:
            if hosts and (c in self._confined or self._is_guaranteed(c)):
                needed = self._needed(c, every)
                total = self._count(c, fits[c], None, needed).get(0, Counter())
                hosts = total.at_least(needed, hosts)
        for rule in self._rules:
            if hosts:
                keeping = self._apart if rule.apart else self._together
                hosts = keeping(rule, hosts, fits)
        return hosts

    def _together(self, rule: ClassRule, hosts: int, fits: _FitsOf) -> int:
        """Hosts with one place that has enough for each class of the rule."""
        enough: dict[int, int] | None = None
        for c in rule.classes:
            needed = self._needed(c, rule.classes)
            found = {}
            for place, counter in self._count(c, fits[c], rule, needed).items():
                among = hosts if enough is None else enough.get(place, 0)
                if having := counter.at_least(needed, among):
                    found[place] = having
            enough = found
        return union((enough or {}).values())

    def _apart(self, rule: ClassRule, hosts: int, fits: _FitsOf) -> int:
        """Hosts with as many places that have any, for each few classes of the rule together."""
        having = [
            {
                place: counter.at_least(1, hosts)
                for place, counter in self._count(c, fits[c], rule, 1).items()
                if place >= 0
            }
            for c in rule.classes
        ]
        numbered = range(len(rule.classes))
        for size in (size for size in numbered if size < _TOGETHER_MAX):
            for some in combinations(numbered, size + 1):
                places = Counter.of(
                    union(having[n].get(place, 0) for n in some)
                    for place in {place for n in some for place in having[n]}
                )
                needed = sum(self._counts[rule.classes[n]] for n in some)
                hosts = places.at_least(needed, hosts)
        return hosts

    def _needed(self, c: int, among: Sequence[int]) -> int:
        """How many NICs need devices of those that fit a class, and as much of their PFs."""
        return sum(self._counts[d] for d in among if self._covers(c, d))

    def _covers(self, c: int, d: int) -> bool:
        """Whether all that would do for class `d` would do for class `c`."""
        mine, other = self._classes[c], self._classes[d]
        return (
            self._profiles[d] | self._profiles[c] == self._profiles[c]
            and (d in self._confined or c not in self._confined)
            and other.egress_mbps >= mine.egress_mbps
            and other.ingress_mbps >= mine.ingress_mbps
        )

    def _is_guaranteed(self, c: int) -> bool:
        return bool(self._classes[c].egress_mbps or self._classes[c].ingress_mbps)

    def _count(
        self, c: int, fits: Sequence[int], rule: ClassRule | None, most: int
    ) -> dict[int, Counter]:
        """Count devices for a class in each place of the rule's scope.

        Without a rule, in place 0, the host. With a guarantee, no more of a PF than it has
        bandwidth for; of one slot then no more than `most`.
        """
        found: dict[int, Counter] = {}
        for lane, fitting in zip(self._lanes.slots, fits, strict=True):
            if not fitting:
                continue
            places = {0: fitting} if rule is None else lane.at[SCOPES.index(rule.scope)]
            usable = self._guaranteed(c, lane, fitting, most) if self._is_guaranteed(c) else None
            for place, hosts in places.items():
                if part := fitting & hosts:
                    counter = found.setdefault(place, Counter())
                    counter.add(usable or lane.usable, part)
        return found

    def _guaranteed(self, c: int, lane: SlotLane, fitting: int, most: int) -> Counter:
        """How many devices of a slot could be had with the guarantee of a class, up to `most`."""
        one, found = self._classes[c], Counter()
        for family, hosts in lane.at[SCOPES.index(Scope.PF)].items():
            left = self._lanes.families.get(family)
            for number in range(1, most + 1):
                having = lane.usable.at_least(number, fitting & hosts) if left else 0
                if left and having:
                    having = left.first.at_least(number * one.egress_mbps, having)
                    having = left.second.at_least(number * one.ingress_mbps, having)
                    found.add_one(having)
        return found

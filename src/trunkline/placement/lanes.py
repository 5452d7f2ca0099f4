"""What hosts have slot by slot and place by place: which hosts may keep the rules of a request.

A lane is one slot number of all hosts at once. From lanes it is counted, for all hosts together,
how many devices for a class of NICs there are in each place: on one PF, one card, one NUMA node.
That is what rules are about, and most hosts that can't keep them are told from it, without a match.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from trunkline.domain.nic_rules import NumaPolicy, Scope
from trunkline.placement.bits import Counter, bitmap_of, union
from trunkline.placement.demand import Demand
from trunkline.placement.host_state import HostState
from trunkline.placement.problem import ClassRule

_SCOPES: Final = tuple(Scope)

# [scope] A number for each place of the slot's family; below 0: not known to be apart from others.
_Spot = tuple[int, ...]


class Lane:
    """One slot of all hosts that have it."""

    def __init__(self) -> None:
        self.usable = Counter()
        self.of_profile: dict[int, int] = {}  # Hosts whose slot has the profile.
        self.at: list[dict[int, int]] = [{} for _ in _SCOPES]  # [scope] Hosts, by place.


class Lanes:
    """The lanes of all hosts; they follow each change."""

    def __init__(self, hosts: Sequence[HostState]) -> None:
        slot_count = max((len(host.usable) for host in hosts), default=0)
        self.by_slot = [Lane() for _ in range(slot_count)]
        for slot, lane in enumerate(self.by_slot):
            usable: dict[int, int] = {}
            of_profile: dict[int, list[int]] = {}
            at: list[dict[int, list[int]]] = [{} for _ in _SCOPES]
            for place, host in enumerate(hosts):
                if slot < len(host.usable):
                    usable[place] = host.usable[slot]
                    profile = host.structure.profile_numbers[slot]
                    of_profile.setdefault(profile, []).append(place)
                    for of_scope, spot in zip(at, _spot(host, slot), strict=True):
                        of_scope.setdefault(spot, []).append(place)
            lane.usable = Counter(usable, len(hosts))
            lane.of_profile = _bitmaps(of_profile, len(hosts))
            lane.at = [_bitmaps(of_scope, len(hosts)) for of_scope in at]

    def change(self, place: int, before: Sequence[int], after: Sequence[int]) -> None:
        """Follow other numbers of usable devices of a host."""
        for lane, was, is_now in zip(self.by_slot, before, after, strict=False):
            if was != is_now:
                lane.usable.change(place, was, is_now)

    def flip(self, place: int, host: HostState, usable: Sequence[int]) -> None:
        """Take out a host, with these numbers, that was in, or the other way round."""
        here = 1 << place
        while len(self.by_slot) < len(usable):
            self.by_slot.append(Lane())
        for slot, count in enumerate(usable):
            lane = self.by_slot[slot]
            lane.usable.change(place, count, 0)
            _flip(lane.of_profile, host.structure.profile_numbers[slot], here)
            for of_scope, spot in zip(lane.at, _spot(host, slot), strict=True):
                _flip(of_scope, spot, here)


def _bitmaps(places: Mapping[int, Iterable[int]], size: int) -> dict[int, int]:
    return {key: bitmap_of(of_key, size) for key, of_key in places.items()}


def _flip(bitmaps: dict[int, int], key: int, here: int) -> None:
    bitmaps[key] = bitmaps.get(key, 0) ^ here


def _spot(host: HostState, slot: int) -> _Spot:
    family = host.structure.family[slot]
    place = host.places[family]
    unknown = -1 - family
    return tuple(
        [
            family if scope is Scope.PF else unknown if (at := place.at(scope)) is None else at
            for scope in _SCOPES
        ]
    )


class RuleFilter:
    """Which hosts may keep the hard rules of a demand, by counts of devices in places.

    Each class is looked at by itself, with those that fit nowhere but where it fits, so what is
    said is necessary, not sufficient. Guarantees, soft rules and policies that devices whose node
    is not known may meet are left out.
    """

    def __init__(self, demand: Demand, profiles: Sequence[int], lanes: Lanes) -> None:
        """Begin.

        Args:
            demand: With the rules.
            profiles: [class] Bitmap of the profiles that fit it.
            lanes: Of the hosts.
        """
        self._counts = demand.counts
        self._rules = [rule for rule in demand.rules if rule.hard]
        self._profiles = profiles
        self._lanes = lanes.by_slot
        self._confined = [
            c for c, (one, _) in enumerate(demand.device_classes) if one.numa is NumaPolicy.REQUIRED
        ]
        self._fits = [[_fits(lane, mask) for lane in self._lanes] for mask in profiles]

    def possible(self, hosts: int) -> int:
        """Return those of the hosts that may keep all rules together."""
        if not self._confined:
            return self._on(hosts, self._fits)
        return union(self._on(hosts, fits) for fits in self._fits_by_node())

    def _fits_by_node(self) -> Iterator[list[list[int]]]:
        """The fits of each class, with the guest on one NUMA node after the other."""
        scope = _SCOPES.index(Scope.NUMA)
        nodes = {node for lane in self._lanes for node in lane.at[scope] if node >= 0}
        for node in sorted(nodes):
            on_node = [lane.at[scope].get(node, 0) for lane in self._lanes]
            yield [
                [fits & at for fits, at in zip(of_class, on_node, strict=True)]
                if c in self._confined
                else of_class
                for c, of_class in enumerate(self._fits)
            ]

    def _on(self, hosts: int, fits: Sequence[Sequence[int]]) -> int:
        for c in self._confined:
            if hosts:
                total = self._count(fits[c], None).get(0, Counter())
                hosts = total.at_least(self._needed(c, self._confined), hosts)
        for rule in self._rules:
            if hosts:
                hosts = (
                    self._apart(rule, hosts, fits)
                    if rule.apart
                    else self._together(rule, hosts, fits)
                )
        return hosts

    def _together(self, rule: ClassRule, hosts: int, fits: Sequence[Sequence[int]]) -> int:
        """Hosts with one place that has enough for each class of the rule."""
        enough: dict[int, int] | None = None
        for c in rule.classes:
            needed = self._needed(c, rule.classes)
            of_class = {
                place: having
                for place, counter in self._count(fits[c], rule).items()
                if (enough is None or place in enough)
                and (having := counter.at_least(needed, hosts if enough is None else enough[place]))
            }
            enough = of_class
        return union((enough or {}).values())

    def _apart(self, rule: ClassRule, hosts: int, fits: Sequence[Sequence[int]]) -> int:
        """Hosts with as many places that have any, for each class of the rule."""
        for c in rule.classes:
            places = Counter()
            for place, counter in self._count(fits[c], rule).items():
                if place >= 0:
                    places.add_one(counter.at_least(1, hosts))
            hosts = places.at_least(self._needed(c, rule.classes), hosts)
        return hosts

    def _needed(self, c: int, among: Sequence[int]) -> int:
        """How many devices that fit a class are needed for the classes `among` that it covers."""
        mine, is_confined = self._profiles[c], c in self._confined
        return sum(
            self._counts[d]
            for d in among
            if self._profiles[d] | mine == mine and (d in self._confined or not is_confined)
        )

    def _count(self, fits: Sequence[int], rule: ClassRule | None) -> dict[int, Counter]:
        """Count devices in each place of the rule's scope; without a rule, in place 0: the host."""
        found: dict[int, Counter] = {}
        for lane, fitting in zip(self._lanes, fits, strict=True):
            if not fitting:
                continue
            places = {0: fitting} if rule is None else lane.at[_SCOPES.index(rule.scope)]
            for place, hosts in places.items():
                if part := fitting & hosts:
                    found.setdefault(place, Counter()).add(lane.usable.among(part))
        return found


def _fits(lane: Lane, profiles: int) -> int:
    return union(hosts for profile, hosts in lane.of_profile.items() if profiles >> profile & 1)

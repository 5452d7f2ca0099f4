"""Which hosts refuse a request, and for which reasons: for all hosts at once, from columns of bits.

What is said here of a host is what `judge` says of it, who looks at one host after another. Where
no column tells whether NICs fit together (PFs wanted whole take their VFs from others; very many
unlike NICs), the hosts in doubt are looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from itertools import combinations
from typing import Final

from trunkline.domain.device import DeviceKind
from trunkline.placement.asks.demand import Attributes, NicClass, make_demand, nic_class
from trunkline.placement.asks.edits import SIZES_ORDER, EditKind, Size
from trunkline.placement.asks.request import PlacementRequest, Reason
from trunkline.placement.hosts.bits import Counter, bitmap_of, minus, numbers_in
from trunkline.placement.hosts.feasibility import reason_of
from trunkline.placement.index.columns import Columns
from trunkline.placement.index.group_order import allowed_by
from trunkline.placement.index.lanes import Fits
from trunkline.placement.index.rule_filter import RuleFilter
from trunkline.placement.reasons.changes import EDIT_OF_REASON, fewest_bridges
from trunkline.placement.reasons.counts import Counts
from trunkline.placement.reasons.judge import Judge
from trunkline.placement.reasons.kept_rules import RuleCosts, Unruled
from trunkline.placement.reasons.obstacles import Obstacle
from trunkline.placement.reasons.ruled_shortfall import Known
from trunkline.placement.reasons.shortage import Group, groups_of

BRIDGES_MAX: Final = 8  # Unlike sets of physical networks: the fewest bridges for all are known.


class Refusals:
    """What all hosts say to a request. Only as long as the fleet does not change."""

    def __init__(
        self, request: PlacementRequest, columns: Columns, judge: Judge, hosts: int
    ) -> None:
        """Ask these hosts, as bits."""
        self._request, self._columns, self._judge = request, columns, judge
        self._every = hosts
        self._demand = make_demand(request)
        self._classes = self._demand.device_classes
        self._counts = Counts(columns)
        self._profiles = [self._counts.of_class(one) for one, _ in self._classes]
        self._bridge_classes = self._demand.bridge_classes
        self._rule_costs: RuleCosts | None = None  # None: there are no rules.
        self.by_reason: dict[Reason, int] = {}
        lacking = 0
        for reason, hosts in [*self._of_nics(), *self._together()]:
            self._add(reason, hosts)
            lacking |= hosts
        for reason, hosts in [*self._of_rules(minus(self._every, lacking)), *self._of_hosts()]:
            self._add(reason, hosts)
        self.refused = 0
        for hosts in self.by_reason.values():
            self.refused |= hosts

    def _add(self, reason: Reason, hosts: int) -> None:
        self.by_reason[reason] = self.by_reason.get(reason, 0) | hosts & self._every

    def counts(self) -> dict[Reason, int]:
        """How many hosts each reason stands at."""
        counted = {reason: hosts.bit_count() for reason, hosts in self.by_reason.items()}
        return {reason: count for reason, count in counted.items() if count}

    def nearest_first(self) -> Iterator[tuple[Size, int]]:
        """Yield hosts that refuse, by the least that would have to change there; with how much.

        That is a lower bound where `is_rough` says so of the host, and exact elsewhere. Hosts that
        are equal come together, as bits.
        """
        yield from _parted(self.refused, self._columns_of_edits())

    def rule_costs_at(self, place: int) -> Known | None:
        """What keeping rules takes on the host at a place, if that is known."""
        return None if self._rule_costs is None else self._rule_costs.of(place)

    @cached_property
    def is_rough(self) -> int:
        """The hosts for which more may have to change than `nearest_first` says."""
        if self._mixes_pfs:
            return self._every
        if self._rule_costs is not None:
            return minus(self._every, self._by_rule | self._rule_costs.hosts)
        if not all(group.is_exact for group in self._groups):
            return self._every
        if len(self._bridge_classes) > BRIDGES_MAX:
            return self._every
        rough = self._opening | self._columns.offers().twice_owned
        for group, freed in zip(self._groups, self._freed, strict=True):
            if len(group.wants) > 1 and self._whole_pfs & group.profiles:
                rough |= freed.at_least(1, self._every)  # It matters which NIC has which PF.
        return rough & self._every

    def _of_hosts(self) -> Iterator[tuple[Reason, int]]:
        columns, request, every = self._columns, self._request, self._every
        if request.only_host is not None:
            yield Reason.NOT_THE_HOST_ASKED_FOR, minus(every, columns.named(request.only_host))
        for host_id in request.excluded_hosts:
            if host_id in columns.places:
                yield Reason.EXCLUDED, 1 << columns.places[host_id]
        if request.zone is not None:
            yield Reason.NOT_IN_ZONE, minus(every, columns.in_zone(request.zone))
        if request.metadata:
            yield Reason.AGGREGATE_METADATA, minus(every, columns.meeting(request.metadata))
        if request.fellows is not None:
            allowed = allowed_by(request.fellows, columns)
            yield reason_of(request.fellows), minus(every, allowed)
        if not request.even_disabled:
            yield Reason.DISABLED, minus(every, columns.enabled)
        yield Reason.DOWN, minus(every, columns.up | columns.stuck)
        yield Reason.STUCK, columns.stuck
        yield Reason.NO_VCPUS, every ^ columns.free_vcpus.at_least(request.vcpus, every)
        yield Reason.NO_MEMORY, every ^ columns.free_memory.at_least(request.memory_mib, every)
        yield Reason.NO_DISK, every ^ columns.free_disk.at_least(request.disk_gib, every)

    def _of_nics(self) -> Iterator[tuple[Reason, int]]:
        """Why NICs would not fit even if each was the only one."""
        for one in self._bridge_classes:
            yield Reason.NO_BRIDGE, self._without_bridge(one)
        seen: set[object] = set()
        for nic in self._request.nics:
            one = nic_class(nic)
            reach = frozenset(frozenset(option.attributes.items()) for option in nic.options)
            if one.kind is not None and (one, reach) not in seen:
                seen.add((one, reach))
                yield from self._of_nic(one, reach or {frozenset()})

    def _of_nic(self, one: NicClass, reach: Collection[Attributes]) -> Iterator[tuple[Reason, int]]:
        """As `nic_reasons` says it of one host."""
        counts, every = self._counts, self._every
        profiles = counts.of_class(one)
        usable = self._usable(profiles)
        out = minus(every & counts.out(profiles), usable)
        yield Reason.OUT_OF_SERVICE, out
        matching = minus(counts.having(profiles), usable | out)
        if one.kind is DeviceKind.PF:
            without_owner = matching & counts.offered(profiles).above(counts.shut(profiles))
            yield Reason.PF_IN_USE, without_owner
        else:
            without_owner = matching & counts.shut(profiles).at_least(1, matching)
            yield Reason.PF_GIVEN_AWAY, without_owner
        yield Reason.NO_FREE_DEVICE, minus(matching, without_owner)

        there = counts.having(counts.of_class(_reached_by(one, [frozenset()])))
        cabled = counts.having(counts.of_class(_reached_by(one, reach)))
        rest = minus(every, usable | matching | out)
        yield Reason.NO_DEVICE, minus(rest, there)
        yield Reason.NOT_CABLED, minus(rest & there, cabled)
        yield Reason.NO_MATCHING_DEVICE, rest & there & cabled

    def _together(self) -> Iterator[tuple[Reason, int]]:
        """Where those that would fit alone don't fit together."""
        crowded = doubtful = 0
        for group in self._groups:
            fitting = [self._usable(want.profiles) for want in group.wants]
            crowded |= group.crowded(self._counts.usable, fitting)
            if not group.is_exact:
                doubtful |= group.tight(self._counts.usable, fitting, margin=0)
        if self._mixes_pfs:
            doubtful |= self._in_doubt_for_pfs()
        looked_at = 0
        for place in numbers_in(minus(doubtful & self._every, crowded)):
            if self._judge.is_crowded(self._columns.hosts[place]):
                looked_at |= 1 << place
        self._crowded_by_pfs = looked_at
        yield Reason.TOO_FEW_TOGETHER, (crowded | looked_at) & self._every

    def _of_rules(self, hosts: int) -> Iterator[tuple[Reason, int]]:
        """Which rules stand in the way where devices would do without them."""
        self._by_rule = self._by_rules = 0
        rules = self._judge.rules
        if not rules.every:
            return
        self._rule_costs = costs = self._find_rule_costs(hosts)
        for obstacles, found in costs.reasons.items():
            for reason in {one.reason for one in obstacles}:
                yield reason, found
        hosts = minus(hosts, costs.hosts)
        if hosts and len(rules.every) == 1:
            possible = self._may_keep_rules(hosts)
            self._by_rule = hosts ^ possible
            yield rules.every[0].reason, self._by_rule
            hosts = possible
        yield from self._of_rules_looked_at(hosts | costs.undecided)

    def _of_rules_looked_at(self, hosts: int) -> Iterator[tuple[Reason, int]]:
        rules = self._judge.rules
        found: dict[tuple[Obstacle, ...], list[int]] = {}
        for place in numbers_in(hosts):
            found.setdefault(rules.in_the_way(self._columns.hosts[place]), []).append(place)
        found.pop((), None)
        for obstacles, places in found.items():
            bitmap = bitmap_of(places, len(self._columns.hosts))
            if len(obstacles) == 1:
                self._by_rule |= bitmap
            else:
                self._by_rules |= bitmap
            for reason in {one.reason for one in obstacles}:
                yield reason, bitmap

    def _find_rule_costs(self, devices_do: int) -> RuleCosts:
        """What it takes to keep rules, on the hosts of which columns tell it."""
        to_free, to_offer = Counter(), Counter()
        told = minus(self._every, self._columns.offers().twice_owned)
        for group, freed, never in zip(self._groups, self._freed, self._never, strict=True):
            to_free.add(freed)
            to_offer.add(Counter.of(never), self._every)
            if self._whole_pfs & group.profiles or not group.is_exact:
                told = 0
            told = minus(told, self._counts.shut(group.profiles).any())
        costs = RuleCosts(
            self._request,
            self._demand,
            self._judge.rules.every,
            self._fitting(),
            self._columns.lanes(),
            Unruled(to_free, to_offer),
        )
        costs.work_out(told, devices_do)
        return costs

    def _fitting(self) -> list[tuple[int, Fits]]:
        columns = [self._columns.of_class(one) for one, _ in self._classes]
        return [(each.profiles, each.fits) for each in columns]

    def _may_keep_rules(self, hosts: int) -> int:
        """Those of the hosts on which counts alone do not say that rules can't be kept."""
        lanes = self._columns.lanes()
        return RuleFilter(self._request, self._demand, self._fitting(), lanes).possible(hosts)

    def _in_doubt_for_pfs(self) -> int:
        """Where PFs taken whole might take VFs that others need now."""
        wants_pf = doubtful = 0
        for group in self._groups:
            fitting = [self._usable(want.profiles) for want in group.wants]
            if not self._wants_pfs(group):
                doubtful |= group.tight(self._counts.usable, fitting, margin=self._pf_margin)
        for (one, _), profiles in zip(self._classes, self._profiles, strict=True):
            if one.is_of(DeviceKind.PF):
                wants_pf |= self._usable(profiles)
        return doubtful & wants_pf

    @cached_property
    def _mixes_pfs(self) -> bool:
        """Whether some NICs may take PFs whole, and others VFs."""
        kinds = {kind for one, _ in self._classes for kind in one.kinds}
        return DeviceKind.PF in kinds and DeviceKind.VF in kinds

    @cached_property
    def _groups(self) -> tuple[Group, ...]:
        return groups_of(
            [
                (profiles, count)
                for (one, count), profiles in zip(self._classes, self._profiles, strict=True)
                if one.ways
            ]
        )

    def _usable(self, profiles: int) -> int:
        return self._counts.usable(profiles).at_least(1, self._every)

    def _without_bridge(self, one: NicClass) -> int:
        reachable = 0
        for name in one.bridges:
            reachable |= self._columns.with_bridge(name)
        return minus(self._every, reachable)

    # How much would have to change.

    def _columns_of_edits(self) -> list[Counter]:
        """Count the edits that each host needs: all, then by kind, in the order of sizes."""
        counted = {kind: Counter() for kind in SIZES_ORDER}
        for reason, hosts in self.by_reason.items():
            if reason in EDIT_OF_REASON:
                counted[EDIT_OF_REASON[reason]].add_one(hosts)  # Some reasons share a kind.
        counted[EditKind.CHANGE_DEMAND] = Counter.of([self._every] * self._hopeless)
        counted[EditKind.OFFER_DEVICE] = Counter.of(
            hosts for lacking in self._never for hosts in lacking
        )
        counted[EditKind.FREE_DEVICE] = self._to_free()
        counted[EditKind.DROP_RULE] = Counter.of([self._by_rule])
        if self._rule_costs is not None:
            told = self._rule_costs.hosts
            counted[EditKind.DROP_RULE].put_at(told, self._rule_costs.to_drop)
            counted[EditKind.FREE_DEVICE].put_at(told, self._rule_costs.to_free)
        counted[EditKind.ADD_BRIDGE] = Counter.of(self._bridges_lacking())
        total = Counter()
        for counter in counted.values():
            total.add(counter)
        return [total, *counted.values()]

    @cached_property
    def _hopeless(self) -> int:
        """How many NICs ask for what no device or bridge can ever be."""
        without_way = sum(count for one, count in self._classes if not one.ways)
        bridgeless = [nic_class(nic) for nic in self._request.nics if nic.kind is None]
        return without_way + sum(1 for one in bridgeless if not one.bridges)

    @cached_property
    def _lacking(self) -> list[list[int]]:
        """[group][n] hosts that lack more than n devices now."""
        return [list(group.lacking(self._counts.usable, self._every)) for group in self._groups]

    @cached_property
    def _never(self) -> list[list[int]]:
        """As `_lacking`, if no device had an owner."""
        return [list(group.lacking(self._counts.offered, self._every)) for group in self._groups]

    @cached_property
    def _open(self) -> list[list[int]]:
        """As `_lacking`, if the VFs of all PFs with owners could be had."""
        return [
            list(group.lacking(self._open_count, self._every)) if self._is_shut(group) else lacking
            for group, lacking in zip(self._groups, self._lacking, strict=True)
        ]

    @cached_property
    def _opening(self) -> int:
        """The hosts where freeing a PF gives its VFs to NICs: to several by one edit, it may be."""
        found = 0
        for lacking, opened in zip(self._lacking, self._open, strict=True):
            for now, then in zip(lacking, opened, strict=True):
                found |= minus(now, then)
        return found & self._every

    @cached_property
    def _freed(self) -> list[Counter]:
        """[group] How many devices would have to be freed for it, PFs for their VFs aside."""
        return [
            Counter.of(
                minus(minus(now, self._opening) | then & self._opening, never)
                for now, then, never in zip(*hosts, strict=True)
            )
            for hosts in zip(self._lacking, self._open, self._never, strict=True)
        ]

    def _to_free(self) -> Counter:
        """Count the devices that would have to be freed; of PFs, the cheapest to free."""
        lacking = 0
        for hosts in self._lacking:
            lacking |= hosts[0]
        total = Counter.of([self._opening, minus(self._crowded_by_pfs, lacking), self._by_rules])
        for group, freed in zip(self._groups, self._freed, strict=True):
            if not self._wants_pfs(group):
                total.add(freed)
            elif freed.at_least(1, self._every):
                prices = self._counts.pf_prices(group.profiles, group.nic_count)
                total.add(freed, self._contended)
                for number, price in enumerate(prices, start=1):
                    total.add(price, freed.at_least(number, minus(self._every, self._contended)))
        return total

    @cached_property
    def _contended(self) -> int:
        """Where PFs taken whole might take VFs that others need, even if no device had an owner.

        Then a device put on offer may do instead of a PF that is dear to free.
        """
        if not self._mixes_pfs:
            return 0
        found = 0
        for group in self._groups:
            if not self._wants_pfs(group):
                everywhere = [self._every] * len(group.wants)
                found |= group.tight(self._counts.offered, everywhere, margin=self._pf_margin)
        return found

    @cached_property
    def _pf_margin(self) -> int:
        """How many VFs PFs taken whole can take from others."""
        pf_nics = sum(count for one, count in self._classes if one.is_of(DeviceKind.PF))
        return pf_nics * self._columns.offers().vfs_of_a_pf_max

    def _wants_pfs(self, group: Group) -> bool:
        """Whether all devices that fit it are whole PFs."""
        return bool(group.profiles) and not minus(group.profiles, self._whole_pfs)

    @cached_property
    def _whole_pfs(self) -> int:
        """The profiles of PFs, as bits."""
        return self._columns.profiles_of([DeviceKind.PF])

    def _is_shut(self, group: Group) -> bool:
        return not self._wants_pfs(group) and any(
            self._counts.shut(want.profiles).at_least(1, self._every) for want in group.wants
        )

    def _open_count(self, profiles: int) -> Counter:
        total = Counter()
        total.add(self._counts.usable(profiles))
        total.add(self._counts.shut(profiles))
        return total

    def _bridges_lacking(self) -> Iterator[int]:
        """Yield the hosts that lack 1 bridge or more, those that lack 2 or more, and so on."""
        classes = [one for one in self._bridge_classes if one.bridges]
        most = len(classes) if len(classes) <= BRIDGES_MAX else 1
        needs = [
            (len(fewest_bridges([one.bridges for one in chosen])), chosen)
            for count in range(1, most + 1)
            for chosen in combinations(classes, count)
        ]
        for number in range(1, max((need for need, _ in needs), default=0) + 1):
            found = 0
            for need, chosen in needs:
                if need >= number:
                    hosts = self._every
                    for one in chosen:
                        hosts &= self._without_bridge(one)
                    found |= hosts
            yield found


def _reached_by(one: NicClass, reach: Collection[Attributes]) -> NicClass:
    """NICs for which any device of the kind will do that reaches one of their segments."""
    return NicClass(one.kind, frozenset(reach), frozenset(), or_kinds=one.or_kinds)


def _parted(hosts: int, columns: Sequence[Counter], size: Size = ()) -> Iterator[tuple[Size, int]]:
    """Part hosts by numbers, those of the first column first; least first."""
    if len(size) == len(columns):
        yield size, hosts
        return
    while hosts:
        equal, number = columns[len(size)].least(hosts)
        yield from _parted(equal, columns, (*size, number))
        hosts ^= equal

"""How many copies of one server fit on one host at once: exact wherever that can be proven.

A server takes one of several *patterns* of the host's resources. Patterns that share no resource
are counted apart. Within such a group the smallest cut is the answer if a flow says all that the
rules say; else it is an upper bound, and a search packs towards it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice, product
from math import gcd
from typing import Final, NamedTuple

from trunkline.placement.matching.layout import Home
from trunkline.placement.matching.problem import Problem
from trunkline.placement.planning.cuts import (
    PATTERNS_MAX,
    Cut,
    are_all_cuts_seen,
    cuts_of_flow,
    cuts_of_patterns,
)
from trunkline.placement.planning.packer import Packed, Packer
from trunkline.placement.planning.patterns import Exchanges, Pattern, are_laminar, list_patterns
from trunkline.placement.planning.resources import Ground, Resource, Seats, Supply, survey
from trunkline.placement.planning.sums import HalfSums, Sums, cut_sums, half_sums

# Of one host, bounds looked at by the search; of hosts that are real, few need more than a hundred.
STEPS_MAX: Final = 2_000
WAYS_MAX: Final = 256  # In which PFs that can be had whole or in parts are given.


class Count(NamedTuple):
    """How many servers: `least` are known to fit, more than `most` known not to."""

    least: int
    most: int

    @property
    def is_exact(self) -> bool:
        """Whether it is one number."""
        return self.least == self.most


@dataclass(frozen=True)
class _Group:
    """Patterns that compete for resources, and with no others."""

    cuts: tuple[Cut, ...]
    listed: Callable[[], Sequence[Pattern]]  # The patterns, once anybody needs them.
    is_exact: bool  # The smallest cut is the answer.
    is_whole: bool = True  # Whether all patterns are listed.
    units: Mapping[int, int] = field(default_factory=dict)
    """Of a resource all patterns take multiples of this."""
    halves: HalfSums | None = None  # These are, where the smallest cut may not be.

    @cached_property
    def patterns(self) -> Sequence[Pattern]:
        """Each as the resources are, not in units."""
        return self.listed()

    @cached_property
    def packer(self) -> Packer:
        """What packs servers of these patterns, in units."""
        return Packer([tuple(self.in_units(pattern)) for pattern in self.patterns], self.cuts)

    def in_units(self, amounts: Sequence[int]) -> Sequence[int]:
        """Count amounts of resources in units."""
        if not self.units:
            return amounts
        return [amount // self.units.get(n, 1) for n, amount in enumerate(amounts)]

    def at_most(self, have: Sequence[int]) -> int:
        """How many servers the cuts leave room for."""
        left = self.in_units(have)
        return min(sum([left[n] for n in cut.resources]) // cut.least for cut in self.cuts)

    def pack(self, have: Sequence[int], goal: int, *, steps_max: int) -> Packed:
        """Pack as many servers as are found to fit, up to `goal`."""
        return self.packer.pack(self.in_units(have), goal, steps_max=steps_max)


class Copies:
    """Counts copies of one problem's NICs on hosts that differ from it in their supplies only."""

    def __init__(self, problem: Problem, exchanges: Exchanges | None = None) -> None:
        """Begin; what was found out of patterns of other problems is of use."""
        self.ground = survey(problem)
        self._mixed = self.ground.mixed
        self._groups = tuple(_groups(self.ground, exchanges or Exchanges()))
        self._sums = self._sums_of_groups()
        self.steps_used = 0  # By all searches so far.

    def count_by_sums(self, usable: Sequence[int], seats: Seats) -> int | None:
        """Count the copies where sums tell how many they are; None: it takes a search.

        Args:
            usable: [slot] Devices that the host has.
            seats: As in a supply.
        """
        if self._sums is None:
            return None
        return sum([each.servers(usable, seats) for each in self._sums])

    def count(self, supply: Supply, *, enough: int, steps_max: int = STEPS_MAX) -> Count:
        """Count the copies that fit together.

        Args:
            supply: What the host has.
            enough: More are not wanted: what else the host has room for.
            steps_max: Of the search, where one is needed.
        """
        known = self.count_by_sums(supply.free, supply.seats)
        if known is not None:
            return Count(min(known, enough), min(known, enough))
        have = self.ground.amounts(supply)
        most = min(sum(group.at_most(have) for group in self._groups), enough)
        best = Count(0, 0)
        before = self.steps_used
        for number, left in enumerate(self._ways(have)):
            if number == WAYS_MAX:
                return Count(best.least, most)
            found = self._count(left, enough, steps_max - (self.steps_used - before))
            best = Count(max(best.least, found.least), max(best.most, found.most))
            if best.least >= most:
                break
        return best

    def _sums_of_groups(self) -> list[Sums] | None:
        """What tells how many servers each group gives; None: some group takes a search."""
        if self._mixed:
            return None
        found: list[Sums] = []
        for group in self._groups:
            sums: Sums | None = group.halves
            if group.is_exact:
                sums = cut_sums(group.cuts, group.units, self.ground.resources)
            if sums is None:
                return None
            found.append(sums)
        return found

    def choose(self, supply: Supply, *, number: int, steps_max: int = STEPS_MAX) -> list[Pattern]:
        """Choose what so many copies take, or as many as are found to fit together.

        As many as `count` says do fit, unless there are more patterns than are listed.
        """
        best: list[Pattern] = []
        before = self.steps_used
        for left in islice(self._ways(self.ground.amounts(supply)), WAYS_MAX):
            found = self._choose(left, number, steps_max - (self.steps_used - before))
            best = max(best, found, key=len)
            if len(best) >= number:
                break
        return best

    def _ways(self, have: Sequence[int]) -> Iterator[Sequence[int]]:
        """Yield what there is with each PF that could be given whole or in parts given one way."""
        contested = [
            both
            for both in self._mixed.values()
            if any(have[n] for n in both[0]) and any(have[n] for n in both[1])
        ]
        for gone in product((0, 1), repeat=len(contested)):
            left = list(have)
            for both, side in zip(contested, gone, strict=True):
                for n in both[side]:
                    left[n] = 0
            yield left

    def _count(self, have: Sequence[int], enough: int, steps_max: int) -> Count:
        least = most = 0
        for group in self._groups:
            bound = min(group.at_most(have), enough)
            most += bound
            if group.is_exact or not bound:
                least += bound
            else:
                packed = group.pack(have, bound, steps_max=steps_max)
                self.steps_used += packed.steps
                least += packed.count
                most += (packed.at_most if group.is_whole else bound) - bound
            if least >= enough:
                break
        return Count(min(least, enough), min(most, enough))

    def _choose(self, have: Sequence[int], number: int, steps_max: int) -> list[Pattern]:
        chosen: list[Pattern] = []
        for group in self._groups:
            wanted = min(group.at_most(have), number - len(chosen))
            if wanted:
                packed = group.pack(have, wanted, steps_max=steps_max)
                self.steps_used += packed.steps
                for pattern, times in zip(group.patterns, packed.times, strict=True):
                    chosen += [pattern] * times
        return chosen


def _groups(ground: Ground, exchanges: Exchanges) -> Iterator[_Group]:
    """Part the ways of taking from the host; none if there is no way at all."""
    if ground.is_plain:
        homes = _distinct_homes(ground)
        if all(len(part) == 1 for part in _parted([_reach(ground, home) for home in homes])):
            yield from (_flow_group(ground, home) for home in homes)
            return
    patterns = list_patterns(ground)
    if not patterns.is_complete:
        yield _relaxed(ground, patterns.all)
        return
    found = patterns.all
    supports = [frozenset(n for n, amount in enumerate(p) if amount) for p in found]
    for part in _parted(supports):
        members = [found[n] for n in part]
        reach = frozenset[int]().union(*(supports[n] for n in part))
        is_exact = len(members) == 1 or any(
            of_home.issuperset(members)
            and _is_flow(ground, home, reach)
            and are_all_cuts_seen(members, reach)
            for home, of_home in enumerate(patterns.of_home)
        )
        yield _pattern_group(members, reach, ground.resources, exchanges, is_exact=is_exact)


def _distinct_homes(ground: Ground) -> list[int]:
    """The homes where the NICs can be served, those once that nothing tells apart."""
    found: dict[object, int] = {}
    for home, allowed in enumerate(ground.allowed):
        if all(allowed):
            found.setdefault((allowed, ground.seat[home]), home)
    return list(found.values())


def _reach(ground: Ground, home: int) -> frozenset[int]:
    seat = ground.seat[home]
    return frozenset(n for row in ground.allowed[home] for n in row) | (
        frozenset() if seat is None else {seat}
    )


def _flow_group(ground: Ground, home: int) -> _Group:
    """A guest at one home, with no rule to keep."""
    counts, allowed = ground.layout.problem.counts, ground.allowed[home]
    seat = ground.seat[home]
    room = () if seat is None else (Cut((seat,), 1),)
    here = replace(ground, allowed=(allowed,), seat=(seat,), homes=(ground.homes[home],))
    cuts = cuts_of_flow(counts, allowed)
    if cuts is not None:
        return _Group((*cuts, *room), lambda: list_patterns(here).all, is_exact=True)
    each = (Cut(tuple(row), count) for row, count in zip(allowed, counts, strict=True))
    every = Cut(tuple(sorted({n for row in allowed for n in row})), sum(counts))
    return _Group(
        (*each, every, *room),
        lambda: list_patterns(here).all[:PATTERNS_MAX],
        is_exact=False,
        is_whole=False,
    )


def _relaxed(ground: Ground, patterns: Sequence[Pattern]) -> _Group:
    """Where there are too many patterns to list: a bound that leaves out rules and homes."""
    counts = ground.layout.problem.counts
    allowed = [
        tuple(sorted({n for at_home in ground.allowed for n in at_home[c]}))
        for c in range(len(counts))
    ]
    anywhere = replace(ground, allowed=(tuple(allowed),), seat=(None,), homes=(Home(),))
    some = patterns[:PATTERNS_MAX]
    return replace(_flow_group(anywhere, 0), listed=lambda: some, is_exact=False, is_whole=False)


def _pattern_group(
    patterns: Sequence[Pattern],
    reach: Collection[int],
    resources: Sequence[Resource],
    exchanges: Exchanges,
    *,
    is_exact: bool,
) -> _Group:
    units = {n: gcd(*(pattern[n] for pattern in patterns)) for n in reach}
    units = {n: unit for n, unit in units.items() if unit > 1}
    group = _Group((), lambda: patterns, is_exact=is_exact, units=units)
    scaled = [tuple(group.in_units(pattern)) for pattern in patterns]
    is_exact = is_exact or (are_all_cuts_seen(scaled, reach) and exchanges.hold_for(scaled))
    halves = None if is_exact else half_sums(scaled, reach, units, resources, exchanges)
    cuts = tuple(cuts_of_patterns(scaled, sorted(reach)))
    return replace(group, cuts=cuts, is_exact=is_exact, halves=halves)


def _is_flow(ground: Ground, home: int, reach: frozenset[int]) -> bool:
    """Whether the rules say no more within these resources than capacities of a flow would.

    Sets of (class, resource) of which one server takes a limited number must be apart or one in
    the other; then every flow of n servers' NICs comes apart into n servers (such matrices are
    totally unimodular).
    """
    allowed = ground.allowed[home]
    sets = [
        frozenset((c, n) for c, row in enumerate(allowed) if n in row)
        for n in reach
        if ground.resources[n].slots
    ]
    for number, placed in enumerate(ground.layout.rules):
        at: dict[int, set[tuple[int, int]]] = {}
        for c in placed.rule.classes:
            for n in reach.intersection(allowed[c]):
                at.setdefault(ground.resources[n].places[number], set()).add((c, n))
        if placed.rule.apart:
            sets += [frozenset(pairs) for pairs in at.values()]
        elif len(at) > 1:
            return False
    problem = ground.layout.problem
    for drawn in {drawn for each in ground.guarantees.values() for drawn in each}:
        if drawn in reach and ground.resources[drawn].egress + ground.resources[drawn].ingress == 1:
            return False
        sets.append(
            frozenset(
                (c, n)
                for c, row in enumerate(allowed)
                if problem.egress[c] or problem.ingress[c]
                for n in reach.intersection(row)
                if drawn in ground.guarantees[n]
            )
        )
    return are_laminar(sets)


def _parted(sets: Sequence[frozenset[int]]) -> list[list[int]]:
    """Part the sets, by their numbers, so that none shares an element with one of another part."""
    parts: list[tuple[frozenset[int], list[int]]] = []
    for number, each in enumerate(sets):
        touching = [part for part in parts if part[0] & each]
        parts = [part for part in parts if not part[0] & each]
        members = [*sorted(n for _, of_part in touching for n in of_part), number]
        parts.append((each.union(*(union for union, _ in touching)), members))
    return [members for _, members in parts]

"""The least change by which a host's devices would do under rules: which to free, which to drop.

Fewest edits in all; of these, fewest devices freed. Rules are dropped one set after another, and
for each set the cheapest match is found in which the other rules hold: exact, since no set is
tried that could not be better than what was found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from trunkline.placement.hosts.feasibility import Site
from trunkline.placement.matching.match import STATES_MAX, Problem, Solution, solve
from trunkline.placement.matching.problem import ClassRule
from trunkline.placement.reasons.obstacles import Obstacle, without
from trunkline.placement.reasons.ruled import is_hard
from trunkline.placement.reasons.shortfall import (
    Change,
    Shortfall,
    changes_of,
    priced_slots,
    prices,
    shortfall_of,
    shut_for,
)
from trunkline.placement.reasons.stocks import FamilyStock, Wanted


@dataclass(frozen=True, slots=True)
class RuledShortfall:
    """What would have to change, and which rules would have to go."""

    dropped: tuple[Obstacle, ...]
    devices: Shortfall


@dataclass(frozen=True, slots=True)
class Known:
    """What was found out of a host together with others: rules that go, devices that change."""

    dropped: tuple[Obstacle, ...]
    to_free: int
    to_offer: int
    obstacles: tuple[Obstacle, ...] | None = None  # Where devices would do; None: not known.


def find_ruled_shortfall(
    wanted: Wanted,
    families: Sequence[FamilyStock],
    site: Site,
    rules: KeptRules,
    unruled: Shortfall,
) -> RuledShortfall:
    """Work out the least change.

    Args:
        wanted: Classes of the demand.
        families: What the host has.
        site: Where they are.
        rules: That must hold, and what can be dropped of them.
        unruled: The least change without any rule.
    """
    best = RuledShortfall(rules.every, unruled)
    for count in range(len(rules.every)):
        if (count + unruled.to_free, unruled.to_free) >= _size(best):
            break
        for dropped in combinations(rules.every, count):
            kept = _Kept(wanted, families, site, rules.without(dropped))
            limit = _size(best)[0] - count
            devices = kept.cheapest(unruled.to_offer, least=unruled.to_free, limit=limit)
            if devices is not None:
                found = RuledShortfall(dropped, devices)
                best = min(best, found, key=_size)
    if best.devices.to_free == unruled.to_free:
        return best
    # Of several that are as small, the one that is told where it was known how small.
    known = Known(best.dropped, best.devices.to_free, unruled.to_offer)
    return RuledShortfall(
        best.dropped, shortfall_keeping(wanted, families, site, rules.without(best.dropped), known)
    )


def shortfall_keeping(
    wanted: Wanted,
    families: Sequence[FamilyStock],
    site: Site,
    kept: Problem,
    known: Known,
) -> Shortfall:
    """Say which devices would have to change so that these rules are kept; how many is known."""
    if not known.to_free and not known.to_offer:
        return Shortfall()
    match = _Kept(wanted, families, site, kept)
    found = match.cheapest(known.to_offer, least=known.to_free, limit=known.to_free)
    assert found is not None, "what is known to suffice does"
    return found


def _size(found: RuledShortfall) -> tuple[int, int]:
    return len(found.dropped) + found.devices.to_free, found.devices.to_free


class KeptRules:
    """Over the classes wanted."""

    def __init__(self, problem: Problem, every: tuple[Obstacle, ...]) -> None:
        """Begin.

        Args:
            problem: With them alone, and nothing to choose from.
            every: That can be dropped, in the order in which to do so.
        """
        self._problem, self.every = problem, every
        self._without: dict[tuple[Obstacle, ...], Problem] = {}

    def without(self, dropped: tuple[Obstacle, ...]) -> Problem:
        """Keep all but these."""
        found = self._without.get(dropped)
        if found is None:
            kept = without(self._problem, dropped)
            found = self._without[dropped] = replace(
                kept,
                rules=tuple(rule for rule in kept.rules if rule.hard),
                numa=tuple(policy if policy and is_hard(policy) else None for policy in kept.numa),
            )
        return found


class _Kept:
    """Matches in which some rules hold."""

    def __init__(
        self, wanted: Wanted, families: Sequence[FamilyStock], site: Site, rules: Problem
    ) -> None:
        self._wanted, self._families, self._site, self._rules = wanted, families, site, rules

    def cheapest(self, to_offer: int, *, least: int, limit: int) -> Shortfall | None:
        """The least to be freed, up to a limit, with so many devices put on offer.

        One that is put on offer is where the rules want it. Less than `least` never is enough.
        """
        best: Shortfall | None = None
        shut = shut_for(self._families)
        for offered in self._ways_to_offer(to_offer):
            for opened in _sets(shut, self._wanted.nic_count):
                if len(opened) > (limit if best is None else best.to_free - 1):
                    break
                found = self._match(offered, opened, least - len(opened))
                if found is None or found.to_free > limit:
                    continue
                if best is None or found.to_free < best.to_free:
                    best = found
                    if best.to_free == least:
                        return best
        return best

    def _ways_to_offer(self, total: int) -> Iterator[list[int]]:
        """Yield for how many NICs of each class devices could be put on offer, so many in all.

        No fewer than it takes for each class alone.
        """
        counts = [count for _, count in self._wanted.classes]
        if not total:
            yield [0] * len(counts)
            return
        there = [0] * len(counts)
        for family in self._families:
            for c in range(len(counts)):
                there[c] += family.whole >> c & 1
                there[c] += sum([s.free + s.owned for s in family.parts if s.fits >> c & 1])
        needed = [max(0, count - has) for count, has in zip(counts, there, strict=True)]
        spare = [count - least for count, least in zip(counts, needed, strict=True)]
        for more in _parts(spare, total - sum(needed)):
            yield [least + other for least, other in zip(needed, more, strict=True)]

    def _match(
        self, offered: Sequence[int], opened: Sequence[int], enough: int
    ) -> Shortfall | None:
        wanted, rules = self._wanted, self._rules
        counts = [count - less for (_, count), less in zip(wanted.classes, offered, strict=True)]
        left = [c for c, count in enumerate(counts) if count]
        slots = priced_slots(self._families, opened)
        solution = _solve_surely(
            Problem(
                counts=tuple(counts[c] for c in left),
                costs=prices(slots, left),
                free=tuple(slot.free for slot in slots),
                family=tuple(slot.family for slot in slots),
                whole=tuple(slot.whole for slot in slots),
                numa=tuple(rules.numa[c] for c in left) if rules.numa else (),
                egress=tuple(rules.egress[c] for c in left) if rules.egress else (),
                ingress=tuple(rules.ingress[c] for c in left) if rules.ingress else (),
                rules=tuple(_over(rules.rules, left, counts)),
                places=self._site.places,
                egress_left=self._site.egress_left,
                ingress_left=self._site.ingress_left,
                numa_nodes=self._site.numa_nodes,
                numa_sockets=self._site.numa_sockets,
            ),
            enough,
        )
        if solution is None:
            return None
        taken = [[0] * len(slots) for _ in counts]
        for c, row in zip(left, solution.taken, strict=True):
            taken[c] = row
        changes = (
            *self._changes_of_offers(offered),
            *changes_of(taken, slots, opened, by_family=True),
        )
        return shortfall_of(
            taken,
            slots,
            to_free=solution.cost + len(opened),
            to_offer=sum(offered),
            changes=changes,
        )

    def _changes_of_offers(self, offered: Sequence[int]) -> Iterator[Change]:
        for c, count in enumerate(offered):
            if count:
                yield Change(class_index=c, family=None, count=count, is_offer=True)


def _over(
    rules: Sequence[ClassRule], left: Sequence[int], counts: Sequence[int]
) -> Iterator[ClassRule]:
    """The rules that still are about two NICs or more."""
    number = {c: n for n, c in enumerate(left)}
    for rule in rules:
        classes = [c for c in rule.classes if c in number]
        if sum(counts[c] for c in classes) > 1:
            yield replace(rule, classes=tuple(number[c] for c in classes))


def _parts(counts: Sequence[int], total: int) -> Iterator[list[int]]:
    """Yield the ways to take so many out of these."""
    if not counts:
        if not total:
            yield []
        return
    count, *rest = counts
    for less in range(min(count, total), max(0, total - sum(rest)) - 1, -1):
        for others in _parts(rest, total - less):
            yield [less, *others]


def _sets(shut: Sequence[int], nic_count: int) -> Iterator[tuple[int, ...]]:
    """Yield sets of families, smallest first; more than there are NICs help nobody."""
    for count in range(min(len(shut), nic_count) + 1):
        yield from combinations(shut, count)


def _solve_surely(problem: Problem, enough: int) -> Solution | None:
    """Find the cheapest match, however long that takes to prove; none is below `enough`."""
    states_max = STATES_MAX
    while True:
        solution = solve(problem, states_max=states_max, enough=enough)
        if solution is None or solution.is_proven or solution.cost <= enough:
            return solution
        if states_max >= _STATES_LIMIT:
            return solution
        states_max *= 10


_STATES_LIMIT = 100 * STATES_MAX  # Some seconds; nothing but what is made up to be hard needs it.

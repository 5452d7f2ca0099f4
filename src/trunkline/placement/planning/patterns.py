"""The ways in which one server can take from a host: how much of each resource, all rules kept.

A *pattern* is one such way, as in cutting stock; how many servers fit is how many patterns can be
cut from what there is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from trunkline.placement.planning.resources import Ground, Resource

Pattern = tuple[int, ...]  # [resource]

# NICs set before listing patterns is given up. What a guest of usual size asks for has a handful.
STEPS_MAX: Final = 20_000


@dataclass(frozen=True, slots=True)
class Patterns:
    """Patterns by where the guest is. What is listed can be done; the list may not be complete."""

    of_home: tuple[frozenset[Pattern], ...]
    is_complete: bool

    @property
    def all(self) -> list[Pattern]:
        """Each pattern once, in an order of its own."""
        return sorted(frozenset().union(*self.of_home))


def list_patterns(ground: Ground) -> Patterns:
    """List the patterns of every home."""
    lister = _Lister(ground)
    of_home = tuple(frozenset(lister.at(home)) for home in range(len(ground.homes)))
    return Patterns(of_home, lister.steps <= STEPS_MAX)


class _Lister:
    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._problem = ground.layout.problem
        self._counts = ground.layout.problem.counts
        rules = [placed.rule for placed in ground.layout.rules]
        self._apart = [
            [n for n, rule in enumerate(rules) if rule.apart and c in rule.classes]
            for c in range(len(self._counts))
        ]
        self._together = [
            [n for n, rule in enumerate(rules) if not rule.apart and c in rule.classes]
            for c in range(len(self._counts))
        ]
        self._taken: list[tuple[int, int]] = []  # (class, resource) so far.
        self.steps = 0

    def at(self, home: int) -> Iterator[Pattern]:
        yield from self._put(home, 0, 0, 0)

    def _put(self, home: int, c: int, done: int, start: int) -> Iterator[Pattern]:
        """Give the next NIC its device: NICs of a class in the order of resources."""
        if c == len(self._counts):
            yield self._pattern(home)
            return
        if done == self._counts[c]:
            yield from self._put(home, c + 1, 0, 0)
            return
        allowed = self._ground.allowed[home][c]
        for position in range(start, len(allowed)):
            if self.steps > STEPS_MAX:
                return
            self.steps += 1
            if self._may(c, allowed[position]):
                self._taken.append((c, allowed[position]))
                yield from self._put(home, c, done + 1, position)
                self._taken.pop()

    def _may(self, c: int, number: int) -> bool:
        """Whether a NIC of the class may have a device from there beside those that are set."""
        here = self._ground.resources[number]
        for other, taken in self._taken:
            there = self._ground.resources[taken]
            for rule in self._apart[c]:
                if rule in self._apart[other] and here.places[rule] == there.places[rule]:
                    return False
            for rule in self._together[c]:
                if rule in self._together[other] and here.places[rule] != there.places[rule]:
                    return False
            if _excludes(here, there) or _excludes(there, here):
                return False
        return True

    def _pattern(self, home: int) -> Pattern:
        amounts = [0] * len(self._ground.resources)
        for c, number in self._taken:
            amounts[number] += 1
            for drawn in self._ground.guarantees.get(number, ()):
                amounts[drawn] += self._drawn(c, self._ground.resources[drawn])
        seat = self._ground.seat[home]
        if seat is not None:
            amounts[seat] = 1
        return tuple(amounts)

    def _drawn(self, c: int, guarantee: Resource) -> int:
        egress, ingress = self._problem.egress[c], self._problem.ingress[c]
        if guarantee.egress:
            return egress // guarantee.egress
        return ingress // guarantee.ingress


def _excludes(one: Resource, other: Resource) -> bool:
    """Whether a device of one, taken whole, shuts what the other is of; PFs are one of a kind."""
    return one.whole and one.family is not None and one.family == other.family


def are_laminar(sets: Sequence[frozenset[tuple[int, int]]]) -> bool:
    """Whether any two sets are apart, or one is in the other."""
    return all(not a & b or a <= b or b <= a for n, a in enumerate(sets) for b in sets[n + 1 :])


class Exchanges:
    """Which sets of patterns can be exchanged unit by unit; each worked out once.

    That is: where one pattern takes more of something than another, it can take a unit less of it
    and one more of something that the other takes more of, and the other the reverse. Any number of
    such patterns add up to whatever no cut forbids (sums of M-convex sets are M-convex; Murota,
    Discrete Convex Analysis, 4.6), so that the smallest cut tells how many fit.
    """

    def __init__(self) -> None:
        self._known: dict[frozenset[Pattern], bool] = {}

    def hold_for(self, patterns: Sequence[Pattern]) -> bool:
        """Whether it is so; not answered for more than a few."""
        if len(patterns) > EXCHANGED_MAX or len({sum(pattern) for pattern in patterns}) > 1:
            return False
        every = frozenset(patterns)
        found = self._known.get(every)
        if found is None:
            found = self._known[every] = all(
                _can_exchange(one, other, every) for one in every for other in every
            )
        return found


EXCHANGED_MAX: Final = 40  # The work grows with the square.


def _can_exchange(one: Pattern, other: Pattern, every: Collection[Pattern]) -> bool:
    numbers = range(len(one))
    less = [n for n in numbers if one[n] < other[n]]
    return all(
        any(_moved(one, n, to) in every and _moved(other, to, n) in every for to in less)
        for n in numbers
        if one[n] > other[n]
    )


def _moved(pattern: Pattern, source: int, target: int) -> Pattern:
    amounts = list(pattern)
    amounts[source] -= 1
    amounts[target] += 1
    return tuple(amounts)

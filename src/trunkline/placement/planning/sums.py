"""How many servers a host has enough for, by sums of what it has: no search, no list of patterns.

Where the smallest cut is the answer, it is a minimum of such sums. Where patterns fall into two
halves (e.g. by the PF that an affinity is kept on), each of which can be exchanged unit by unit,
k servers of one half and m of the other fit together if and only if every set of resources has
what k and m times the least of either half come to; so for each total there is a range of k.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final, Protocol

from trunkline.placement.planning.cuts import Cut
from trunkline.placement.planning.patterns import Exchanges, Pattern
from trunkline.placement.planning.resources import Resource, Seats

_Pick = Callable[[Sequence[int]], Iterable[int]]

HALVED_MAX: Final = 6  # Resources: every set of them is added up for each host.


class Sums(Protocol):
    """What tells how many servers there is enough for."""

    def servers(self, usable: Sequence[int], seats: Seats) -> int:
        """Count them, out of what each slot has and how many servers nodes have room for."""


@dataclass(frozen=True, slots=True)
class Sum:
    """What a host has of some resources together, divided."""

    slots: tuple[int, ...]
    in_units: tuple[tuple[tuple[int, ...], int], ...] = ()  # Slots, each so many devices at once.
    nodes: tuple[int, ...] = ()
    least: int = 1
    _pick: _Pick = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_pick", _picker(self.slots))

    def servers(self, usable: Sequence[int], seats: Seats) -> int:
        """As many as the sum has times `least`."""
        total = sum(self._pick(usable))
        for slots, unit in self.in_units:
            total += sum([usable[slot] for slot in slots]) // unit
        if self.nodes:
            for number, count in seats:
                if number in self.nodes:
                    total += count
        return total // self.least


def _picker(at: Sequence[int]) -> _Pick:
    """Return what picks the numbers at some places: it is done for each of ten thousand hosts."""
    if len(at) > 1:
        return itemgetter(*at)
    return itemgetter(slice(at[0], at[0] + 1) if at else slice(0))


@dataclass(frozen=True, slots=True)
class CutSums:
    """The smallest of some cuts."""

    cuts: tuple[Sum, ...]

    def servers(self, usable: Sequence[int], seats: Seats) -> int:
        """As many as all of them leave room for."""
        return min([cut.servers(usable, seats) for cut in self.cuts])


@dataclass(frozen=True, slots=True)
class HalfSums:
    """Servers of two kinds, which compete."""

    resources: tuple[Sum, ...]
    sets: tuple[tuple[tuple[int, ...], int, int], ...]  # What one of either kind takes at least.
    _picks: tuple[_Pick, ...] = field(init=False, compare=False)  # [set] Its amounts.

    def __post_init__(self) -> None:
        object.__setattr__(self, "_picks", tuple(_picker(members) for members, _, _ in self.sets))

    def servers(self, usable: Sequence[int], seats: Seats) -> int:
        """As many of both together as every set leaves room for."""
        amounts = [each.servers(usable, seats) for each in self.resources]
        have = [sum(pick(amounts)) for pick in self._picks]
        total = min(
            [
                has // (first if first < second else second)
                for has, (_, first, second) in zip(have, self.sets, strict=True)
                if first and second
            ]
        )
        while not self._fit(total, have):
            total -= 1
        return total

    def _fit(self, total: int, have: Sequence[int]) -> bool:
        """Whether so many do, however many of them are of the first kind."""
        low, high = 0, total
        for has, (_, first, second) in zip(have, self.sets, strict=True):
            spare, more = has - total * second, first - second
            if more > 0:
                high = min(high, spare // more)
            elif more < 0:
                low = max(low, -(spare // -more))
            elif spare < 0:
                return False
        return low <= high


def cut_sums(
    cuts: Sequence[Cut], units: Mapping[int, int], resources: Sequence[Resource]
) -> CutSums | None:
    """Make sums of cuts; None: some are about guarantees."""
    if not all(_can_be_added(resources[n]) for cut in cuts for n in cut.resources):
        return None
    return CutSums(tuple(_sum(cut.resources, units, resources, cut.least) for cut in cuts))


def half_sums(
    patterns: Sequence[Pattern],
    reach: Collection[int],
    units: Mapping[int, int],
    resources: Sequence[Resource],
    exchanges: Exchanges,
) -> HalfSums | None:
    """Make sums of two halves of patterns, given in units; None: there are no such halves."""
    numbers = sorted(reach)
    if len(numbers) > HALVED_MAX or not all(_can_be_added(resources[n]) for n in numbers):
        return None
    for first, second in _halves(patterns, numbers):
        if exchanges.hold_for(first) and exchanges.hold_for(second):
            least = list(
                zip(_least_of_sets(first, numbers), _least_of_sets(second, numbers), strict=True)
            )
            each = tuple(_sum((n,), units, resources, 1) for n in numbers)
            sets = tuple(
                (tuple([at for at in range(len(numbers)) if mask >> at & 1]), *least[mask])
                for mask in range(1, len(least))
                if _says_more(mask, least)
            )
            return HalfSums(each, sets)
    return None


def _least_of_sets(half: Sequence[Pattern], numbers: Sequence[int]) -> list[int]:
    """[set of resources, as bits] What each server of a half takes at least."""
    return [
        min(sum([pattern[n] for at, n in enumerate(numbers) if mask >> at & 1]) for pattern in half)
        for mask in range(1 << len(numbers))
    ]


def _says_more(mask: int, least: Sequence[tuple[int, int]]) -> bool:
    """Whether a set does not leave room for all that two parts of it leave room for."""
    part = mask
    while part := part - 1 & mask:
        one, other = least[part], least[mask ^ part]
        if (
            one[0] + other[0] >= least[mask][0]
            and one[1] + other[1] >= least[mask][1]
            and min(one) + min(other) >= min(least[mask])
        ):
            return False
    return any(least[mask])


def _halves(
    patterns: Sequence[Pattern], numbers: Sequence[int]
) -> Iterator[tuple[list[Pattern], list[Pattern]]]:
    """Yield the ways to part them by how much they take of one resource."""
    for n in numbers:
        for least in sorted({pattern[n] for pattern in patterns})[1:]:
            yield (
                [pattern for pattern in patterns if pattern[n] >= least],
                [pattern for pattern in patterns if pattern[n] < least],
            )


def _can_be_added(resource: Resource) -> bool:
    return bool(resource.slots) or resource.node is not None


def _sum(
    numbers: Sequence[int], units: Mapping[int, int], resources: Sequence[Resource], least: int
) -> Sum:
    in_units = [n for n in numbers if units.get(n, 1) > 1]
    return Sum(
        tuple(slot for n in numbers if n not in in_units for slot in resources[n].slots),
        tuple((resources[n].slots, units[n]) for n in in_units),
        tuple(node for n in numbers if (node := resources[n].node) is not None),
        least,
    )

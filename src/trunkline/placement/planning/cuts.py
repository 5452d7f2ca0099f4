"""Upper bounds on how many patterns can be cut from what there is.

A *cut* is a set of resources of which every pattern takes at least `least`: n servers take n times
that, so n is at most what there is of them, divided. For what a flow expresses the smallest of all
cuts is the answer (Hall's theorem for classes of NICs; max-flow min-cut).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from trunkline.placement.planning.patterns import Pattern

# Beyond it not every set of resources is looked at, and bounds may be looser: 2^10 sets are.
RESOURCES_MAX: Final = 10
PATTERNS_MAX: Final = 600
CLASSES_MAX: Final = 10  # Of NICs of unlike fit that compete with each other.


@dataclass(frozen=True, slots=True)
class Cut:
    """Every server takes at least `least` of these resources together."""

    resources: tuple[int, ...]
    least: int


def cuts_of_flow(counts: Sequence[int], allowed: Sequence[Sequence[int]]) -> list[Cut] | None:
    """All cuts that can bind where any device that fits will do; None: too many to look at.

    Args:
        counts: [class] NICs.
        allowed: [class] Resources with devices for it.
    """
    wanted: dict[frozenset[int], int] = {}
    for count, resources in zip(counts, allowed, strict=True):
        key = frozenset(resources)
        wanted[key] = wanted.get(key, 0) + count
    cuts: list[Cut] = []
    for rows in _connected(list(wanted)):
        if len(rows) > CLASSES_MAX:
            return None
        unions = {frozenset[int]()}
        for row in rows:
            unions |= {union | row for union in unions}
        least = {
            union: sum(wanted[row] for row in rows if row <= union) for union in unions if union
        }
        cuts += _needed(least)
    return cuts


def are_all_cuts_seen(patterns: Sequence[Pattern], resources: Collection[int]) -> bool:
    """Whether `cuts_of_patterns` has all that can bind."""
    return len(resources) <= RESOURCES_MAX and len(patterns) <= PATTERNS_MAX


def cuts_of_patterns(patterns: Sequence[Pattern], resources: Sequence[int]) -> list[Cut]:
    """Cuts through these resources: all that can bind, or some of them where there are too many."""
    if are_all_cuts_seen(patterns, resources):
        return _needed(_least_of_every_set(patterns, resources))
    everything = frozenset(resources)
    sets = {frozenset([n]) for n in resources} | {everything - {n} for n in resources}
    sets |= {frozenset([a, b]) for a in resources for b in resources} | {everything}
    least = {each: min(sum(p[n] for n in each) for p in patterns) for each in sets}
    return [Cut(tuple(sorted(each)), amount) for each, amount in least.items() if amount]


def _least_of_every_set(
    patterns: Iterable[Pattern], resources: Sequence[int]
) -> dict[frozenset[int], int]:
    least: list[int] | None = None
    for pattern in patterns:
        sums = [0]
        for n in resources:
            sums += [total + pattern[n] for total in sums]
        least = sums if least is None else list(map(min, least, sums))
    return {
        frozenset(n for bit, n in enumerate(resources) if mask >> bit & 1): amount
        for mask, amount in enumerate(least or ())
        if mask
    }


def _needed(least: dict[frozenset[int], int]) -> list[Cut]:
    """Leave out cuts that bind no sooner than smaller ones do."""
    kept: dict[frozenset[int], int] = {}
    for each in sorted(least, key=lambda each: (len(each), sorted(each))):
        amount = least[each]
        inside = [(part, of_part) for part, of_part in kept.items() if part < each]
        if (
            amount
            and all(of_part < amount for _, of_part in inside)
            and not any(
                of_part + of_other >= amount
                for part, of_part in inside
                for other, of_other in inside
                if not part & other
            )
        ):
            kept[each] = amount
    return [Cut(tuple(sorted(each)), amount) for each, amount in kept.items()]


def _connected(rows: list[frozenset[int]]) -> list[list[frozenset[int]]]:
    """Part the rows so that no resource is in two parts."""
    parts: list[tuple[frozenset[int], list[frozenset[int]]]] = []
    for row in rows:
        touching = [part for part in parts if part[0] & row]
        parts = [part for part in parts if not part[0] & row]
        merged = [row] + [each for _, members in touching for each in members]
        parts.append((row.union(*(union for union, _ in touching)), merged))
    return [members for _, members in parts]

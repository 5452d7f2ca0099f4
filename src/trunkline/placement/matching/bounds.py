"""Quick proofs that a state of a search can't come to an end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import gcd
from typing import Final

from trunkline.placement.matching.bundles import Bundle
from trunkline.placement.matching.layout import Layout, PlacedRule

# Each costs time at every state; the largest say most.
_GROUPS_MAX: Final = 6


class Apart:
    """Groups of bundles of which each must have a place of its own.

    Rules over pairs say together what a rule over all of them would: `a` apart from `b`, `b` from
    `c` and `c` from `a` need three places. Such groups are put together from pairs.
    """

    def __init__(self, layout: Layout, bundles: Sequence[Bundle]) -> None:
        hard = [placed for placed in layout.rules if placed.rule.hard and placed.rule.apart]
        by_place: dict[tuple[int, ...], list[PlacedRule]] = {}
        for placed in hard:
            by_place.setdefault(placed.place, []).append(placed)
        families = tuple(range(layout.family_count))
        if hard:
            by_place[families] = hard  # What is apart on cards is apart on PFs.
        self._groups: list[tuple[tuple[int, ...], list[int]]] = []
        for place, rules in by_place.items():
            masks = tuple(
                sum(1 << f for f in families if place[f] == number) for number in sorted(set(place))
            )
            self._groups += [(masks, group) for group in _groups(bundles, rules)]
        self._groups.sort(key=lambda pair: -len(pair[1]))
        del self._groups[_GROUPS_MAX:]

    def without_places(self, left: Sequence[int], domains: Sequence[int]) -> Sequence[int]:
        """A group whose bundles that are left can't each have a place of their own, or none."""
        for masks, group in self._groups:
            if not _matches(
                sum(1 << p for p, mask in enumerate(masks) if mask & domains[u])
                for u in group
                for _ in range(left[u])
            ):
                return group
        return ()


def _groups(bundles: Sequence[Bundle], rules: Iterable[PlacedRule]) -> list[list[int]]:
    """Groups of bundles, as large as they are found, each two apart by some rule."""
    apart: list[set[int]] = [set() for _ in bundles]
    for placed in rules:
        members = [
            u
            for u, bundle in enumerate(bundles)
            if any(c in placed.rule.classes for c, _ in bundle.nics)
        ]
        for u in members:
            apart[u].update(members)
    by_degree = sorted(range(len(bundles)), key=lambda u: -len(apart[u]))
    found: set[frozenset[int]] = set()
    for first in by_degree:
        group = {first}
        for u in by_degree:
            if group <= apart[u]:
                group.add(u)
        if len(group) > 1 and group <= apart[first]:
            found.add(frozenset(group))
    return sorted(sorted(group) for group in found)


def _matches(domains: Iterable[int]) -> bool:
    """Whether each of these sets, as bits, can have an element of its own (Kuhn)."""
    taker: dict[int, int] = {}

    def settle(domain: int, tried: int) -> tuple[bool, int]:
        while rest := domain & ~tried:
            bit = rest & -rest
            tried |= bit
            if bit not in taker:
                taker[bit] = domain
                return True, tried
            settled, tried = settle(taker[bit], tried)
            if settled:
                taker[bit] = domain
                return True, tried
        return False, tried

    return all(settle(domain, 0)[0] for domain in domains)


def narrow_by_bandwidth(
    wanted: Sequence[int],
    copies: Sequence[int],
    left: Sequence[int | None],
    domains: Sequence[int],
) -> list[int] | None:
    """Leave out of domains where guarantees would waste more of a PF than there is to waste.

    Each PF is looked at by itself, and all sums of guarantees are thought to be had on each.

    Args:
        wanted: [bundle] Mbps.
        copies: [bundle] That have no PF yet.
        left: [family] Mbps; None: not accounted.
        domains: [bundle] Families that a copy may go to, as bits.

    Returns:
        The narrower domains; None: there is no way at all.
    """
    narrowed = list(domains)
    waiting = [u for u, mbps in enumerate(wanted) if mbps and copies[u]]
    if not waiting:
        return narrowed
    step = gcd(*(wanted[u] for u in waiting))
    each = [wanted[u] // step for u in waiting for _ in range(copies[u])]
    union = 0
    for u in waiting:
        union |= domains[u]
    have = {f: mbps // step for f, mbps in enumerate(left) if mbps and union >> f & 1}
    spare = sum(have.values()) - sum(each)
    if spare < 0:
        return None
    if spare >= max(have.values()):
        return narrowed
    sums = _sums(each)
    wasted = {f: room - (sums & ((2 << room) - 1)).bit_length() + 1 for f, room in have.items()}
    spare -= sum(wasted.values())
    if spare < 0:
        return None
    for u in waiting:
        mine = wanted[u] // step
        others = list(each)
        others.remove(mine)
        sums = _sums(others)
        for f, room in have.items():
            # With this one, the PF must come to be as full as what is spare demands.
            most = room - mine
            least = max(0, most - spare - wasted[f])
            if most < 0 or not sums >> least & ((2 << most - least) - 1):
                narrowed[u] &= ~(1 << f)
        if not narrowed[u]:
            return None
    return narrowed


def _sums(numbers: Iterable[int]) -> int:
    """All sums of some of the numbers: bit n is set if some of them add up to n."""
    sums = 1
    for number in numbers:
        sums |= sums << number
    return sums

"""Quick proofs that a state of a search can't come to an end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from trunkline.placement.layout import Layout, PlacedRule
from trunkline.placement.units import Unit

# Each costs time at every state; the largest say most.
_GROUPS_MAX: Final = 6


class Apart:
    """Groups of units of which each must have a place of its own.

    Rules over pairs say together what a rule over all of them would: `a` apart from `b`, `b` from
    `c` and `c` from `a` need three places. Such groups are put together from pairs.
    """

    def __init__(self, layout: Layout, units: Sequence[Unit]) -> None:
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
            self._groups += [(masks, group) for group in _groups(units, rules)]
        self._groups.sort(key=lambda pair: -len(pair[1]))
        del self._groups[_GROUPS_MAX:]

    def has_places(self, left: Sequence[int], domains: Sequence[int]) -> bool:
        """Whether each group's units that are left can each have a place of their own."""
        return all(
            _matches(
                sum(1 << p for p, mask in enumerate(masks) if mask & domains[u])
                for u in group
                for _ in range(left[u])
            )
            for masks, group in self._groups
        )


def _groups(units: Sequence[Unit], rules: Iterable[PlacedRule]) -> list[list[int]]:
    """Groups of units, as large as they are found, each two apart by some rule."""
    apart: list[set[int]] = [set() for _ in units]
    for placed in rules:
        members = [
            u for u, unit in enumerate(units) if any(c in placed.rule.classes for c, _ in unit.nics)
        ]
        for u in members:
            apart[u].update(members)
    by_degree = sorted(range(len(units)), key=lambda u: -len(apart[u]))
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


def has_bandwidth(wanted: Sequence[int], left: Sequence[int | None], usable: int) -> bool:
    """Whether guarantees could be had if each PF were filled as best it can, apart from others.

    Args:
        wanted: Mbps, of each NIC or group of NICs that has no PF yet.
        left: [family] Mbps.
        usable: The families that any of these may go to, as bits.
    """
    total = sum(wanted)
    on = [mbps for f, mbps in enumerate(left) if mbps and usable >> f & 1]
    if total > sum(on):
        return False
    # Bit n of `sums` is set if some of the guarantees add up to n.
    sums = 1
    for mbps in wanted:
        sums |= sums << mbps
    return total <= sum((sums & ((2 << mbps) - 1)).bit_length() - 1 for mbps in on)

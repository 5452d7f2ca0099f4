"""What a search assigns: NICs that must share a PF as one unit, all others one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trunkline.placement.layout import Layout
from trunkline.placement.problem import Costs
from trunkline.placement.request import Scope


@dataclass(frozen=True, slots=True)
class Unit:
    """NICs that go to one family together. Copies of a unit are interchangeable."""

    nics: tuple[tuple[int, int], ...]  # (class, how many of it).
    copies: int
    size: int  # NICs in one copy.
    egress: int
    ingress: int
    members: tuple[tuple[int, int], ...]  # (rule, NICs of the unit it is about).


def make_units(layout: Layout, rows: Costs) -> tuple[list[Unit], list[int]]:
    """Split classes into units that rules bind, and classes that a flow takes care of."""
    problem = layout.problem
    bound = _bound_classes(layout, rows)
    together = _together(layout, bound)
    units = []
    for block, is_whole in together:
        nics = tuple((c, problem.counts[c] if is_whole else 1) for c in block)
        units.append(
            Unit(
                nics,
                1 if is_whole else problem.counts[block[0]],
                sum(count for _, count in nics),
                sum(count * problem.egress[c] for c, count in nics) if problem.egress else 0,
                sum(count * problem.ingress[c] for c, count in nics) if problem.ingress else 0,
                tuple(
                    (n, about)
                    for n, placed in enumerate(layout.rules)
                    if (about := sum(k for c, k in nics if c in placed.rule.classes))
                ),
            )
        )
    return units, [c for c in range(len(problem.counts)) if c not in bound]


def _bound_classes(layout: Layout, rows: Costs) -> set[int]:
    problem = layout.problem
    bound = {c for placed in layout.rules for c in placed.rule.classes}
    for c, row in enumerate(rows):
        fits_whole = {
            layout.family[s] for s, cost in enumerate(row) if cost is not None and problem.whole[s]
        }
        fits_part = {
            layout.family[s]
            for s, cost in enumerate(row)
            if cost is not None and not problem.whole[s]
        }
        if fits_whole & fits_part:
            # What it takes of a family is then a choice that decides over all others' devices.
            return set(range(len(problem.counts)))
        guaranteed = (problem.egress and problem.egress[c]) or (
            problem.ingress and problem.ingress[c]
        )
        if fits_whole or guaranteed:
            bound.add(c)
    return bound


def _together(layout: Layout, bound: set[int]) -> list[tuple[list[int], bool]]:
    """Classes by block, and whether the block is one unit: hard affinity over PFs, chained."""
    blocks: list[set[int]] = []
    for placed in layout.rules:
        rule = placed.rule
        if rule.hard and not rule.apart and rule.scope is Scope.PF:
            merged = set(rule.classes).union(*(b for b in blocks if b & set(rule.classes)))
            blocks = [b for b in blocks if not b & merged] + [merged]
    whole = set[int]().union(*blocks)
    alone: Sequence[int] = sorted(bound - whole)
    return [(sorted(block), True) for block in blocks] + [([c], False) for c in alone]

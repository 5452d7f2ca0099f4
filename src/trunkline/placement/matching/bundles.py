"""What a search assigns: NICs that must share a PF as one bundle, all others one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trunkline.domain.nic_rules import Scope
from trunkline.placement.matching.layout import Layout


@dataclass(frozen=True, slots=True)
class Bundle:
    """NICs that go to one family together. Copies of a bundle are interchangeable."""

    nics: tuple[tuple[int, int], ...]  # (class, how many of it).
    copies: int
    size: int  # NICs in one copy.
    egress: int
    ingress: int
    members: tuple[tuple[int, int], ...]  # (rule, NICs of the bundle it is about).


def make_bundles(layout: Layout) -> tuple[list[Bundle], list[int]]:
    """Split classes into bundles that rules bind, and classes that a flow takes care of."""
    problem = layout.problem
    bound = _bound_classes(layout)
    together = _together(layout, bound)
    bundles = []
    for block, is_whole in together:
        nics = tuple((c, problem.counts[c] if is_whole else 1) for c in block)
        bundles.append(
            Bundle(
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
    return bundles, [c for c in range(len(problem.counts)) if c not in bound]


def _bound_classes(layout: Layout) -> set[int]:
    problem = layout.problem
    bound = {c for placed in layout.rules for c in placed.rule.classes}
    for wanted in (problem.egress, problem.ingress):
        bound.update(c for c, mbps in enumerate(wanted) if mbps)
    return bound


def _together(layout: Layout, bound: set[int]) -> list[tuple[list[int], bool]]:
    """Classes by block, and whether the block is one bundle: hard affinity over PFs, chained."""
    blocks: list[set[int]] = []
    for placed in layout.rules:
        rule = placed.rule
        if rule.hard and not rule.apart and rule.scope is Scope.PF:
            merged = set(rule.classes).union(*(b for b in blocks if b & set(rule.classes)))
            blocks = [b for b in blocks if not b & merged] + [merged]
    whole = set[int]().union(*blocks)
    alone: Sequence[int] = sorted(bound - whole)
    return [(sorted(block), True) for block in blocks] + [([c], False) for c in alone]

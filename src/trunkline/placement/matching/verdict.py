"""What speaks against an assignment: rules that no flow keeps by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import compress
from operator import and_

from trunkline.placement.matching.layout import Layout


def is_exclusive(
    whole: Sequence[bool], family: Sequence[int], taken: Sequence[Sequence[int]]
) -> bool:
    """Whether no PF is taken whole while its VFs are too."""
    return next(_shared(whole, family, taken), None) is None


def broken_by(layout: Layout, taken: Sequence[Sequence[int]]) -> int | None:
    """How far soft rules are from holding, as costs; None: something does not hold that must."""
    if next(shared_pfs(layout, taken), None) is not None:
        return None
    if not layout.problem.is_ruled:
        return 0
    used = layout.used(taken)
    if next(_overdrawn(layout, used), None) is not None:
        return None
    total = 0
    for placed in layout.rules:
        broken = placed.broken(used)
        if broken and placed.rule.hard:
            return None
        total += broken
    return total * layout.unit


def classes_at_fault(layout: Layout, taken: Sequence[Sequence[int]]) -> set[int]:
    """The classes that rules or guarantees are about which do not hold."""
    used = layout.used(taken)
    classes = set[int]()
    for f in _overdrawn(layout, used):
        classes.update(c for c, row in enumerate(used) if row[f])
    for placed in layout.rules:
        if placed.broken(used):
            classes.update(placed.rule.classes)
    return classes


def shared_pfs(layout: Layout, taken: Sequence[Sequence[int]]) -> Iterator[int]:
    """Families whose PF is taken whole, and others of its devices too."""
    return _shared(layout.problem.whole, layout.family, taken)


def _shared(
    whole: Sequence[bool], family: Sequence[int], taken: Sequence[Sequence[int]]
) -> Iterator[int]:
    used = [any(of_slot) for of_slot in zip(*taken, strict=True)]
    wholes = list(compress(family, map(and_, used, whole)))
    if wholes:
        parted = {
            f
            for f, is_used, is_whole in zip(family, used, whole, strict=True)
            if is_used and not is_whole
        }
        yield from (f for f in wholes if f in parted)


def _overdrawn(layout: Layout, used: Sequence[Sequence[int]]) -> Iterator[int]:
    problem = layout.problem
    for wanted, left in (
        (problem.egress, layout.egress_left),
        (problem.ingress, layout.ingress_left),
    ):
        for f, mbps in enumerate(left):
            if (
                mbps is not None
                and sum(w * row[f] for w, row in zip(wanted, used, strict=True)) > mbps
            ):
                yield f

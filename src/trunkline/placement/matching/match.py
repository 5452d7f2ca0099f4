"""Which pool each NIC's device comes from: exact, for all NICs together, under all rules.

`flow` solves what a flow expresses, which for most requests is everything: then there is nothing
more to do. What no flow expresses (a PF taken whole takes its VFs from the others; NICs together
or apart; guarantees of bandwidth) is found by `search`, which the flow bounds from below. The
guest's NUMA node is tried node by node, the most promising first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from trunkline.placement.matching.flow import Flow, assign
from trunkline.placement.matching.layout import Home, homes, lay_out, rows_at
from trunkline.placement.matching.problem import ClassRule, Costs, Place, Problem, Solution
from trunkline.placement.matching.search import Found, Search, find_any
from trunkline.placement.matching.verdict import broken_by, is_exclusive

__all__ = ["ClassRule", "Costs", "Place", "Problem", "Solution", "solve"]

# States looked at before an assignment that fits is taken without proof that none is better.
# Whether any fits is always found out. Enough for any request that is not made up to be hard.
STATES_MAX: Final = 400


def solve(problem: Problem, *, states_max: int = STATES_MAX, enough: int = -1) -> Solution | None:
    """Find the best assignment, or None: there is no assignment at all.

    The same problem always has the same solution. Permuting classes, slots or families changes no
    more than which of several best ones it is.

    Args:
        problem: It.
        states_max: As above.
        enough: Under rules, an assignment that costs no more is as good as the best.
    """
    if problem.is_ruled or any(problem.packs):
        return _Homes(problem, states_max, enough).best()
    return solve_unruled(
        problem.counts,
        problem.costs,
        problem.free,
        problem.family,
        problem.whole,
        states_max=states_max,
    )


def solve_unruled(
    counts: tuple[int, ...],
    costs: Costs,
    free: tuple[int, ...],
    family: tuple[int, ...],
    whole: tuple[bool, ...],
    *,
    states_max: int = STATES_MAX,
) -> Solution | None:
    """Like `solve` for a problem of these alone, which most are."""
    flow = assign(costs, counts, free, family)
    if flow is None:
        return None
    if is_exclusive(whole, family, flow.taken):
        return Solution(flow.taken, flow.price, imbalance=flow.imbalance)
    problem = Problem(counts=counts, costs=costs, free=free, family=family, whole=whole)
    return _Homes(problem, states_max).best()


class _Homes:
    """Goes through the homes of the guest and keeps the best assignment."""

    def __init__(self, problem: Problem, states_max: int, enough: int = -1) -> None:
        self._problem = problem
        self._layout = lay_out(problem)
        self._enough = (enough * self._layout.soft_scale, _ANY)  # A merit.
        self._states_left = states_max
        self._found: Found | None = None
        self._home = Home()
        self._given_up: list[tuple[Home, Costs]] = []

    def best(self) -> Solution | None:
        for flow, home, rows in self._relaxed():
            floor = max((flow.price, flow.imbalance), self._enough)
            if self._found is not None and self._found.merit <= floor:
                break
            self._try(flow, floor, home, rows)
        found = self._found or self._any()
        return None if found is None else self._solution(found)

    def _any(self) -> Found | None:
        """What was not found in the time for finding the best may be there all the same."""
        for home, rows in self._given_up:
            found = find_any(self._layout, rows)
            if found is not None:
                broken = broken_by(self._layout, found.taken)
                assert broken is not None, "what is found keeps the rules"
                self._keep(replace(found, cost=_total(rows, found.taken) + broken), home)
                return self._found
        return None

    def _relaxed(self) -> list[tuple[Flow, Home, Costs]]:
        """The homes where flows alone find an assignment, best first."""
        found = []
        problem = self._problem
        for home in homes(self._layout):
            rows = rows_at(self._layout, home)
            flow = assign(rows, problem.counts, problem.free, problem.family)
            if flow is not None:
                found.append((flow, home, rows))
        return sorted(found, key=lambda one: (one[0].price, one[0].imbalance))

    def _try(self, flow: Flow, floor: tuple[int, int], home: Home, rows: Costs) -> None:
        broken = broken_by(self._layout, flow.taken)
        if broken is not None:
            self._keep(Found(flow.taken, flow.price + broken, flow.imbalance), home)
            if not broken:
                return
        search = Search(self._layout, rows, states_max=self._states_left)
        self._keep(search.find(self._found, floor), home)
        self._states_left -= search.states
        if not search.is_complete:
            self._given_up.append((home, rows))

    def _keep(self, found: Found | None, home: Home) -> None:
        if found is not None and (self._found is None or found.merit < self._found.merit):
            self._found, self._home = found, home

    def _solution(self, found: Found) -> Solution:
        cost = _total(self._problem.costs, found.taken)
        broken, packed = divmod(found.cost - cost * self._layout.soft_scale, self._layout.unit)
        return Solution(
            found.taken,
            cost,
            broken,
            packed,
            found.imbalance,
            self._home.node,
            not self._given_up,
        )


_ANY: Final = 1 << 60  # Imbalance.


def _total(rows: Costs, taken: Sequence[Sequence[int]]) -> int:
    return sum(
        cost * count
        for costs, counts in zip(rows, taken, strict=True)
        for cost, count in zip(costs, counts, strict=True)
        if cost is not None
    )

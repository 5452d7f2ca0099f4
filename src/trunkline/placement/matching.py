"""Which pool each NIC's device comes from: exact, for all NICs together, under all rules.

`flow` solves what a flow expresses, which for most requests is everything: then there is nothing
more to do. What no flow expresses (a PF taken whole takes its VFs from the others; NICs together
or apart; guarantees of bandwidth) is found by `search`, which the flow bounds from below. The
guest's NUMA node is tried node by node, the most promising first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from trunkline.placement.flow import Flow, assign
from trunkline.placement.layout import Home, Layout, homes, lay_out, rows_at
from trunkline.placement.problem import ClassRule, Costs, Place, Problem, Solution
from trunkline.placement.search import Found, Search

__all__ = ["ClassRule", "Costs", "Place", "Problem", "Solution", "solve"]

# States looked at before an assignment that fits is taken without proof that none is better.
# Whether any fits is always found out. Enough for any request that is not made up to be hard.
STATES_MAX: Final = 3_000


def solve(problem: Problem, *, states_max: int = STATES_MAX) -> Solution | None:
    """Find the best assignment, or None: there is no assignment at all.

    The same problem always has the same solution. Permuting classes, slots or families changes no
    more than which of several best ones it is.
    """
    if not problem.is_ruled:
        flow = assign(problem.costs, problem.counts, problem.free, problem.family)
        if flow is None or _respects_exclusion(problem, flow.taken):
            return None if flow is None else Solution(flow.taken, flow.price, 0, flow.imbalance)
    return _Homes(problem, states_max).best()


class _Homes:
    """Goes through the homes of the guest and keeps the best assignment."""

    def __init__(self, problem: Problem, states_max: int) -> None:
        self._problem = problem
        self._layout = lay_out(problem)
        self._states_left = states_max
        self._found: Found | None = None
        self._home = Home()
        self._given_up: list[tuple[Home, Costs]] = []

    def best(self) -> Solution | None:
        for flow, home, rows in self._relaxed():
            floor = flow.price, flow.imbalance
            if self._found is not None and self._found.merit <= floor:
                break
            self._try(flow, home, rows)
        found = self._found or self._any()
        return None if found is None else self._solution(found)

    def _any(self) -> Found | None:
        """What was not found in the time for finding the best may be there all the same."""
        for home, rows in self._given_up:
            found = Search(self._layout, rows).any()
            if found is not None:
                self._keep(found, home)
                return found
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

    def _try(self, flow: Flow, home: Home, rows: Costs) -> None:
        broken = _broken(self._layout, flow.taken)
        if broken is not None:
            self._keep(Found(flow.taken, flow.price + broken, flow.imbalance), home)
            if not broken:
                return
        search = Search(self._layout, rows)
        floor = flow.price, flow.imbalance
        self._keep(search.best(self._found, floor, self._states_left), home)
        self._states_left -= search.states
        if not search.is_complete:
            self._given_up.append((home, rows))

    def _keep(self, found: Found | None, home: Home) -> None:
        if found is not None and (self._found is None or found.merit < self._found.merit):
            self._found, self._home = found, home

    def _solution(self, found: Found) -> Solution:
        costs = self._problem.costs
        cost = sum(
            (costs[c][slot] or 0) * count
            for c, row in enumerate(found.taken)
            for slot, count in enumerate(row)
        )
        return Solution(
            found.taken,
            cost,
            found.cost - cost * self._layout.soft_scale,
            found.imbalance,
            self._home.node,
            not self._given_up,
        )


def _broken(layout: Layout, taken: Sequence[Sequence[int]]) -> int | None:
    """How far soft rules are from holding; None: something does not hold that must."""
    problem = layout.problem
    if not _respects_exclusion(problem, taken):
        return None
    if not problem.is_ruled:
        return 0
    used = layout.used(taken)
    for wanted, left in (
        (problem.egress, layout.egress_left),
        (problem.ingress, layout.ingress_left),
    ):
        for f, mbps in enumerate(left):
            if mbps is not None and sum(w * used[c][f] for c, w in enumerate(wanted)) > mbps:
                return None
    total = 0
    for placed in layout.rules:
        broken = placed.broken(used)
        if broken and placed.rule.hard:
            return None
        total += broken
    return total


def _respects_exclusion(problem: Problem, taken: Sequence[Sequence[int]]) -> bool:
    if not any(problem.whole):
        return True
    used = [slot for slot in range(len(problem.free)) if any(row[slot] for row in taken)]
    whole = {problem.family[slot] for slot in used if problem.whole[slot]}
    return not whole or not any(
        problem.family[slot] in whole for slot in used if not problem.whole[slot]
    )

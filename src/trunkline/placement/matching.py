"""Which pool each NIC's device comes from: exact, for all NICs together, at the least cost.

Two layers. `_flow` solves the bipartite part (NIC classes against pools) by shortest augmenting
paths, which finds an assignment whenever there is one. `solve` searches over it which PFs are
taken whole when a request mixes whole PFs with VFs, since each such PF takes its VFs from the
other NICs, which no flow can express.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Costs = tuple[tuple[int | None, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """NIC classes, and slots to get their devices from. All indexes count from 0."""

    counts: tuple[int, ...]  # [class] NICs in it.
    costs: Costs  # [class][slot] of one device from there; None: does not fit. Never negative.
    free: tuple[int, ...]  # [slot] devices to be had.
    family: tuple[int, ...]  # [slot]
    whole: tuple[bool, ...]  # [slot] taking it shuts all other slots of its family.


@dataclass(frozen=True, slots=True)
class Solution:
    """How many devices each class takes from each slot."""

    taken: list[list[int]]  # [class][slot]
    cost: int


def solve(problem: Problem) -> Solution | None:
    """Find an assignment of least cost, or None: there is no assignment at all.

    Among equal costs devices come from the family with the most left. The same problem always has
    the same solution.
    """
    relaxed = _flow(problem, range(len(problem.counts)), list(problem.free))
    if relaxed is None or _respects_exclusion(problem, relaxed):
        return relaxed  # Without the exclusion nothing is cheaper, or possible, that is not here.
    return _Search(problem, least_cost=relaxed.cost).best()


def _respects_exclusion(problem: Problem, solution: Solution) -> bool:
    used = [slot for slot in range(len(problem.free)) if any(row[slot] for row in solution.taken)]
    whole = {problem.family[slot] for slot in used if problem.whole[slot]}
    return not whole or not any(
        problem.family[slot] in whole for slot in used if not problem.whole[slot]
    )


class _Search:
    """Tries sets of PFs to be taken whole; the VFs then follow by flow.

    PFs that differ for no NIC of the request are tried once, not once each, so that the number of
    tries hangs on how many sorts of PF a host has rather than on how many PFs.
    """

    def __init__(self, problem: Problem, *, least_cost: int) -> None:
        self._problem = problem
        self._least_cost = least_cost
        slots = range(len(problem.free))
        self._takers = [
            c
            for c, row in enumerate(problem.costs)
            if any(row[s] is not None and problem.whole[s] for s in slots)
        ]
        self._others = [c for c in range(len(problem.counts)) if c not in self._takers]
        self._units = [c for c in self._takers for _ in range(problem.counts[c])]
        self._left = list(problem.free)
        self._taken = [[0] * len(problem.free) for _ in problem.counts]
        self._sorts = [self._sort(slot) for slot in slots]
        self._found: Solution | None = None

    def best(self) -> Solution | None:
        self._choose(unit=0, first=0, cost=0)
        return self._found

    def _sort(self, slot: int) -> tuple[object, ...]:
        """Slots of one sort are interchangeable for this problem, with all that goes with them."""
        problem, vf_nics = self._problem, sum(self._problem.counts)
        kin = [slot]
        if problem.whole[slot]:
            kin += [
                s for s, f in enumerate(problem.family) if f == problem.family[slot] and s != slot
            ]
        return tuple(
            (tuple(row[s] for row in problem.costs), min(problem.free[s], vf_nics)) for s in kin
        )

    def _choose(self, *, unit: int, first: int, cost: int) -> None:
        """Give unit number `unit` (a NIC that can take a PF) one slot after another."""
        if self._found is not None and (
            cost >= self._found.cost or self._found.cost == self._least_cost
        ):
            return
        if unit == len(self._units):
            self._finish(cost)
            return
        taker = self._units[unit]
        same_class_next = unit + 1 < len(self._units) and self._units[unit + 1] == taker
        for slot, price in self._openings(taker, first):
            blocked = self._take(taker, slot)
            # NICs of one class are interchangeable: their slots are tried in ascending order only.
            self._choose(unit=unit + 1, first=slot if same_class_next else 0, cost=cost + price)
            self._give_back(taker, slot, blocked)

    def _openings(self, taker: int, first: int) -> Iterator[tuple[int, int]]:
        tried = set()
        row = self._problem.costs[taker]
        for slot in range(first, len(row)):
            price = row[slot]
            if price is None or not self._left[slot] or self._sorts[slot] in tried:
                continue
            if self._problem.whole[slot]:
                tried.add(self._sorts[slot])
            yield slot, price

    def _take(self, taker: int, slot: int) -> list[tuple[int, int]]:
        self._taken[taker][slot] += 1
        self._left[slot] -= 1
        if not self._problem.whole[slot]:
            return []
        family = self._problem.family[slot]
        blocked = [(s, self._left[s]) for s, f in enumerate(self._problem.family) if f == family]
        for s, _ in blocked:
            self._left[s] = 0
        return blocked

    def _give_back(self, taker: int, slot: int, blocked: list[tuple[int, int]]) -> None:
        for s, left in blocked:
            self._left[s] = left
        self._left[slot] += 1
        self._taken[taker][slot] -= 1

    def _finish(self, cost: int) -> None:
        rest = _flow(self._problem, self._others, list(self._left))
        if rest is None or (self._found is not None and cost + rest.cost >= self._found.cost):
            return
        taken = [list(row) for row in self._taken]
        for c in self._others:
            taken[c] = rest.taken[c]
        self._found = Solution(taken, cost + rest.cost)


def _flow(problem: Problem, classes: Sequence[int], left: list[int]) -> Solution | None:
    """Assign the NICs of some classes to what is `left` of the slots, at the least cost.

    One NIC after another along a cheapest augmenting path: an earlier NIC moves to another slot
    when that lets a later one in. A NIC that can't be let in so can't be at all (Berge).
    """
    taken = [[0] * len(left) for _ in problem.counts]
    in_family: dict[int, int] = {}
    for slot, count in enumerate(left):
        in_family[problem.family[slot]] = in_family.get(problem.family[slot], 0) + count
    cost = 0
    for c in classes:
        for _ in range(problem.counts[c]):
            path = _direct(problem, c, left, in_family) or _cheapest_path(
                problem, classes, c, left, in_family, taken
            )
            if path is None:
                return None
            price, hops, end = path
            cost += price
            left[end] -= 1
            in_family[problem.family[end]] -= 1
            for taker, slot, change in hops:
                taken[taker][slot] += change
    return Solution(taken, cost)


Hop = tuple[int, int, int]  # Class, slot, +1 or -1.


def _direct(
    problem: Problem, c: int, left: list[int], in_family: dict[int, int]
) -> tuple[int, list[Hop], int] | None:
    """The class's cheapest slot, if something is left there: then no detour is cheaper."""
    row = problem.costs[c]
    cheapest = min((cost for cost in row if cost is not None), default=None)
    best = None
    for slot, cost in enumerate(row):
        if (
            left[slot]
            and cost is not None
            and cost == cheapest
            and (best is None or in_family[problem.family[slot]] > in_family[problem.family[best]])
        ):
            best = slot
    if best is None or cheapest is None:
        return None
    return cheapest, [(c, best, 1)], best


def _cheapest_path(
    problem: Problem,
    classes: Sequence[int],
    start: int,
    left: list[int],
    in_family: dict[int, int],
    taken: list[list[int]],
) -> tuple[int, list[Hop], int] | None:
    """Bellman-Ford over classes and slots: a class reaches a slot; a slot reaches its takers."""
    to_class: dict[int, int] = {start: 0}
    to_slot: dict[int, int] = {}
    via_class: dict[int, int] = {}  # [slot] the class it was reached from
    via_slot: dict[int, int] = {}  # [class] the slot whose device it would give up
    changed = True
    while changed:
        changed = False
        for c in classes:
            if c not in to_class:
                continue
            for slot, cost in enumerate(problem.costs[c]):
                if cost is not None and to_class[c] + cost < to_slot.get(slot, _FAR):
                    to_slot[slot], via_class[slot], changed = to_class[c] + cost, c, True
        for slot, so_far in to_slot.items():
            for c in classes:
                cost = problem.costs[c][slot]
                if cost is not None and taken[c][slot] and so_far - cost < to_class.get(c, _FAR):
                    to_class[c], via_slot[c], changed = so_far - cost, slot, True

    ends = [slot for slot in to_slot if left[slot]]
    if not ends:
        return None
    end = min(ends, key=lambda s: (to_slot[s], -in_family[problem.family[s]], s))
    hops: list[Hop] = []
    slot = end
    while True:
        c = via_class[slot]
        hops.append((c, slot, 1))
        if c == start:
            return to_slot[end], hops, end
        slot = via_slot[c]
        hops.append((c, slot, -1))


_FAR = 1 << 60

"""Which rules of a request stand in the way on a host whose devices would do without them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

from trunkline.domain.nic_rules import NumaPolicy
from trunkline.placement.asks.request import Reason
from trunkline.placement.matching.match import solve
from trunkline.placement.matching.problem import Problem

# More rules than this are not tried in all combinations: then the set told can't be made smaller
# by leaving one out of it, yet another one may be smaller.
SMALLEST_UP_TO: Final = 2


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A hard rule without which, perhaps together with others, devices would do."""

    reason: Reason
    rule: int | None = None  # Of the problem's rules; None: policies, or guarantees, of all NICs.


def obstacles(problem: Problem) -> list[Obstacle]:
    """All that could be dropped, in the order in which to give it up.

    What is only a wish for where things are goes first, what was promised last: affinities, then
    anti-affinities, both in the order of the problem; NUMA policies; guarantees of bandwidth.
    """
    hard = [(n, rule) for n, rule in enumerate(problem.rules) if rule.hard]
    found = [Obstacle(Reason.AFFINITY, n) for n, rule in hard if not rule.apart]
    found += [Obstacle(Reason.ANTI_AFFINITY, n) for n, rule in hard if rule.apart]
    if any(policy not in (None, NumaPolicy.PREFERRED) for policy in problem.numa):
        found.append(Obstacle(Reason.NUMA))
    if any(problem.egress) or any(problem.ingress):
        found.append(Obstacle(Reason.BANDWIDTH))
    return found


def without(problem: Problem, dropped: Collection[Obstacle]) -> Problem:
    """The problem with some rules dropped."""
    numbers = {one.rule for one in dropped}
    kept = replace(
        problem, rules=tuple(rule for n, rule in enumerate(problem.rules) if n not in numbers)
    )
    reasons = {one.reason for one in dropped}
    if Reason.NUMA in reasons:
        kept = replace(kept, numa=())
    if Reason.BANDWIDTH in reasons:
        kept = replace(kept, egress=(), ingress=())
    return kept


def find_obstacles(problem: Problem, *, devices_do: bool = False) -> tuple[Obstacle, ...]:
    """The rules to drop so that a problem without a solution has one, as few as possible.

    Of sets of one size, the first in the order of `obstacles`. With more than `SMALLEST_UP_TO`
    rules to be dropped: a set of which none can be kept. Empty: dropping rules does not help,
    since devices would not do without any, or nothing needs to be dropped.

    Args:
        problem: With its rules.
        devices_do: It is known that devices would do without any rule.
    """
    every = obstacles(problem)
    if _fits_without(problem, ()) or not (devices_do or _fits_without(problem, every)):
        return ()
    if len(every) == 1:
        return tuple(every)
    for size in range(1, min(SMALLEST_UP_TO, len(every)) + 1):
        for dropped in combinations(every, size):
            if _fits_without(problem, dropped):
                return dropped
    needed = list(every)
    for one in reversed(every):
        fewer = [other for other in needed if other is not one]
        if _fits_without(problem, fewer):
            needed = fewer
    return tuple(needed)


def _fits_without(problem: Problem, dropped: Collection[Obstacle]) -> bool:
    kept = without(problem, dropped)
    hard = replace(kept, rules=tuple(rule for rule in kept.rules if rule.hard))
    return solve(hard, states_max=_FEW_STATES) is not None


_FEW_STATES: Final = 20  # Whether anything fits is what is asked; how well does not matter.

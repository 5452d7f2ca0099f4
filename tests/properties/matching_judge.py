"""Holds `solve` against the oracles, instance by instance."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from tests.oracle.matching_instances import RawMatch, large_match, packing, small_match
from tests.oracle.matching_oracle import by_cp_sat, by_trying_everything, homes, merit_of
from tests.properties.matching_world import a_problem, chosen_slots
from trunkline.placement.matching.match import solve

PACKING = 0.25  # Of the problems have NICs that pack.


@dataclass
class Tally:
    """What a run has seen."""

    instances: int = 0
    feasible: int = 0
    unproven: int = 0  # Taken without proof that none is better.

    def add(self, other: Tally) -> None:
        self.instances += other.instances
        self.feasible += other.feasible
        self.unproven += other.unproven


def judge(raw: RawMatch, *, large: bool = False) -> Tally:
    """Assert that the answer is right: possible if the oracle says so, valid, and the best."""
    problem, members = a_problem(raw)
    solution = solve(problem)
    best = by_cp_sat(raw) if large else by_trying_everything(raw)
    assert (solution is None) is (best is None), f"fits by one of us alone: {raw}"
    if solution is None:
        return Tally(1, 0, 0)
    slots = chosen_slots(solution, members)
    merits = [merit for home in homes(raw) if (merit := merit_of(raw, slots, home)) is not None]
    assert merits, f"against the rules: {solution} of {raw}"
    assert min(merits) == solution.merit, f"not what it says: {solution} of {raw}"
    if solution.is_proven:
        assert solution.merit == best, f"not the best: {solution}, not {best}, of {raw}"
    return Tally(1, 1, not solution.is_proven)


def judge_many(seed: int, instances: int, *, large: bool = False) -> Tally:
    dice = Random(seed)
    tally = Tally()
    for _ in range(instances):
        raw = large_match(dice) if large else small_match(dice)
        if dice.random() < PACKING:
            packing(dice, raw)
        tally.add(judge(raw, large=large))
    return tally

"""Matching accepts exactly what the oracles accept, at the least cost, under all rules together."""

from __future__ import annotations

from copy import deepcopy
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle.matching_instances import RawMatch, large_match, small_match
from tests.oracle.matching_oracle import by_cp_sat, by_trying_everything
from tests.properties.matching_judge import judge, judge_many
from tests.properties.matching_world import a_problem
from trunkline.placement.matching.match import solve
from trunkline.placement.matching.problem import Solution

# Together 20,400. The small ones are tried out whole; the large ones go to CP-SAT, which takes
# ten times as long.
SMALL_PER_SEED = 2_200
LARGE_PER_SEED = 350


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_small_matches_are_found_at_the_least_cost_or_not_at_all(seed: int) -> None:
    tally = judge_many(seed, SMALL_PER_SEED)
    assert 0.3 < tally.feasible / tally.instances < 0.7, "a lopsided draw"
    assert not tally.unproven


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_large_matches_are_found_at_the_least_cost_or_not_at_all(seed: int) -> None:
    tally = judge_many(seed, LARGE_PER_SEED, large=True)
    assert 0.25 < tally.feasible / tally.instances < 0.7, "a lopsided draw"
    assert tally.unproven <= tally.instances // 100


@settings(max_examples=200, deadline=None)
@given(st.randoms(use_true_random=False))
def test_shrunk_by_hypothesis_a_match_is_found_at_the_least_cost_or_not_at_all(
    dice: Random,
) -> None:
    judge(small_match(dice))


def test_the_two_oracles_agree() -> None:
    dice = Random(5)
    for _ in range(150):
        raw = small_match(dice)
        assert by_cp_sat(raw) == by_trying_everything(raw), raw


def merit(solution: Solution | None) -> tuple[int, int, int, int] | None:
    """What must not change."""
    return None if solution is None else solution.merit


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_nics_slots_pfs_and_rules_changes_neither_fit_nor_merit(seed: int) -> None:
    dice = Random(seed)
    for number in range(250):
        raw = small_match(dice) if number % 5 else large_match(dice)
        expected = solve(a_problem(raw)[0])
        found = solve(a_problem(permuted(raw, dice))[0])
        if expected is None or found is None:
            assert expected is found
        elif expected.is_proven and found.is_proven:
            assert found.merit == expected.merit


@pytest.mark.parametrize("seed", range(4))
def test_other_numbers_for_nodes_sockets_cards_and_switches_change_nothing(seed: int) -> None:
    dice = Random(seed)
    for _ in range(200):
        raw = small_match(dice)
        assert merit(solve(a_problem(renumbered(raw, dice))[0])) == merit(solve(a_problem(raw)[0]))


@pytest.mark.parametrize("seed", range(4))
def test_the_same_problem_has_the_same_solution(seed: int) -> None:
    dice = Random(seed)
    for _ in range(100):
        raw = small_match(dice)
        assert solve(a_problem(raw)[0]) == solve(a_problem(raw)[0])


@pytest.mark.parametrize("seed", range(4))
def test_what_was_not_searched_for_the_best_still_fits_exactly_when_something_fits(
    seed: int,
) -> None:
    dice = Random(seed)
    for _ in range(200):
        problem, _ = a_problem(small_match(dice))
        best, hasty = solve(problem), solve(problem, states_max=1)
        assert (best is None) is (hasty is None)
        if best is not None and hasty is not None:
            assert hasty.merit == best.merit if hasty.is_proven else hasty.merit >= best.merit


def permuted(raw: RawMatch, dice: Random) -> RawMatch:
    """The same problem, all that has an order in another one."""
    nics, slots, families = (
        dice.sample(range(count), count)
        for count in (len(raw["nics"]), len(raw["slots"]), len(raw["families"]))
    )
    return {
        "nics": [
            {**raw["nics"][n], "costs": [raw["nics"][n]["costs"][s] for s in slots]} for n in nics
        ],
        "rules": [
            {**rule, "nics": sorted(nics.index(n) for n in rule["nics"])}
            for rule in dice.sample(raw["rules"], len(raw["rules"]))
        ],
        "families": [raw["families"][f] for f in families],
        "slots": [
            {**raw["slots"][s], "family": families.index(raw["slots"][s]["family"])} for s in slots
        ],
        "nodes": dice.sample(raw["nodes"], len(raw["nodes"])),
    }


def renumbered(raw: RawMatch, dice: Random) -> RawMatch:
    """The same problem with other numbers for the same places."""
    numbers = dice.sample(range(20), 20)
    other = deepcopy(raw)
    other["nodes"] = [numbers[node] for node in raw["nodes"]]
    for facts in other["families"]:
        facts["card"] = numbers[facts["card"]]
        facts["numa"] = None if facts["numa"] is None else numbers[facts["numa"]]
        facts["socket"] = None if facts["socket"] is None else numbers[facts["socket"]]
        facts["switch"] = None if facts["switch"] is None else numbers[facts["switch"]]
    return other

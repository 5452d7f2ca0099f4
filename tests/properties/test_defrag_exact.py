"""Plans have as few moves as the oracles', and can be carried out, on thousands of fleets."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle.defrag_instances import medium_defrag, small_defrag
from tests.oracle.defrag_oracle import Best, RawDefrag, by_cp_sat, by_trying_everything
from tests.properties.defrag_replay import cost_of, replay
from tests.properties.defrag_world import plan_for
from trunkline.placement.planning.defrag import STATES_MAX, NoPlan, Plan

SMALL_PER_SEED = 200
MEDIUM_PER_SEED = 40


def judge(
    raw: RawDefrag,
    best: Best | None,
    dice: Random,
    *,
    most: int | None = None,
    states_max: int = STATES_MAX,
) -> str:
    """Hold an answer against the best there is; return what kind of answer it was."""
    found = plan_for(raw, states_max=states_max)
    if isinstance(found, NoPlan):
        assert most is None or found.most <= most <= found.most_bound, raw
        if found.at_least is None:
            assert best is None, raw
            return "refused"
        assert best is None or found.at_least <= best.moves, raw
        return "given up"
    assert best is not None, raw
    assert replay(raw, found, dice) == [], raw
    assert found.at_least <= best.moves <= len(found.moves), raw
    if found.is_best:
        assert found.is_optimal, raw
        assert cost_of(raw, found) == best, raw
    return _kind(found)


def _kind(found: Plan) -> str:
    if not found.moves:
        return "free already"
    return "best" if found.is_best else "optimal" if found.is_optimal else "unproven"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_small_fleets_are_freed_with_the_fewest_moves_or_refused(seed: int) -> None:
    dice = Random(seed)
    kinds = Counter[str]()
    for _ in range(SMALL_PER_SEED):
        raw = small_defrag(dice)
        best, most = by_trying_everything(raw)
        kinds[judge(raw, best, dice, most=most)] += 1
    assert kinds["best"] > SMALL_PER_SEED / 4, "a lopsided draw"
    assert kinds["refused"] > SMALL_PER_SEED / 4, "a lopsided draw"
    # What is told of several guests under NUMA policies on one host is not always proven.
    assert kinds["unproven"] + kinds["given up"] + kinds["optimal"] <= SMALL_PER_SEED / 50


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_medium_fleets_are_freed_with_the_fewest_moves_or_refused(seed: int) -> None:
    dice = Random(seed)
    kinds = Counter[str]()
    for _ in range(MEDIUM_PER_SEED):
        raw = medium_defrag(dice)
        kinds[judge(raw, by_cp_sat(raw), dice)] += 1
    assert kinds["best"] > MEDIUM_PER_SEED / 4, "a lopsided draw"
    assert kinds["unproven"] + kinds["given up"] + kinds["optimal"] <= MEDIUM_PER_SEED / 20


@pytest.mark.parametrize("states_max", [0, 1, 3, 10, 30])
def test_bounds_hold_however_early_a_search_is_ended(states_max: int) -> None:
    dice = Random(states_max)
    kinds = Counter[str]()
    for number in range(80):
        raw = medium_defrag(dice) if number % 4 else small_defrag(dice)
        kinds[judge(raw, by_cp_sat(raw), dice, states_max=states_max)] += 1
    assert kinds["given up"] + kinds["optimal"] + kinds["unproven"], "nothing was ended early"


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=False))
def test_shrunk_by_hypothesis_plans_have_the_fewest_moves(dice: Random) -> None:
    raw = small_defrag(dice)
    judge(raw, by_trying_everything(raw)[0], dice)


def test_the_two_oracles_agree() -> None:
    dice = Random(3)
    for _ in range(150):
        raw = small_defrag(dice)
        assert by_cp_sat(raw) == by_trying_everything(raw)[0], raw

"""Plans have as few moves as an oracle's, and each can be carried out, on thousands of fleets."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from tests.oracle.defrag_instances import medium_defrag, small_defrag
from tests.oracle.defrag_oracle import RawDefrag, by_cp_sat, by_trying_everything
from tests.properties.defrag_replay import cost_of, replay
from tests.properties.defrag_world import plan_for
from trunkline.placement.defrag import NoPlan, Plan

SMALL_PER_SEED = 250
MEDIUM_PER_SEED = 40


def judge_small(raw: RawDefrag, dice: Random, *, states_max: int = 2_000) -> str:
    """Hold one answer against the oracle's; return what kind of answer it was."""
    best, most = by_trying_everything(raw)
    found = plan_for(raw, states_max=states_max)
    if isinstance(found, NoPlan):
        if found.at_least is None:
            assert best is None, raw
        elif best is not None:
            assert found.at_least <= best.moves, raw
        assert found.most <= most <= found.most_bound, (raw, found)
        return "refused" if found.at_least is None else "given up"
    assert best is not None, raw
    assert replay(raw, found, dice) == [], raw
    assert found.at_least <= best.moves <= len(found.moves), raw
    if found.is_best:
        assert found.is_optimal
        assert cost_of(raw, found) == best, raw
    if not found.moves:
        return "free already"
    return "best" if found.is_best else "optimal" if found.is_optimal else "unproven"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_small_fleets_are_freed_with_the_fewest_moves_or_refused(seed: int) -> None:
    dice = Random(seed)
    kinds = Counter(judge_small(small_defrag(dice), dice) for _ in range(SMALL_PER_SEED))
    assert kinds["best"] > 0.3 * SMALL_PER_SEED, "a lopsided draw"
    assert kinds["refused"] > 0.1 * SMALL_PER_SEED, "a lopsided draw"
    assert not kinds["unproven"] + kinds["given up"] + kinds["optimal"]

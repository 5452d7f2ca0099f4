"""The rules that are said to stand in the way are a smallest set that does."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from itertools import combinations
from random import Random

import pytest

from tests.oracle.matching_instances import RawMatch, small_match
from tests.oracle.matching_oracle import by_trying_everything
from tests.properties.matching_world import a_problem
from trunkline.placement.asks.request import Reason
from trunkline.placement.reasons.obstacles import Obstacle, find_obstacles, obstacles


def relaxed(raw: RawMatch, dropped: Iterable[Obstacle]) -> RawMatch:
    other = deepcopy(raw)
    numbers = {one.rule for one in dropped}
    reasons = {one.reason for one in dropped}
    other["rules"] = [rule for n, rule in enumerate(raw["rules"]) if n not in numbers]
    for nic in other["nics"]:
        if Reason.NUMA in reasons:
            nic["numa"] = None
        if Reason.BANDWIDTH in reasons:
            nic["egress"] = nic["ingress"] = 0
    return other


def helps(raw: RawMatch, dropped: Iterable[Obstacle]) -> bool:
    return by_trying_everything(relaxed(raw, dropped)) is not None


@pytest.mark.parametrize("seed", range(4))
def test_what_is_to_be_dropped_is_a_smallest_set_and_the_first_of_its_size(seed: int) -> None:
    dice = Random(seed)
    told = 0
    for _ in range(400):
        raw = small_match(dice)
        if len(raw["nics"]) < 2:
            continue
        problem, _ = a_problem(raw)
        every = obstacles(problem)
        found = find_obstacles(problem)
        if helps(raw, ()) or not helps(raw, every):
            assert found == ()
            continue
        assert helps(raw, found), (found, raw)
        told += 1
        for size in range(1, len(found)):
            assert not any(helps(raw, fewer) for fewer in combinations(found, size)), raw
        if len(found) <= 2:
            first = next(
                dropped
                for size in range(1, len(every) + 1)
                for dropped in combinations(every, size)
                if helps(raw, dropped)
            )
            assert found == first
    assert told > 20, "too few to mean anything"

"""How many copies of a server fit on one host, against an oracle that places every copy."""

from __future__ import annotations

from random import Random

import pytest

from tests.oracle.copies_oracle import most_copies
from tests.oracle.matching_instances import RawMatch, small_match
from tests.properties.matching_world import a_problem
from trunkline.placement.planning.copies import Copies, Count
from trunkline.placement.planning.resources import Supply

ENOUGH = 7  # What else the host has room for.


def roomy_match(dice: Random) -> RawMatch:
    """A small match with devices for several copies."""
    raw = small_match(dice)
    for slot in raw["slots"]:
        if not slot["whole"]:
            slot["free"] = dice.randrange(7)
    for family in raw["families"]:
        for what in ("egress", "ingress"):
            if family[what] is not None:
                family[what] = dice.choice((0, 10, 25, 40))
    return raw


def plain_match(dice: Random) -> RawMatch:
    """One that a flow expresses, PFs given whole aside."""
    raw = roomy_match(dice)
    raw["rules"] = []
    for nic in raw["nics"]:
        nic |= {"numa": None, "egress": 0, "ingress": 0}
    return raw


def counted(raw: RawMatch, seats: dict[int, int]) -> Count:
    problem, _ = a_problem(raw)
    supply = Supply(problem.free, problem.egress_left, problem.ingress_left, tuple(seats.items()))
    return Copies(problem).count(supply, enough=ENOUGH)


@pytest.mark.parametrize("seed", range(10))
def test_counts_are_those_of_the_oracle_under_all_rules(seed: int) -> None:
    dice = Random(seed)
    unproven = several = 0
    for _ in range(20):
        raw = roomy_match(dice)
        seats = {node: dice.randrange(5) for node in (0, 1, 2)}
        count = counted(raw, seats)
        most = most_copies(raw, seats=seats, enough=ENOUGH)
        assert count.least <= most <= count.most, raw
        unproven += not count.is_exact
        several += most > 1
    assert unproven <= 1
    assert several >= 2


@pytest.mark.parametrize("seed", range(10))
def test_counts_that_a_flow_expresses_are_always_exact(seed: int) -> None:
    dice = Random(seed)
    for _ in range(20):
        raw = plain_match(dice)
        most = most_copies(raw, seats={}, enough=ENOUGH)
        assert counted(raw, {}) == Count(most, most), raw

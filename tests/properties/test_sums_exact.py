"""Where sums tell how many servers fit, that is what packing servers in every way finds."""

from __future__ import annotations

from functools import cache
from itertools import product
from random import Random

import pytest

from trunkline.placement.planning.cuts import cuts_of_patterns
from trunkline.placement.planning.patterns import Exchanges, Pattern
from trunkline.placement.planning.resources import Resource
from trunkline.placement.planning.sums import CutSums, HalfSums, cut_sums, half_sums

RESOURCES = range(3)
EACH = [Resource(slots=(n,)) for n in RESOURCES]
HAVE_MAX = 9


def random_patterns(dice: Random) -> list[Pattern]:
    """Of NICs that are all on one resource, and of others that may each be on some."""
    tied, tied_to = dice.randrange(5), dice.sample(RESOURCES, dice.choice((1, 2)))
    others = [dice.sample(RESOURCES, dice.randint(1, 3)) for _ in range(dice.randint(1, 3))]
    found = set()
    for of_tied, *of_others in product(tied_to, *others):
        amounts = [of_others.count(n) for n in RESOURCES]
        amounts[of_tied] += tied
        found.add(tuple(amounts))
    return sorted(found)


def most_packed(patterns: list[Pattern], have: Pattern) -> int:
    @cache
    def most(left: Pattern) -> int:
        rests = (tuple(a - b for a, b in zip(left, p, strict=True)) for p in patterns)
        return max((1 + most(rest) for rest in rests if min(rest) >= 0), default=0)

    return most(have)


def sums_of(patterns: list[Pattern]) -> CutSums | HalfSums | None:
    exchanges = Exchanges()
    if exchanges.hold_for(patterns):
        return cut_sums(cuts_of_patterns(patterns, RESOURCES), {}, EACH)
    return half_sums(patterns, RESOURCES, {}, EACH, exchanges)


@pytest.mark.parametrize("seed", range(3))
def test_sums_tell_as_many_servers_as_can_be_packed(seed: int) -> None:
    dice = Random(seed)
    told = {CutSums: 0, HalfSums: 0}
    for _ in range(60):
        patterns = random_patterns(dice)
        sums = sums_of(patterns)
        if sums is None:
            continue
        told[type(sums)] += 1
        for _ in range(8):
            have = tuple(dice.randrange(HAVE_MAX) for _ in RESOURCES)
            assert sums.servers(have, ()) == most_packed(patterns, have), (patterns, have)
    assert min(told.values()) > 5, "too little was drawn to mean anything"

"""Requests made up to be hard: states looked at stay few, whatever the rules say.

States are counted rather than time, which depends on the machine. Sixteen NICs on eight PFs, no two
NICs alike.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from trunkline.domain.nic_rules import Scope
from trunkline.placement.matching.layout import homes, lay_out, rows_at
from trunkline.placement.matching.match import STATES_MAX, solve
from trunkline.placement.matching.problem import ClassRule, Place, Problem
from trunkline.placement.matching.search import Search

NICS, PFS = 16, 8
ALL_SCOPES = list(Scope)


def a_problem(
    dice: Random,
    *,
    rules: list[ClassRule],
    mbps: list[int] | None = None,
    left: list[int] | None = None,
) -> Problem:
    return Problem(
        counts=(1,) * NICS,
        costs=((0,) * PFS,) * NICS,
        free=tuple(dice.randrange(20, 65) for _ in range(PFS)),
        family=tuple(range(PFS)),
        whole=(False,) * PFS,
        egress=tuple(mbps or ()),
        rules=tuple(rules),
        places=tuple(
            Place(numa_node=f * 2 // PFS, socket=f * 2 // PFS, card=f // 2, switch=f % 2)
            for f in range(PFS)
        ),
        egress_left=tuple(left or ()),
    )


def a_rule(dice: Random, scopes: list[Scope], *, hard: float, size: int) -> ClassRule:
    return ClassRule(
        scope=dice.choice(scopes),
        apart=dice.random() < 0.5,
        hard=dice.random() < hard,
        classes=tuple(sorted(dice.sample(range(NICS), dice.randint(2, size)))),
    )


def pigeons(dice: Random) -> Problem:
    """Nine NICs, each apart from each other, told pair by pair."""
    nine = dice.sample(range(NICS), 9)
    pairs = [(a, b) for a in nine for b in nine if a < b]
    return a_problem(
        dice, rules=[ClassRule(scope=Scope.PF, apart=True, hard=True, classes=p) for p in pairs]
    )


def colouring(dice: Random) -> Problem:
    pairs = [(a, b) for b in range(NICS) for a in range(b) if dice.random() < 0.8]
    return a_problem(
        dice, rules=[ClassRule(scope=Scope.PF, apart=True, hard=True, classes=p) for p in pairs]
    )


def tight_packing(dice: Random) -> Problem:
    """Guarantees of all sizes, with 2 % of air in PFs of all sizes."""
    mbps = [dice.randrange(1000, 9000) for _ in range(NICS)]
    shares = [dice.uniform(0.6, 1.4) for _ in range(PFS)]
    left = [int(sum(mbps) * 1.02 * share / sum(shares)) for share in shares]
    return a_problem(dice, rules=[], mbps=mbps, left=left)


def all_but_packed(dice: Random) -> Problem:
    """Pairs that fill a PF each, and one Mbps too much."""
    mbps = [
        half for _ in range(PFS) for a in [dice.randrange(2001, 7999)] for half in (a, 10_000 - a)
    ]
    mbps[dice.randrange(NICS)] += 1
    return a_problem(dice, rules=[], mbps=mbps, left=[10_000] * PFS)


def contradictions(dice: Random) -> Problem:
    rules = [a_rule(dice, ALL_SCOPES, hard=0.5, size=2) for _ in range(30)]
    return a_problem(dice, rules=rules)


def overlapping_groups(dice: Random) -> Problem:
    return a_problem(dice, rules=[a_rule(dice, ALL_SCOPES, hard=0.3, size=6) for _ in range(8)])


@pytest.mark.parametrize(
    ("make", "states_max"),
    [
        (pigeons, 1),
        (colouring, 400),
        (tight_packing, 4_000),
        (all_but_packed, 400),
        (contradictions, 400),
        (overlapping_groups, 400),
    ],
)
def test_whether_a_hard_request_fits_is_found_out_in_few_states(
    make: Callable[[Random], Problem], states_max: int
) -> None:
    dice = Random(1)
    for _ in range(5):
        layout = lay_out(make(dice))
        for home in homes(layout):
            search = Search(layout, rows_at(layout, home), states_max=states_max, judge_costs=False)
            search.find(None, (0, 0))
            assert search.is_complete


def test_the_best_of_many_contradicting_wishes_is_given_up_after_so_many_states() -> None:
    dice = Random(2)
    rules = [a_rule(dice, [Scope.PF], hard=0, size=2) for _ in range(40)]
    problem = a_problem(dice, rules=rules)
    solution = solve(problem)
    assert solution is not None
    assert not solution.is_proven
    longer = solve(problem, states_max=4 * STATES_MAX)
    assert longer is not None
    assert longer.merit <= solution.merit

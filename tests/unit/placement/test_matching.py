"""Rules over all NICs of a server, one by one, on hosts small enough to see through."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from random import Random

import pytest

from trunkline.domain.nic_rules import NumaPolicy, Scope
from trunkline.placement.asks.request import Reason
from trunkline.placement.matching.match import solve
from trunkline.placement.matching.packing import find_packing
from trunkline.placement.matching.problem import ClassRule, Place, Problem, Solution
from trunkline.placement.reasons.obstacles import Obstacle, find_obstacles

REQUIRED, PREFERRED = NumaPolicy.REQUIRED, NumaPolicy.PREFERRED
LEGACY, SOCKET = NumaPolicy.LEGACY, NumaPolicy.SOCKET


def place(
    numa_node: int | None, card: int = 0, *, socket: int | None = None, switch: int | None = None
) -> Place:
    return Place(numa_node=numa_node, socket=socket, card=card, switch=switch)


# Two cards of two PFs, a card a node, PFs of a card on two switches:
#
#   node 0, socket 0: card 0: PF 0 (switch 0), PF 1 (switch 1)
#   node 1, socket 0: card 1: PF 2 (switch 0), PF 3 (switch 1)
FOUR = tuple(place(f // 2, f // 2, socket=0, switch=f % 2) for f in range(4))


def a_problem(
    free: Sequence[int],
    *nics: NumaPolicy | None,
    rules: Sequence[ClassRule] = (),
    places: Sequence[Place] = FOUR,
    nodes: Sequence[int] = (),
    mbps: Sequence[int] = (),
    left: Sequence[int | None] = (),
    costs: Sequence[Sequence[int | None]] = (),
) -> Problem:
    """NICs of a class each, PFs of one slot each."""
    return Problem(
        counts=(1,) * len(nics),
        costs=tuple(map(tuple, costs)) or ((0,) * len(free),) * len(nics),
        free=tuple(free),
        family=tuple(range(len(free))),
        whole=(False,) * len(free),
        numa=nics,
        egress=tuple(mbps),
        ingress=(),
        rules=tuple(rules),
        places=tuple(places),
        egress_left=tuple(left),
        numa_nodes=tuple(nodes) or None,
    )


def together(scope: Scope, *classes: int, hard: bool = True) -> ClassRule:
    return ClassRule(scope=scope, apart=False, hard=hard, classes=classes)


def apart(scope: Scope, *classes: int, hard: bool = True) -> ClassRule:
    return ClassRule(scope=scope, apart=True, hard=hard, classes=classes)


def pfs(problem: Problem) -> list[int] | None:
    """The PF of each NIC."""
    solution = solve(problem)
    return None if solution is None else [row.index(1) for row in solution.taken]


def solved(problem: Problem) -> Solution:
    solution = solve(problem)
    assert solution is not None
    return solution


def test_required_nics_and_the_guest_are_on_one_node() -> None:
    assert pfs(a_problem([1, 0, 1, 0], REQUIRED, REQUIRED, nodes=[0, 1])) is None
    found = solved(a_problem([1, 0, 1, 1], REQUIRED, REQUIRED, nodes=[0, 1]))
    assert found.taken == [[0, 0, 1, 0], [0, 0, 0, 1]]
    assert found.numa_node == 1


def test_a_node_without_room_for_the_guest_does_not_count() -> None:
    assert pfs(a_problem([1, 1, 0, 0], REQUIRED, nodes=[1])) is None


def test_on_a_host_that_reports_no_nodes_required_nics_are_on_any_common_known_one() -> None:
    assert pfs(a_problem([1, 0, 1, 1], REQUIRED, REQUIRED)) == [2, 3]
    assert pfs(a_problem([1], REQUIRED, places=[place(None)])) is None


def test_a_preferred_node_is_had_if_it_can_be_and_costs_no_tag() -> None:
    near = solved(a_problem([1, 0, 9, 0], PREFERRED, nodes=[0]))
    assert (near.taken, near.broken) == ([[1, 0, 0, 0]], 0)
    far = solved(a_problem([0, 0, 9, 0], PREFERRED, nodes=[0]))
    assert (far.taken, far.broken) == ([[0, 0, 1, 0]], 1)
    cheap = solved(a_problem([1, 0, 9, 0], PREFERRED, nodes=[0], costs=[[1, 1, 0, 0]]))
    assert cheap.merit[:2] == (0, 1)


def test_legacy_is_required_only_of_devices_whose_node_is_known() -> None:
    places = [place(0), place(None, 1)]
    assert pfs(a_problem([9, 1], LEGACY, nodes=[1], places=places)) == [1]
    assert pfs(a_problem([9, 0], LEGACY, nodes=[1], places=places)) is None


def test_socket_takes_other_nodes_of_the_guests_socket_and_nothing_unknown() -> None:
    places = [place(0, socket=0), place(1, 1, socket=0), place(2, 2, socket=1), place(None, 3)]
    assert pfs(a_problem([0, 1, 9, 9], SOCKET, nodes=[0], places=places)) == [1]
    assert pfs(a_problem([0, 0, 9, 9], SOCKET, nodes=[0], places=places)) is None


@pytest.mark.parametrize(
    ("scope", "found"),
    [(Scope.PF, None), (Scope.CARD, [0, 1]), (Scope.NUMA, [0, 1]), (Scope.SWITCH, [0, 2])],
)
def test_affinity_is_one_place_of_the_scope(scope: Scope, found: list[int] | None) -> None:
    free = [1, 1, 1, 0]
    assert pfs(a_problem(free, None, None, rules=[together(scope, 0, 1)])) == found


@pytest.mark.parametrize(
    ("scope", "free", "found"),
    [
        (Scope.PF, [2, 0, 0, 0], None),
        (Scope.PF, [2, 1, 0, 0], [0, 1]),
        (Scope.CARD, [2, 1, 0, 0], None),
        (Scope.NUMA, [2, 1, 1, 0], [0, 2]),
        (Scope.SWITCH, [2, 0, 1, 0], None),
        (Scope.SWITCH, [2, 0, 0, 1], [0, 3]),
    ],
)
def test_anti_affinity_is_a_place_of_its_own_for_each(
    scope: Scope, free: list[int], found: list[int] | None
) -> None:
    assert pfs(a_problem(free, None, None, rules=[apart(scope, 0, 1)])) == found


def test_unknown_switches_are_neither_one_nor_two() -> None:
    places = [place(0, 0), place(0, 1)]
    for rule in (together, apart):
        assert (
            pfs(a_problem([1, 1], None, None, rules=[rule(Scope.SWITCH, 0, 1)], places=places))
            is None
        )
    one_pf = a_problem([2], None, None, rules=[together(Scope.SWITCH, 0, 1)], places=places[:1])
    assert pfs(one_pf) == [0, 0], "one PF has one cable"


def test_soft_rules_hold_as_far_as_they_can() -> None:
    rules = [apart(Scope.PF, *range(6), hard=False)]
    spread = solved(a_problem([9, 2, 2, 2], *[None] * 6, rules=rules))
    assert spread.broken == 2, "six NICs on four PFs"
    rules = [together(Scope.CARD, 0, 1, 2, hard=False)]
    packed = solved(a_problem([1, 1, 1, 0], None, None, None, rules=rules))
    assert packed.broken == 1


def test_soft_rules_yield_to_tags() -> None:
    rules = [together(Scope.PF, 0, 1, hard=False)]
    costs = [[0, 1, 1, 1], [1, 0, 1, 1]]
    assert solved(a_problem([2, 2, 2, 2], None, None, rules=rules, costs=costs)).merit[:2] == (0, 1)


def test_guarantees_are_packed_into_what_pfs_have_left() -> None:
    """Biggest first fails here: 6 and 5 would leave no room for two of the others."""
    mbps = [4, 4, 6, 5, 5]
    assert pfs(a_problem([9, 9], *[None] * 5, mbps=mbps, left=[14, 10])) is not None
    assert pfs(a_problem([9, 9], *[None] * 5, mbps=mbps, left=[12, 12])) is None


def test_a_guarantee_needs_a_pf_that_accounts_bandwidth() -> None:
    assert pfs(a_problem([9, 1], None, mbps=[1], left=[None, 1])) == [1]
    assert pfs(a_problem([9, 1], None, mbps=[1], left=[None, 0])) is None
    assert pfs(a_problem([9, 1], None, mbps=[0], left=[None, 0])) == [0]


def test_the_rules_in_the_way_are_named_and_no_others() -> None:
    rules = [apart(Scope.PF, 0, 1), together(Scope.CARD, 0, 1)]
    problem = a_problem([1, 0, 1, 0], None, None, rules=rules)
    assert find_obstacles(problem) == (Obstacle(Reason.AFFINITY, 1),)
    assert find_obstacles(a_problem([1, 0, 0, 1], REQUIRED, REQUIRED)) == (Obstacle(Reason.NUMA),)
    short = a_problem([9, 9], None, None, mbps=[6, 6], left=[10, 5])
    assert find_obstacles(short) == (Obstacle(Reason.BANDWIDTH),)
    assert find_obstacles(a_problem([1, 0, 0, 0], None, None)) == (), "devices are too few anyway"
    assert find_obstacles(a_problem([2, 0, 0, 0], None, None)) == (), "nothing is in the way"
    both = a_problem([1, 0, 0, 1], REQUIRED, REQUIRED, rules=[together(Scope.SWITCH, 0, 1)])
    assert find_obstacles(both) == (Obstacle(Reason.AFFINITY, 0), Obstacle(Reason.NUMA))


def test_a_match_that_was_not_searched_for_the_best_may_break_what_is_soft() -> None:
    rules = [together(Scope.CARD, 0, 1), apart(Scope.CARD, 0, 1, hard=False)]
    hasty = solve(a_problem([5, 1, 4, 5], None, None, rules=rules), states_max=1)
    assert hasty is not None
    assert (hasty.broken, hasty.is_proven) == (1, False)


@pytest.mark.parametrize("seed", range(4))
def test_guarantees_are_packed_whenever_some_way_packs_them(seed: int) -> None:
    dice = Random(seed)
    packed = 0
    for _ in range(200):
        count, bins = dice.randint(1, 6), dice.randint(1, 3)
        sizes = [(dice.randint(0, 9), dice.randint(0, 9)) for _ in range(count)]
        domains = [dice.randrange(1, 1 << bins) for _ in range(count)]
        room = [(dice.randint(0, 20), dice.randint(0, 20)) for _ in range(bins)]

        def holds(
            at: Sequence[int],
            sizes: list[tuple[int, int]] = sizes,
            domains: list[int] = domains,
            room: list[tuple[int, int]] = room,
        ) -> bool:
            return all(d >> f & 1 for d, f in zip(domains, at, strict=True)) and all(
                sum(size[way] for size, f in zip(sizes, at, strict=True) if f == b) <= mbps[way]
                for b, mbps in enumerate(room)
                for way in (0, 1)
            )

        found = find_packing(sizes, domains, room)
        if found is None:
            assert not any(map(holds, product(range(bins), repeat=count)))
        else:
            assert holds(found)
            packed += 1
    assert 20 < packed < 180, "a lopsided draw"

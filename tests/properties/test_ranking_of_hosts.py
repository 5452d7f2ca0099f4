"""Hosts come in the order that a plain ranking of all of them has, whatever its criteria."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from random import Random

import pytest

from tests.oracle.placement_instances import random_host, random_request
from tests.oracle.placement_oracle import RawHost, RawRequest, fitting_hosts
from tests.oracle.ranking_oracle import in_order, sums
from tests.properties.placement_world import a_host, a_request
from trunkline.placement.index.criteria import DEFAULT_RANKING, Criterion, Ranking, make_ranking
from trunkline.placement.index.fleet import Fleet
from trunkline.placement.place import candidates

NAMES = [criterion.value for criterion in Criterion]
DEFAULT = [criterion.value for criterion in DEFAULT_RANKING.criteria]
ROUNDING = Fraction(1, 10**5)  # Shares are counted in steps.


def random_criteria(dice: Random) -> list[str]:
    """Some names in any order, of each subject one."""
    subjects: dict[str, str] = {}
    for name in dice.sample(NAMES, len(NAMES)):
        subjects.setdefault(Criterion(name).subject, name)
    return dice.sample(list(subjects.values()), dice.randint(0, len(subjects)))


def random_hosts(dice: Random) -> list[RawHost]:
    """Few builds and few sizes, so that many hosts are equal in something."""
    builds = [random_host(dice, number) for number in range(3)]
    sizes = [{"vcpus": dice.choice((4, 8)), "memory": dice.choice((4096, 8192))} for _ in range(3)]
    hosts: list[RawHost] = []
    for n in range(9):
        host = {**dice.choice(builds), **dice.choice(sizes), "disk": dice.choice((40, 41, 90))}
        host |= {"id": f"id-{n}", "name": f"h{dice.randrange(10**6)}"}
        hosts.append(host)  # type: ignore[arg-type]  # {**TypedDict} is a dict
    return hosts


def ranked(request: RawRequest, hosts: list[RawHost], ranking: Ranking) -> list[str]:
    fleet = Fleet(ranking)
    for host in hosts:
        fleet.put_host(a_host(host))
    return [placed.host_id for placed in candidates(a_request(request), fleet)]


@pytest.mark.parametrize("seed", range(4))
def test_criteria_order_hosts_one_after_the_other(seed: int) -> None:
    dice = Random(seed)
    told_apart = 0
    for _ in range(250):
        request, hosts = random_request(dice), random_hosts(dice)
        criteria = DEFAULT if dice.random() < 0.3 else random_criteria(dice)
        fitting = fitting_hosts(request, hosts)
        expected = in_order(request, [h for h in hosts if h["id"] in fitting], criteria)
        assert ranked(request, hosts, make_ranking(criteria, None)) == expected, criteria
        by_name = in_order(request, [h for h in hosts if h["id"] in fitting], [])
        told_apart += by_name != expected
    assert told_apart > 50


@pytest.mark.parametrize("seed", range(4))
def test_weights_order_hosts_by_the_sum(seed: int) -> None:
    dice = Random(seed)
    told_apart = 0
    for _ in range(250):
        request, hosts = random_request(dice), random_hosts(dice)
        weights = {
            name: dice.choice((0.001, 0.5, 1, 1, 2, 7.25, 1000))
            for name in random_criteria(dice) or ["spread_memory"]
        }
        fitting = fitting_hosts(request, hosts)
        alone = [fitting_hosts({**request, "nics": [nic]}, hosts) for nic in request["nics"]]
        if alone and set.intersection(*alone) != fitting:
            continue  # Compared are those with enough by count, some of which then don't fit.
        expected = sums(request, [h for h in hosts if h["id"] in fitting], weights)
        names = {host["id"]: host["name"] for host in hosts}
        order = ranked(request, hosts, make_ranking(None, weights))
        assert set(order) == fitting
        for one, other in pairwise(order):
            difference = expected[one] - expected[other]
            assert difference > -ROUNDING * max(1, round(max(weights.values()))), weights
            if expected[one] == expected[other] and len(set(expected.values())) == 1:
                assert names[one] < names[other], "ties are by name"
        told_apart += len(set(expected.values())) > 1
    assert told_apart > 50

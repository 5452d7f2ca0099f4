"""Rules over groups of NICs, reduced to rules over classes."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from tests.unit.placement.builders import a_nic, a_request
from trunkline.domain.nic_rules import NumaPolicy, Scope
from trunkline.placement.asks.demand import Demand, classes_and_rules, make_demand
from trunkline.placement.asks.request import GroupRule, PlacementRequest
from trunkline.placement.matching.problem import ClassRule


def apart(*nics: str, scope: Scope = Scope.PF, hard: bool = True) -> GroupRule:
    return GroupRule(scope=scope, apart=True, hard=hard, nics=frozenset(nics))


def together(*nics: str, scope: Scope = Scope.PF, hard: bool = True) -> GroupRule:
    return GroupRule(scope=scope, apart=False, hard=hard, nics=frozenset(nics))


def ruled(request: PlacementRequest, *rules: GroupRule) -> PlacementRequest:
    return replace(request, rules=rules)


def counts(demand: Demand) -> list[int]:
    return [count for _, count in demand.device_classes]


def test_nics_of_one_rule_that_nothing_else_tells_apart_are_one_class() -> None:
    request = a_request(*(a_nic(name, "phy1") for name in "abcd"))
    demand = make_demand(ruled(request, apart("a", "b", "c")))
    assert sorted(counts(demand)) == [1, 3]
    (rule,) = demand.rules
    assert [counts(demand)[c] for c in rule.classes] == [3]


def test_a_policy_and_a_guarantee_make_a_class_of_their_own() -> None:
    nic = a_nic("a", "phy1")
    request = a_request(
        nic,
        replace(nic, nic="b", numa=NumaPolicy.REQUIRED),
        replace(nic, nic="c", egress_mbps=100),
        replace(nic, nic="d", ingress_mbps=100),
    )
    assert counts(make_demand(request)) == [1, 1, 1, 1]


def test_rules_over_bridges_strangers_or_one_nic_ask_for_nothing() -> None:
    request = a_request(a_nic("a", "phy1"), a_nic("b", "phy1"), a_nic("n", "phy1", kind=None))
    plain = make_demand(request)
    assert make_demand(ruled(request, apart("a", "n"), together("b"), apart("x", "y"))) == plain
    twice = ruled(request, apart("a", "b"), apart("a", "b", "n"))
    assert make_demand(twice).rules == (
        ClassRule(scope=Scope.PF, apart=True, hard=True, classes=(0,)),
    )


RULES = (
    apart("a", "b"),
    apart("c", "d"),
    together("a", "c", "e", scope=Scope.NUMA),
    together("d", "e", scope=Scope.SWITCH, hard=False),
)


@pytest.mark.parametrize("seed", range(20))
def test_the_order_of_nics_and_of_rules_does_not_change_a_demand(seed: int) -> None:
    dice = Random(seed)
    nics = [a_nic(name, "phy1", "phy2" if name > "c" else "phy1") for name in "abcde"]
    before = make_demand(ruled(a_request(*nics), *RULES))
    shuffled = ruled(a_request(*dice.sample(nics, 5)), *dice.sample(RULES, 4))
    assert make_demand(shuffled) == before


@pytest.mark.parametrize("seed", range(20))
def test_names_do_not_change_a_demand_that_they_are_not_needed_to_tell_apart(seed: int) -> None:
    dice = Random(seed)
    names = dict(zip("abcde", dice.sample("vwxyz", 5), strict=True))
    nics = [a_nic(name, "phy1", trusted="true" if name == "a" else "no") for name in "abcde"]
    renamed = [replace(nic, nic=names[nic.nic]) for nic in nics]
    rules = [replace(rule, nics=frozenset(names[nic] for nic in rule.nics)) for rule in RULES]
    assert make_demand(ruled(a_request(*renamed), *rules)) == make_demand(
        ruled(a_request(*nics), *RULES)
    )


def test_each_nic_is_of_a_class_of_the_demand() -> None:
    request = ruled(a_request(*(a_nic(name, "phy1") for name in "abcde")), *RULES)
    classes, rules = classes_and_rules(request)
    demand = make_demand(request)
    assert {one for one, _ in demand.device_classes} == set(classes)
    for nic, one in zip(request.nics, classes, strict=True):
        assert {rules[n] for n in one.rules} == {rule for rule in RULES if nic.nic in rule.nics}

"""Placement accepts exactly what an independent oracle accepts, on thousands of small fleets."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle.placement_instances import random_instance
from tests.oracle.placement_oracle import (
    RawHost,
    RawRequest,
    faults_of_choice,
    fitting_hosts,
    least_freed,
)
from tests.properties.placement_world import a_fleet, a_request, text_of
from trunkline.placement.asks.request import NotPlaced, Placed
from trunkline.placement.place import candidates, find_placement, place
from trunkline.placement.reasons.explanation import explain

INSTANCES_PER_SEED = 750
SEEDS = range(8)


def check_against_oracle(request: RawRequest, hosts: list[RawHost]) -> bool:
    """Compare all that placement says of an instance with the oracle; say whether it fits."""
    by_id = {host["id"]: host for host in hosts}
    fitting = fitting_hosts(request, hosts)
    fleet = a_fleet(hosts)
    asked = a_request(request)

    answer = place(asked, fleet)
    assert isinstance(answer, Placed) is bool(fitting)
    offered = list(candidates(asked, fleet))
    assert {placed.host_id for placed in offered} == fitting
    assert len(offered) == len(fitting)
    for placed in offered:
        choices = [
            (choice.nic, choice.segment_id, text_of(choice.device)) for choice in placed.choices
        ]
        assert faults_of_choice(request, by_id[placed.host_id], choices) == []

    told = explain(asked, fleet)
    assert {refusal.host_id for refusal in told.nearest} == set(by_id) - fitting
    for refusal in told.nearest:
        assert refusal.reasons or refusal.nics
    if isinstance(answer, Placed):
        assert answer == offered[0] == find_placement(asked, fleet)
        assert told.smallest_change == ""
    else:
        assert answer == NotPlaced(explanation=told)
        assert told.smallest_change == told.nearest[0].change
    return bool(fitting)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_request_is_placed_if_and_only_if_the_oracle_finds_an_assignment(seed: int) -> None:
    dice = Random(seed)
    accepted = sum(check_against_oracle(*random_instance(dice)) for _ in range(INSTANCES_PER_SEED))
    assert INSTANCES_PER_SEED // 4 < accepted < INSTANCES_PER_SEED * 3 // 4, "a lopsided draw"


def test_a_request_that_says_so_is_placed_on_disabled_hosts_as_on_others() -> None:
    dice = Random(1)
    accepted = 0
    for _ in range(300):
        request, hosts = random_instance(dice)
        for host in hosts:
            host["enabled"] = dice.random() < 0.5
        request |= {"even_disabled": True, "only": dice.choice((None, "h0"))}
        accepted += check_against_oracle(request, hosts)
    assert 50 < accepted < 250, "a lopsided draw"


@settings(max_examples=200, deadline=None)
@given(st.randoms(use_true_random=False))
def test_shrunk_by_hypothesis_a_request_is_placed_if_and_only_if_the_oracle_agrees(
    dice: Random,
) -> None:
    check_against_oracle(*random_instance(dice))


@pytest.mark.parametrize("seed", range(4))
def test_the_number_of_missing_devices_is_the_least_that_would_do(seed: int) -> None:
    dice = Random(seed)
    compared = 0
    for _ in range(500):
        request, hosts = random_instance(dice)
        by_id = {host["id"]: host for host in hosts}
        for refusal in explain(a_request(request), a_fleet(hosts)).nearest:
            raw = by_id[refusal.host_id]
            if refusal.reasons or len([d for d in raw["devices"] if not d["free"]]) > 6:
                continue
            bridges_suffice = all(
                any(o["bridge"] in raw["bridges"] for o in nic["options"])
                for nic in request["nics"]
                if nic["kind"] is None
            )
            wanting = [nic for nic in request["nics"] if nic["kind"] is not None]
            least = least_freed(wanting, raw["devices"])
            assert refusal.missing == ((least or 0) if bridges_suffice else 0)
            compared += refusal.missing > 0
    assert compared > 10, "too few to mean anything"

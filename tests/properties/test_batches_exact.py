"""Of servers that are alike, exactly as many are placed as fit, by an independent count."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from random import Random

import pytest

from tests.oracle.placement_instances import competing_instance, random_instance
from tests.oracle.placement_oracle import (
    RawHost,
    RawRequest,
    faults_of_choice,
    fitting_hosts,
    host_takes,
    nics_fit,
)
from tests.properties.placement_world import a_fleet, a_request, text_of
from trunkline.placement.batch import Held, hold_batch
from trunkline.placement.place import find_placement

INSTANCES_PER_SEED = 300
MANY = 40  # More servers than any of the fleets has room for, devices or none.


def most_that_fit(request: RawRequest, host: RawHost) -> int:
    """So many servers fit on a host as one server fits that has all their NICs and sizes."""
    count = 0
    while count < MANY:
        together: RawRequest = {
            **request,
            "nics": request["nics"] * (count + 1),
            "vcpus": request["vcpus"] * (count + 1),
            "memory": request["memory"] * (count + 1),
            "disk": request["disk"] * (count + 1),
        }
        if not (host_takes(together, host) and nics_fit(together, host)):
            break
        count += 1
    return count


def one_by_one(request: RawRequest, hosts: Sequence[RawHost]) -> int:
    """How many fit if nothing is put right."""
    fleet, asked, count = a_fleet(hosts), a_request(request), 0
    while count < MANY and (placed := find_placement(asked, fleet)) is not None:
        fleet.hold(placed, asked)
        count += 1
    return count


def check_choices(request: RawRequest, hosts: Sequence[RawHost], held: Sequence[Held]) -> None:
    """Give the servers what was chosen, one after the other, by the raw data alone."""
    left = {host["id"]: deepcopy(host) for host in hosts}
    for each in held:
        host = left[each.placed.host_id]
        choices = [
            (choice.nic, choice.segment_id, text_of(choice.device))
            for choice in each.placed.choices
        ]
        assert faults_of_choice(request, host, choices) == []
        host["vcpus"] -= request["vcpus"]
        host["memory"] -= request["memory"]
        host["disk"] -= request["disk"]
        taken = {device for _, _, device in choices}
        for device in host["devices"]:
            device["free"] = device["free"] and device["id"] not in taken


@pytest.mark.parametrize("seed", range(8))
def test_as_many_are_placed_as_fit_and_no_more_than_are_wanted(seed: int) -> None:
    dice = Random(seed)
    for number in range(INSTANCES_PER_SEED):
        request, hosts = (competing_instance if number % 2 else random_instance)(dice)
        fit = sum(most_that_fit(request, host) for host in hosts)
        most = dice.choice((1, 2, 3, 5, MANY))
        held = hold_batch(a_request(request), most, a_fleet(hosts)).held
        assert len(held) == min(fit, most)
        check_choices(request, hosts, held)


def test_one_after_the_other_is_not_enough() -> None:
    """Else the test above would say nothing of how servers are matched together."""
    dice, more = Random(5), 0
    for _ in range(600):
        request, hosts = competing_instance(dice)
        held = hold_batch(a_request(request), MANY, a_fleet(hosts)).held
        more += len(held) > one_by_one(request, hosts)
    assert more >= 5


@pytest.mark.parametrize("seed", range(4))
def test_what_is_held_is_taken_and_undoing_it_leaves_the_fleet_as_it_was(seed: int) -> None:
    dice = Random(seed)
    for _ in range(INSTANCES_PER_SEED // 3):
        request, hosts = random_instance(dice)
        fleet, asked = a_fleet(hosts), a_request(request)
        before = {host_id: fleet.view(host_id) for host_id in fleet.host_ids()}
        held = hold_batch(asked, MANY, fleet).held
        if len(held) < MANY:
            assert find_placement(asked, fleet) is None
        for host_id in fleet.host_ids():
            here = [each for each in held if each.placed.host_id == host_id]
            seen = [each.placed.seen_generation for each in here]
            first = before[host_id].generation
            assert seen == [*range(first, first + len(here))], "the writes name them in this order"
        for each in reversed(held):
            fleet.undo(each.hold)
        assert {host_id: fleet.view(host_id) for host_id in fleet.host_ids()} == before


def test_an_empty_fleet_takes_none() -> None:
    request, _ = random_instance(Random(1))
    assert fitting_hosts(request, []) == set()
    assert hold_batch(a_request(request), 3, a_fleet([])).held == []

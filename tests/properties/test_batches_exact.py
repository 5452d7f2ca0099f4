"""Of servers that are alike, exactly as many are placed as fit, by an independent count."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from random import Random

import pytest

from tests.oracle.batches_oracle import most_servers
from tests.oracle.placement_instances import competing_instance, random_instance
from tests.oracle.placement_oracle import (
    RawHost,
    RawRequest,
    faults_of_choice,
    fitting_hosts,
    host_takes,
    nics_fit,
)
from tests.oracle.places_instances import roomy_instance
from tests.oracle.places_oracle import guarantees_of, homes, is_confined, is_ruled_well, kin_of
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


def check_ruled_choices(
    request: RawRequest, hosts: Sequence[RawHost], held: Sequence[Held]
) -> None:
    """Like `check_choices`, under all rules."""
    left = {host["id"]: deepcopy(host) for host in hosts}
    for each in held:
        host = left[each.placed.host_id]
        choices = [(c.nic, c.segment_id, text_of(c.device)) for c in each.placed.choices]
        assert faults_of_choice(request, host, choices) == []
        devices = {device["id"]: device for device in host["devices"]}
        chosen = {nic: devices[device] for nic, _, device in choices if device is not None}
        node = each.placed.numa_node
        where = homes(request, host) if node is None else [node]
        assert node is None or node in homes(request, host), "its node has no room"
        assert (node is None) == (not is_confined(request) or not host["nodes"])
        assert any(is_ruled_well(request, host, chosen, home) for home in where)
        for device in chosen.values():
            device["free"] = False
        for size in ("vcpus", "memory", "disk"):
            host[size] -= request[size]
        for facts in host["nodes"]:
            if facts["number"] == node:
                facts["vcpus"] -= request["vcpus"]
                facts["memory"] -= request["memory"]
        for nic in request["nics"]:
            for way, mbps in guarantees_of(nic).items():
                account = host["bandwidth"][kin_of(chosen[nic["name"]])]
                if way == "egress":
                    account["egress"] = (account["egress"] or 0) - mbps
                else:
                    account["ingress"] = (account["ingress"] or 0) - mbps


@pytest.mark.parametrize("seed", range(8))
def test_under_all_rules_as_many_are_placed_as_fit(seed: int) -> None:
    dice = Random(seed)
    several = 0
    for number in range(INSTANCES_PER_SEED // 3):
        request, hosts = roomy_instance(dice)
        most = dice.choice((2, 3, 5, 8, 8))
        fit = sum(most_servers(request, host, enough=most) for host in hosts)
        batch = hold_batch(a_request(request), most, a_fleet(hosts))
        assert len(batch.held) == batch.at_most == min(fit, most), (seed, number)
        check_ruled_choices(request, hosts, batch.held)
        several += fit > 1
    assert several > INSTANCES_PER_SEED // 20


def test_under_rules_one_after_the_other_is_not_enough_either() -> None:
    dice, more = Random(5), 0
    for _ in range(600):
        request, hosts = roomy_instance(dice)
        held = hold_batch(a_request(request), MANY, a_fleet(hosts)).held
        more += len(held) > one_by_one(request, hosts)
    assert more >= 5

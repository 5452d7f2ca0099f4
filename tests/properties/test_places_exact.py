"""With rules about places and guarantees, placement accepts what trying everything accepts."""

from __future__ import annotations

from copy import deepcopy
from random import Random

import pytest

from tests.oracle.placement_oracle import RawHost, RawRequest, faults_of_choice
from tests.oracle.places_instances import guaranteed_instance, placed_instance
from tests.oracle.places_oracle import homes, hosts_that_fit, is_confined, is_ruled_well
from tests.properties.placement_world import a_fleet, a_request, text_of
from trunkline.placement.asks.request import Placed
from trunkline.placement.place import candidates, place


@pytest.mark.parametrize("seed", range(8))
def test_accepts_exactly_what_trying_everything_accepts(seed: int) -> None:
    dice = Random(seed)
    for number in range(500):
        request, hosts = (guaranteed_instance if number % 2 else placed_instance)(dice)
        taking = hosts_that_fit(request, hosts)
        found = list(candidates(a_request(request), a_fleet(hosts)))
        assert {placed.host_id for placed in found} == taking, (seed, number)
        assert isinstance(place(a_request(request), a_fleet(hosts)), Placed) == bool(taking)
        for placed in found:
            assert faults(request, hosts, placed) == [], (seed, number)


@pytest.mark.parametrize("seed", range(2))
def test_neither_order_of_nics_nor_of_devices_nor_of_rules_changes_who_takes_it(seed: int) -> None:
    dice = Random(seed)
    for _ in range(200):
        request, hosts = placed_instance(dice)
        shuffled, moved = deepcopy(request), deepcopy(hosts)
        dice.shuffle(shuffled["nics"])
        dice.shuffle(shuffled["rules"])
        for host in moved:
            dice.shuffle(host["devices"])
        before = candidates(a_request(request), a_fleet(hosts))
        after = candidates(a_request(shuffled), a_fleet(moved))
        assert {each.host_id for each in after} == {each.host_id for each in before}


def faults(request: RawRequest, hosts: list[RawHost], placed: Placed) -> list[str]:
    """Whatever is wrong with a choice, by the raw data."""
    (host,) = [host for host in hosts if host["id"] == placed.host_id]
    choices = [(c.nic, c.segment_id, text_of(c.device)) for c in placed.choices]
    found = faults_of_choice(request, host, choices)
    devices = {device["id"]: device for device in host["devices"]}
    chosen = {nic: devices[device] for nic, _, device in choices if device is not None}
    where = homes(request, host)
    if is_confined(request) and host.get("nodes"):
        where = [node for node in where if node == placed.numa_node]
    elif placed.numa_node is not None:
        found.append("confined to a node though nothing asks for it, or its host has none")
    if not any(is_ruled_well(request, host, chosen, home) for home in where):
        found.append("a rule about places is broken")
    return found


def test_the_instances_are_neither_all_refused_nor_all_accepted() -> None:
    dice = Random(1)
    for instance in (placed_instance, guaranteed_instance):
        accepted = sum(bool(hosts_that_fit(*instance(dice))) for _ in range(400))
        assert 80 < accepted < 320

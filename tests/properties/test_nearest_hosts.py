"""The hosts told as the nearest of some hundred unlike ones are those that trying all finds."""

from __future__ import annotations

from random import Random

import pytest

from tests.oracle.edits_oracle import Size, smallest_change
from tests.oracle.placement_oracle import RawHost, RawRequest
from tests.oracle.places_instances import placed_host, ruled_request
from tests.properties.placement_world import a_fleet, a_request
from trunkline.placement.asks.edits import size_of_edits
from trunkline.placement.reasons.explanation import NEAREST, explain

HOSTS = 240
EDITS_MAX = 2  # More make trying all sets of them slow; the nearest of so many need few.


def nearest_by_trying(request: RawRequest, hosts: list[RawHost]) -> list[tuple[Size, str]]:
    """Every host that up to `EDITS_MAX` edits make fit, and one at least."""
    tried = [(smallest_change(request, host, at_most=EDITS_MAX), host["name"]) for host in hosts]
    return sorted((size, name) for size, name in tried if size is not None and size[0])


def a_host(dice: Random, number: int) -> RawHost:
    """One in service: else what keeps it from that is all that decides who is near."""
    host = placed_host(dice, number)
    return host | {"name": f"h{number:03}", "enabled": dice.random() < 0.9, "up": True}


@pytest.mark.parametrize("seed", range(3))
def test_no_host_is_nearer_than_those_told(seed: int) -> None:
    dice = Random(seed)
    hosts = [a_host(dice, number) for number in range(HOSTS)]
    fleet = a_fleet(hosts)
    compared = 0
    for _ in range(4):
        request = ruled_request(dice)
        told = explain(a_request(request), fleet)
        assert told.is_proven
        expected = nearest_by_trying(request, hosts)[:NEAREST]
        found = [(size_of_edits(one.edits), one.host_name) for one in told.nearest]
        assert found[: len(expected)] == expected, request
        compared += len(expected)
    assert compared > NEAREST, "too little was near to mean anything"

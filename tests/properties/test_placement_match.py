"""A demand by expression and the same demand by attributes have the same answer."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from tests.oracle.placement_instances import random_instance
from tests.properties.placement_world import a_fleet, a_request
from trunkline.domain.pci_flavor import Condition, DeviceMatch, How
from trunkline.placement.asks.request import NicDemand, Placed
from trunkline.placement.place import place


def _by_match(nic: NicDemand, dice: Random) -> NicDemand:
    """Say the NIC's attributes in other words; a value that no device has changes nothing."""
    conditions = []
    for attribute, value in nic.attributes.items():
        ways = [
            (How.EXACT, (value, "none-has-this")),
            (How.GLOB, (f"{value[:-1]}?",)),
            (How.REGEX, (f"({value}|none)",)),
        ]
        conditions.append(Condition(attribute, *dice.choice(ways)))
    never = (Condition("e.never", How.GLOB, ("*",)),)
    match: DeviceMatch = (tuple(conditions), never) if conditions else ()
    return replace(nic, attributes={}, match=match)


@pytest.mark.parametrize("seed", range(5))
def test_expressions_decide_as_attributes_do(seed: int) -> None:
    dice = Random(seed)
    answers = {True: 0, False: 0}
    for _ in range(300):
        raw_request, raw_hosts = random_instance(dice)
        request, fleet = a_request(raw_request), a_fleet(raw_hosts)
        devices_only = tuple(nic for nic in request.nics if nic.kind is not None)
        request = replace(request, nics=devices_only)
        matched = replace(request, nics=tuple(_by_match(nic, dice) for nic in devices_only))
        by_attributes = isinstance(place(request, fleet), Placed)
        assert isinstance(place(matched, fleet), Placed) is by_attributes, raw_request
        if any(nic.match for nic in matched.nics):
            answers[by_attributes] += 1
    assert min(answers.values()) > 20, answers

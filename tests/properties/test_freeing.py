"""The devices that a change names would do: any as many of them as it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations, product
from random import Random

import pytest

from tests.oracle.edits_oracle import fits_once
from tests.oracle.placement_instances import random_host, random_instance, random_request
from tests.oracle.placement_oracle import RawDevice, RawHost, RawRequest, device_fits
from tests.oracle.places_instances import placed_instance
from tests.properties.placement_world import a_fleet, a_request, text_of
from trunkline.placement.asks.edits import Edit, EditKind
from trunkline.placement.asks.request import HostRefusal
from trunkline.placement.reasons.explanation import explain

CHOICES_MAX = 6  # Of one change; more are drawn from.
EDITS_MAX = 5  # Others make trying slow.


def busy_instance(dice: Random, *, whole_pfs: bool) -> tuple[RawRequest, list[RawHost]]:
    """A host on which most devices have owners.

    Args:
        dice: To draw with.
        whole_pfs: PFs have owners, too, now and then beside VFs of theirs.
    """
    request, host = random_request(dice), random_host(dice, 0)
    host |= {"enabled": True, "up": True}
    busy = dice.choice((0.5, 0.8, 1.0))
    given_away = {d["id"] for d in host["devices"] if d["kind"] == "pf" and dice.random() < 0.3}
    for device in host["devices"]:
        is_shut = device["pf"] in given_away and dice.random() < 0.6
        is_part = device["kind"] == "pf" and device["id"] not in given_away
        device["free"] = is_part or is_shut or dice.random() > busy
        if not whole_pfs and device["kind"] == "pf":
            device["free"] = True
    return request, [host]


def freeing(refusal: HostRefusal) -> list[Edit]:
    return [edit for edit in refusal.edits if edit.kind is EditKind.FREE_DEVICE]


def others(refusal: HostRefusal) -> list[str]:
    """The kinds of the other edits, each as often as it is told."""
    return [
        edit.kind.value
        for edit in refusal.edits
        if edit.kind is not EditKind.FREE_DEVICE
        for _ in range(edit.count)
    ]


def told(request: RawRequest, hosts: list[RawHost]) -> Iterator[tuple[RawHost, HostRefusal]]:
    """Hosts where devices would have to be freed, with what is told of them."""
    raw = {host["id"]: host for host in hosts}
    for refusal in explain(a_request(request), a_fleet(hosts)).nearest:
        is_met = all(edit.kind is not EditKind.CHANGE_DEMAND for edit in refusal.edits)
        if freeing(refusal) and is_met and len(others(refusal)) <= EDITS_MAX:
            yield raw[refusal.host_id], refusal


def choices(refusal: HostRefusal, dice: Random) -> list[set[str]]:
    """Some of the ways to choose as many devices as each edit says, none twice."""
    named = [[str(text_of(device)) for device in edit.devices] for edit in freeing(refusal)]
    ways = [
        list(combinations(devices, edit.count))
        for devices, edit in zip(named, freeing(refusal), strict=True)
    ]
    chosen = [{device for one in way for device in one} for way in product(*ways)]
    needed = sum(edit.count for edit in freeing(refusal))
    found = [devices for devices in chosen if len(devices) == needed]
    unchosen = {device for devices in named for device in devices}.difference(*found)
    assert not unchosen, ("a device is named that is in no choice", unchosen, refusal)
    return dice.sample(found, min(CHOICES_MAX, len(found)))


def check(request: RawRequest, host: RawHost, refusal: HostRefusal, dice: Random) -> None:
    owned = {device["id"] for device in host["devices"] if not device["free"]}
    found = choices(refusal, dice)
    assert found, ("no devices are named that would do", refusal)
    for freed in found:
        assert freed <= owned, (freed, owned)
        assert fits_once(request, host, freed=sorted(freed), others=others(refusal)), (
            freed, refusal, request, host,
        )  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_any_choice_of_the_devices_named_makes_it_fit(seed: int) -> None:
    dice = Random(seed)
    edits = [0, 0, 0]
    for number in range(200):
        is_busy = number % 2
        request, hosts = busy_instance(dice, whole_pfs=True) if is_busy else random_instance(dice)
        for host, refusal in told(request, hosts):
            check(request, host, refusal, dice)
            edits[min(2, len(freeing(refusal)) - 1)] += 1
    assert edits[0] >= 40, "too little was drawn to mean anything"
    assert edits[1] >= 10, "too little was drawn to mean anything"


@pytest.mark.parametrize("seed", range(4))
def test_any_choice_of_the_devices_named_makes_it_fit_under_rules(seed: int) -> None:
    dice = Random(seed)
    count = 0
    for _ in range(120):
        request, hosts = placed_instance(dice)
        for host, refusal in told(request, hosts):
            check(request, host, refusal, dice)
            count += 1
    assert count >= 20, "too little was drawn to mean anything"


@pytest.mark.parametrize("seed", range(4))
def test_where_no_pf_is_whole_all_devices_that_would_do_are_named(seed: int) -> None:
    """One is to be freed: those named are all that fit the NIC and of which any makes it fit."""
    dice = Random(seed)
    sizes: set[int] = set()
    for _ in range(200):
        request, hosts = busy_instance(dice, whole_pfs=False)
        if any(nic["kind"] == "pf" for nic in request["nics"]):
            continue
        for host, refusal in told(request, hosts):
            [edit, *more] = freeing(refusal)
            if more or edit.count > 1:
                continue
            named = {text_of(device) for device in edit.devices}
            assert named == {
                device["id"]
                for device in host["devices"]
                if not device["free"]
                and is_for(request, device, edit)
                and fits_once(request, host, freed=[device["id"]], others=others(refusal))
            }, (refusal, request, host)
            sizes.add(len(named))
    assert sizes >= {1, 2, 3}, "too little was drawn to mean anything"


def is_for(request: RawRequest, device: RawDevice, edit: Edit) -> bool:
    """Whether a device fits a NIC that an edit is for."""
    found = re.search(r"\(for (.*)\)$", edit.words)
    assert found is not None
    names = re.split(", | and ", found[1])
    return any(nic["name"] in names and device_fits(nic, device) for nic in request["nics"])

"""A PF out of service is as good as not there, with its VFs; and back in service, as it was."""

from __future__ import annotations

from random import Random

import pytest

from tests.oracle.placement_instances import random_instance
from tests.oracle.placement_oracle import RawDevice, RawHost, fitting_hosts
from tests.properties.placement_world import a_fleet, a_request, ref_of
from trunkline.domain.ids import DeviceId, HostId
from trunkline.placement.asks.edits import size_of_edits
from trunkline.placement.asks.request import PlacementRequest, Reason
from trunkline.placement.index.fleet import Fleet
from trunkline.placement.place import candidates
from trunkline.placement.planning.capacity import Unlimited, capacity, rows_of
from trunkline.placement.reasons.explanation import explain


def kin_of(device: RawDevice) -> DeviceId:
    return ref_of(device).kin_id


def pull(dice: Random, fleet: Fleet, hosts: list[RawHost]) -> list[RawHost]:
    """Take some PFs out of service; return the hosts as if these were not built in."""
    without: list[RawHost] = []
    for host in hosts:
        kin = sorted({kin_of(device) for device in host["devices"]})
        out = [each for each in kin if dice.random() < 0.4]
        for kin_id in out:
            fleet.set_service(HostId(host["id"]), kin_id, f"{kin_id} has no link")
        left = [device for device in host["devices"] if kin_of(device) not in out]
        without.append({**host, "devices": left})
    return without


def sizes(request: PlacementRequest, fleet: Fleet) -> dict[str, object]:
    told = explain(request, fleet, nearest=99).nearest
    return {str(one.host_id): size_of_edits(one.edits) for one in told}


def counts(request: PlacementRequest, fleet: Fleet) -> list[tuple[str, int, int]] | None:
    try:
        found = capacity(request, rows_of(fleet.hosts()))
    except Unlimited:
        return None
    return [(host.name, host.least, host.most) for host in found.hosts]


@pytest.mark.parametrize("seed", range(4))
def test_a_pf_out_of_service_is_as_good_as_not_there(seed: int) -> None:
    dice = Random(seed)
    refused = 0
    for _ in range(150):
        raw, hosts = random_instance(dice)
        request, fleet = a_request(raw), a_fleet(hosts)
        before = list(candidates(request, fleet)), counts(request, fleet), explain(request, fleet)
        left = pull(dice, fleet, hosts)
        bare = a_fleet(left)

        found = {placed.host_id for placed in candidates(request, fleet)}
        assert found == {HostId(host_id) for host_id in fitting_hosts(raw, left)}
        assert sizes(request, fleet) == sizes(request, bare)
        assert counts(request, fleet) == counts(request, bare)
        refused += len(before[0]) - len(found)

        for host in hosts:
            for kin_id in {kin_of(device) for device in host["devices"]}:
                fleet.set_service(HostId(host["id"]), kin_id, "")
        after = list(candidates(request, fleet)), counts(request, fleet), explain(request, fleet)
        assert after == before
    assert refused > 10, "too little was drawn to mean anything"


@pytest.mark.parametrize("seed", range(2))
def test_who_is_refused_for_a_pf_out_of_service_is_told_its_name(seed: int) -> None:
    dice = Random(seed)
    told = 0
    for _ in range(150):
        raw, hosts = random_instance(dice)
        request, fleet = a_request(raw), a_fleet(hosts)
        pull(dice, fleet, hosts)
        for refusal in explain(request, fleet, nearest=99).nearest:
            for nic in refusal.nics:
                if nic.reason is Reason.OUT_OF_SERVICE:
                    assert "has no link" in nic.detail
                    assert nic.free == 0 < nic.fitting
                    told += 1
    assert told > 20


def test_a_choice_made_before_a_pf_went_out_of_service_is_taken_back_whole() -> None:
    dice = Random(3)
    undone = 0
    for _ in range(100):
        raw, hosts = random_instance(dice)
        request, fleet = a_request(raw), a_fleet(hosts)
        placed = next(candidates(request, fleet), None)
        if placed is None:
            continue
        fresh = {host_id: fleet.view(host_id) for host_id in fleet.host_ids()}
        hold = fleet.hold(placed, request)
        kin = {choice.device.kin_id for choice in placed.choices if choice.device}
        for kin_id in kin:
            fleet.set_service(placed.host_id, kin_id, "eth2 has no link")
        fleet.undo(hold)
        for kin_id in kin:
            fleet.set_service(placed.host_id, kin_id, "")
        assert {host_id: fleet.view(host_id) for host_id in fleet.host_ids()} == fresh
        undone += bool(kin)
    assert undone > 10

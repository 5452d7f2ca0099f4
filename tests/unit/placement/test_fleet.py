"""The index: what holds take, and what undoing them gives back."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.unit.placement.builders import (
    a_fleet,
    a_host,
    a_nic,
    a_pf,
    a_request,
    a_whole_pf,
    device_ids,
    placed,
    ref_of,
    refused,
    vfs,
)
from trunkline.domain.bandwidth import Bandwidth, Guarantee
from trunkline.domain.device import DeviceKind
from trunkline.domain.ids import DeviceId, HostId
from trunkline.placement.asks.request import PlacementRequest
from trunkline.placement.index.fleet import Hold, NotFree

HOST = a_host("h1", a_pf("a"), vfs("a", 2), vcpus=4)
ONE_VF = a_request(a_nic("n", "phy1"), vcpus=1, memory_mib=100, disk_gib=10)


def test_a_hold_takes_devices_and_room_and_raises_the_generation() -> None:
    fleet = a_fleet(HOST)
    hold = fleet.hold(placed(ONE_VF, fleet), ONE_VF)
    assert hold.devices == (ref_of("a.0"),)
    view = fleet.view(HOST.id)
    assert [(pool.kind, pool.taken) for pool in view.pools if pool.taken] == [(DeviceKind.VF, 0b1)]
    assert view.free_vcpus == HOST.free_vcpus - 1
    assert view.free_memory_mib == HOST.free_memory_mib - 100
    assert view.free_disk_gib == HOST.free_disk_gib - 10
    assert view.generation == HOST.generation + 1


def test_an_undone_hold_leaves_no_trace_also_when_others_came_between() -> None:
    fleet, other = a_fleet(HOST), a_fleet(HOST)
    first = fleet.hold(placed(ONE_VF, fleet), ONE_VF)
    fleet.hold(placed(ONE_VF, fleet), ONE_VF)
    fleet.undo(first)
    other.take_device(HOST.id, ref_of("a.0"))
    other.hold(placed(ONE_VF, other), ONE_VF)
    other.free_device(HOST.id, ref_of("a.0"))
    assert fleet.view(HOST.id) == other.view(HOST.id)
    assert device_ids(placed(ONE_VF, fleet)) == ["a.0"]


def test_a_held_vf_keeps_its_pf_from_being_given_away_and_the_reverse() -> None:
    whole = a_request(a_whole_pf("w"))
    fleet = a_fleet(HOST)
    hold = fleet.hold(placed(ONE_VF, fleet), ONE_VF)
    refused(whole, fleet)
    fleet.undo(hold)
    fleet.hold(placed(whole, fleet), whole)
    refused(ONE_VF, fleet)


@pytest.mark.parametrize("then", ["device", "kin", "host"])
def test_what_is_no_longer_free_is_not_held_and_nothing_else_is_either(then: str) -> None:
    request = a_request(a_nic("x", "phy1"), a_nic("y", "phy1"))
    fleet = a_fleet(HOST)
    choice = placed(request, fleet)
    if then == "device":
        fleet.take_device(HOST.id, ref_of("a.1"))
    elif then == "kin":
        fleet.take_device(HOST.id, ref_of("a"))
    else:
        fleet.remove_host(HOST.id)
    before = [fleet.view(host_id) for host_id in fleet.host_ids()]
    with pytest.raises(NotFree):
        fleet.hold(choice, request)
    assert [fleet.view(host_id) for host_id in fleet.host_ids()] == before


def test_undoing_does_not_free_a_device_that_the_store_has_given_to_another() -> None:
    fleet = a_fleet(HOST)
    hold = fleet.hold(placed(ONE_VF, fleet), ONE_VF)
    fleet.take_device(HOST.id, ref_of("a.0"))
    fleet.undo(hold)
    assert device_ids(placed(ONE_VF, fleet)) == ["a.1"]


def test_undoing_does_not_lower_a_generation_that_the_store_has_set() -> None:
    fleet = a_fleet(HOST)
    hold = fleet.hold(placed(ONE_VF, fleet), ONE_VF)
    fleet.set_generation(HOST.id, 9)
    fleet.undo(hold)
    assert placed(ONE_VF, fleet).seen_generation == 9


def test_a_host_put_anew_owes_nothing_to_older_holds() -> None:
    fleet = a_fleet(HOST)
    hold = fleet.hold(placed(ONE_VF, fleet), ONE_VF)
    fleet.put_host(HOST)
    fleet.undo(hold)
    assert fleet.view(HOST.id) == HOST


def test_a_committed_hold_is_freed_by_the_store_like_any_owner() -> None:
    fleet = a_fleet(HOST)
    fleet.hold(placed(ONE_VF, fleet), ONE_VF)
    fleet.take_device(HOST.id, ref_of("a.0"))
    fleet.free_device(HOST.id, ref_of("a.0"))
    assert device_ids(placed(ONE_VF, fleet)) == ["a.0"]


def test_a_host_out_of_service_is_not_chosen_until_it_is_back() -> None:
    fleet = a_fleet(HOST)
    placed(ONE_VF, fleet)
    for enabled, up in ((False, True), (True, False)):
        fleet.set_status(HOST.id, enabled=enabled, up=up)
        refused(ONE_VF, fleet)
    fleet.set_status(HOST.id, enabled=True, up=True)
    placed(ONE_VF, fleet)


def test_memory_given_back_is_seen_by_the_next_ranking() -> None:
    fleet = a_fleet(a_host("h1", memory_mib=4096), a_host("h2", memory_mib=2048))
    assert placed(a_request(), fleet).host_id == "id-h1"
    fleet.adjust(HostId("id-h2"), memory_mib=4096)
    assert placed(a_request(), fleet).host_id == "id-h2"


def test_room_given_back_is_seen_by_the_next_decision() -> None:
    fleet = a_fleet(HOST)
    big = a_request(vcpus=5)
    refused(big, fleet)
    fleet.adjust(HOST.id, vcpus=1)
    placed(big, fleet)


PF_A, PF_B = DeviceId("a"), DeviceId("b")
ACCOUNTED = a_host(
    "h1", a_pf("a"), vfs("a", 4), a_pf("b"), vfs("b", 4),
    bandwidth={"a": Bandwidth(egress_mbps=1000), "b": Bandwidth(egress_mbps=600, ingress_mbps=600)},
)  # fmt: skip


def guaranteed(egress: int, ingress: int = 0, *, count: int = 1) -> PlacementRequest:
    nics = (a_nic(f"n{n}", "phy1", egress_mbps=egress, ingress_mbps=ingress) for n in range(count))
    return a_request(*nics, vcpus=0, memory_mib=0, disk_gib=0)


def test_a_guarantee_is_taken_from_its_pf_until_none_is_left_and_undone_with_the_hold() -> None:
    fleet, wanted = a_fleet(ACCOUNTED), guaranteed(400)
    holds = [fleet.hold(placed(wanted, fleet), wanted) for _ in range(3)]
    assert fleet.view(ACCOUNTED.id).bandwidth_left == {
        PF_A: Bandwidth(egress_mbps=200),
        PF_B: Bandwidth(egress_mbps=200, ingress_mbps=600),
    }
    refused(wanted, fleet)
    placed(guaranteed(200), fleet)
    for hold in holds:
        fleet.undo(hold)
    assert fleet.view(ACCOUNTED.id).bandwidth_left == ACCOUNTED.bandwidth_left


def test_a_direction_that_a_pf_does_not_account_is_not_guaranteed_by_it() -> None:
    fleet = a_fleet(ACCOUNTED)
    assert device_ids(placed(guaranteed(100, 500), fleet)) == ["b.0"]
    refused(guaranteed(100, 400, count=2), fleet)
    refused(guaranteed(1), a_fleet(HOST))


def test_all_guarantees_of_a_request_come_from_what_is_left_together() -> None:
    fleet = a_fleet(ACCOUNTED)
    request = guaranteed(500, count=3)
    picked = {text.partition(".")[0] for text in device_ids(placed(request, fleet)) if text}
    assert picked == {"a", "b"}
    refused(guaranteed(500, count=4), fleet)


def test_a_pf_taken_whole_owes_its_guarantee_like_any() -> None:
    fleet = a_fleet(ACCOUNTED)
    whole = a_request(a_nic("w", "phy1", kind=DeviceKind.PF, ingress_mbps=600))
    assert device_ids(placed(whole, fleet)) == ["b"]
    fleet.hold(placed(whole, fleet), whole)
    assert fleet.view(ACCOUNTED.id).bandwidth_left[PF_B].ingress_mbps == 0


def test_a_pf_that_owes_more_than_it_has_takes_nothing_from_the_others() -> None:
    fleet = a_fleet(ACCOUNTED)
    fleet.owe(ACCOUNTED.id, PF_A, Guarantee(egress_mbps=1700))
    assert fleet.view(ACCOUNTED.id).bandwidth_left[PF_A].egress_mbps == -700
    assert device_ids(placed(guaranteed(600), fleet)) == ["b.0"]


def test_what_is_no_longer_left_to_guarantee_is_not_held() -> None:
    fleet, wanted = a_fleet(ACCOUNTED), guaranteed(0, 600)
    choice = placed(wanted, fleet)
    fleet.owe(ACCOUNTED.id, PF_B, Guarantee(ingress_mbps=1))
    before = fleet.view(ACCOUNTED.id)
    with pytest.raises(NotFree):
        fleet.hold(choice, wanted)
    assert fleet.view(ACCOUNTED.id) == before


def test_a_hold_is_founded_once_all_before_it_are_in_the_store() -> None:
    """Else a generation that it counts with may be reached by another change."""
    fleet = a_fleet(a_host("h1", vfs("pf", 4)))
    request = a_request(a_nic("a", "phy1"))
    holds = [fleet.hold(placed(request, fleet), request) for _ in range(3)]
    assert founded(holds) == [True, False, False]
    fleet.confirm(holds[1])
    assert founded(holds[2:]) == [False]
    fleet.confirm(holds[0])
    assert founded(holds[2:]) == [True]
    fourth = fleet.hold(placed(request, fleet), request)
    fleet.undo(holds[2])
    assert founded([fourth]) == [False]


def founded(holds: Iterable[Hold]) -> list[bool]:
    return [hold.is_founded for hold in holds]

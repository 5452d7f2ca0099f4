"""What a fleet keeps between decisions never changes an answer."""

from __future__ import annotations

import pytest

from tests.unit.placement.builders import (
    a_fleet,
    a_host,
    a_nic,
    a_request,
    placed,
    ref_of,
    refused,
    vfs,
)
from trunkline.placement.asks.demand import NicClass, make_demand
from trunkline.placement.asks.request import PlacementRequest
from trunkline.placement.index import columns
from trunkline.placement.place import find_placement

ONE_VF = a_request(a_nic("n", "phy1"))


def test_changes_further_back_than_is_remembered_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "LOG_MAX", 4)
    small, busy = a_host("small", vfs("a", 1, owned=1)), a_host("busy", vfs("b", 1, "phy2"))
    fleet = a_fleet(small, busy)
    refused(ONE_VF, fleet)
    fleet.free_device(small.id, ref_of("a.0"))
    for _ in range(5):
        fleet.take_device(busy.id, ref_of("b.0"))
        fleet.free_device(busy.id, ref_of("b.0"))
    assert placed(ONE_VF, fleet).host_id == small.id


def test_changes_further_back_than_is_remembered_are_seen_by_the_ranking(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(columns, "LOG_MAX", 4)
    fleet = a_fleet(a_host("h1", vfs("a", 8)), a_host("h2", vfs("b", 7)))
    assert placed(ONE_VF, fleet).host_id == "id-h1"
    for index in range(7):
        fleet.take_device(a_host("h1").id, ref_of(f"a.{index}"))
    assert placed(ONE_VF, fleet).host_id == "id-h2"


def test_bridges_of_a_host_put_anew_are_seen_by_the_next_decision() -> None:
    normal = a_request(a_nic("n", "phy1", kind=None))
    without, having = a_host("h1", bridges=("phy2",)), a_host("h1", bridges=("phy1",))
    fleet = a_fleet(without)
    refused(normal, fleet)
    fleet.put_host(having)
    placed(normal, fleet)
    fleet.put_host(without)
    refused(normal, fleet)


@pytest.mark.parametrize("room", [(-1, 0, 0), (0, -1, 0), (0, 0, -1)])
def test_a_host_that_owes_room_takes_no_server_that_asks_for_none(
    room: tuple[int, int, int],
) -> None:
    nothing = a_request(vcpus=0, memory_mib=0, disk_gib=0)
    assert find_placement(nothing, a_fleet(a_host("h1", vcpus=0, memory_mib=0, disk_gib=0)))
    vcpus, memory, disk = room
    owing = a_host("h1", vcpus=vcpus, memory_mib=memory, disk_gib=disk)
    assert find_placement(nothing, a_fleet(owing)) is None


def only_class(request: PlacementRequest) -> NicClass:
    ((one, _),) = make_demand(request).device_classes
    return one


def test_of_more_classes_than_are_kept_the_one_longest_unasked_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(columns, "CLASSES_KEPT_MAX", 2)
    requests = [a_request(a_nic("n", f"phy{n}")) for n in range(3)]
    first, second, third = map(only_class, requests)
    kept = a_fleet(a_host("h1", vfs("a", 1))).columns()
    of_first, of_second = kept.of_class(first), kept.of_class(second)
    assert kept.of_class(first) is of_first
    of_third = kept.of_class(third)
    assert kept.of_class(first) is of_first
    assert kept.of_class(third) is of_third
    assert kept.of_class(second) is not of_second


def test_a_class_that_was_forgotten_is_decided_from_what_is_true_when_it_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(columns, "CLASSES_KEPT_MAX", 1)
    host = a_host("h1", vfs("a", 1), vfs("b", 1, "phy2", owned=1))
    both = a_request(a_nic("x", "phy1"), a_nic("y", "phy2"))
    fleet = a_fleet(host)
    placed(ONE_VF, fleet)
    refused(both, fleet)
    fleet.free_device(host.id, ref_of("b.0"))
    placed(both, fleet)
    fleet.take_device(host.id, ref_of("a.0"))
    refused(ONE_VF, fleet)
    refused(both, fleet)

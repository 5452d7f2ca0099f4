"""What a fleet keeps between decisions never changes an answer."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from tests.unit.placement.builders import (
    a_fleet,
    a_host,
    a_nic,
    a_pf,
    a_request,
    placed,
    ref_of,
    refused,
    vfs,
)
from trunkline.domain.pci_flavor import Condition, How
from trunkline.placement.asks.demand import NicClass, make_demand
from trunkline.placement.asks.request import NicDemand, PlacementRequest, Reason
from trunkline.placement.hosts.feasibility import wasted_tags
from trunkline.placement.index import columns
from trunkline.placement.place import find_placement

ONE_VF = a_request(a_nic("n", "phy1"))


@pytest.mark.parametrize(
    "nic",
    [
        a_nic("n", "phy1"),
        a_nic("n", "phy1", zone="a1"),
        a_nic("n", "phy1", trusted="false"),
        a_nic("n", "phy1", "phy2", zone="a1"),
        replace(a_nic("n", "phy1"), match=((Condition("e.zone", How.GLOB, ("a*",)),),)),
    ],
)
def test_a_class_costs_what_a_look_at_each_device_says(nic: NicDemand) -> None:
    tags: list[dict[str, str]] = [{}, {"zone": "a1"}, {"trusted": "true"}, {"trusted": "false"}]
    pairs = product(("phy1", "phy2", "phy3"), [{**one, **two} for one in tags for two in tags])
    hosts = [
        a_host(f"h{n}", a_pf("a", net, free=True, **extra), vfs("a", 4, net, owned=0, **extra))
        for n, (net, extra) in enumerate(pairs)
    ]
    fleet, one = a_fleet(*hosts), only_class(a_request(nic))
    told = fleet.columns().of_class(one)
    for host in fleet.hosts():
        profiles = [slot.profile for slot in host.structure.slots]
        costs = tuple(wasted_tags(one, profile) for profile in profiles)
        assert told.costs_on(host.structure) == costs


def test_a_class_is_told_of_devices_that_a_host_did_not_have_when_it_was_asked_first() -> None:
    having, without = a_host("h1", vfs("a", 1)), a_host("h1", vfs("a", 1, "phy2"))
    fleet = a_fleet(without)
    refused(ONE_VF, fleet)
    fleet.put_host(having)
    assert placed(ONE_VF, fleet).host_id == having.id
    fleet.put_host(without)
    refused(ONE_VF, fleet)


def test_bridges_of_a_host_put_anew_are_seen_by_the_next_decision() -> None:
    normal = a_request(a_nic("n", "phy1", kind=None))
    without, having = a_host("h1", bridges=("phy2",)), a_host("h1", bridges=("phy1",))
    fleet = a_fleet(without)
    refused(normal, fleet)
    fleet.put_host(having)
    placed(normal, fleet)
    fleet.put_host(without)
    refused(normal, fleet)


def test_a_host_that_was_disabled_takes_nothing_but_what_says_so_and_no_more_than_others_do() -> (
    None
):
    fleet = a_fleet(a_host("h1", vfs("a", 2)), a_host("h2", vfs("a", 2)))
    (h1, _) = sorted(fleet.hosts(), key=lambda host: host.name)
    there = replace(ONE_VF, only_host=h1.name, even_disabled=True)
    fleet.set_status(h1.id, enabled=False, up=True)
    assert placed(there, fleet).host_id == h1.id
    told = refused(replace(there, even_disabled=False), fleet).explanation.asked_for
    assert told is not None
    assert (told.reasons, told.change) == ((Reason.DISABLED,), "enable h1")
    for problem, why in (("", Reason.DOWN), ("no IOMMU", Reason.STUCK)):
        fleet.set_status(h1.id, enabled=False, up=False, problem=problem)
        told = refused(there, fleet).explanation.asked_for
        assert told is not None
        assert told.reasons == (why,)


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

"""Where a guest with NUMA policies can be, and what it takes from a node."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.placement.builders import (
    a_fleet,
    a_host,
    a_nic,
    a_node,
    a_request,
    device_ids,
    placed,
    refused,
    vfs,
)
from trunkline.domain.device_pool import PoolMember
from trunkline.domain.nic_rules import NumaPolicy
from trunkline.placement.asks.request import NicDemand, PlacementRequest
from trunkline.placement.hosts.views import HostView, NumaRoom
from trunkline.placement.index.fleet import Fleet


def on_node(devices: list[PoolMember], node: int) -> list[PoolMember]:
    return [
        replace(each, attributes={**each.attributes, "numa_node": str(node)}) for each in devices
    ]


def a_nic_under(policy: NumaPolicy, name: str = "x") -> NicDemand:
    return replace(a_nic(name, "phy1"), numa=policy)


def asking(policy: NumaPolicy, *, vcpus: int = 1, memory_mib: int = 1024) -> PlacementRequest:
    return a_request(a_nic_under(policy), vcpus=vcpus, memory_mib=memory_mib)


def of_two_nodes(*nodes: NumaRoom, at: int = 1) -> HostView:
    """A host whose only PF is on one of its nodes."""
    return a_host("h1", on_node(vfs("a", 8), at), numa=nodes or (a_node(0), a_node(1)))


def rooms(fleet: Fleet, host: HostView) -> dict[int, tuple[int, int]]:
    return {
        room.number: (room.free_vcpus, room.free_memory_mib) for room in fleet.view(host.id).numa
    }


def test_a_required_node_puts_all_such_nics_on_one_node() -> None:
    asked = a_request(a_nic_under(NumaPolicy.REQUIRED), a_nic_under(NumaPolicy.REQUIRED, "y"))
    host = a_host("h1", on_node(vfs("a", 1), 0), on_node(vfs("b", 2), 1))
    assert device_ids(placed(asked, a_fleet(host))) == ["b.0", "b.1"]
    apart = a_host("h1", on_node(vfs("a", 1), 0), on_node(vfs("b", 1), 1))
    refused(asked, a_fleet(apart))


@pytest.mark.parametrize("policy", [NumaPolicy.REQUIRED, NumaPolicy.LEGACY, NumaPolicy.SOCKET])
def test_a_confined_guest_goes_where_its_device_is_and_counts_there_alone(
    policy: NumaPolicy,
) -> None:
    host = of_two_nodes()
    fleet, asked = a_fleet(host), asking(policy, vcpus=3, memory_mib=4096)
    answer = placed(asked, fleet)
    assert answer.numa_node == 1
    hold = fleet.hold(answer, asked)
    assert rooms(fleet, host) == {0: (8, 32768), 1: (5, 28672)}
    assert (fleet.view(host.id).free_vcpus, fleet.view(host.id).free_memory_mib) == (13, 61440)
    fleet.undo(hold)
    assert rooms(fleet, host) == {0: (8, 32768), 1: (8, 32768)}


def test_a_guest_that_prefers_a_node_or_asks_for_none_counts_against_none() -> None:
    host = of_two_nodes(a_node(0, vcpus=0), a_node(1, vcpus=0))
    for asked in (asking(NumaPolicy.PREFERRED, vcpus=2), a_request(a_nic("x", "phy1"), vcpus=2)):
        fleet = a_fleet(host)
        answer = placed(asked, fleet)
        assert answer.numa_node is None
        fleet.hold(answer, asked)
        assert rooms(fleet, host) == {0: (0, 32768), 1: (0, 32768)}
        assert fleet.view(host.id).free_vcpus == host.free_vcpus - 2


@pytest.mark.parametrize(
    "lacking", [a_node(1, vcpus=3), a_node(1, memory_mib=4095), a_node(1, vcpus=-1)]
)
def test_a_node_without_room_takes_no_confined_guest_though_the_host_has_room(
    lacking: NumaRoom,
) -> None:
    asked = asking(NumaPolicy.REQUIRED, vcpus=4, memory_mib=4096)
    refused(asked, a_fleet(of_two_nodes(a_node(0), lacking)))
    placed(asked, a_fleet(of_two_nodes(a_node(0), a_node(1, vcpus=4, memory_mib=4096))))


def test_a_node_is_filled_to_its_last_vcpu_and_no_further() -> None:
    fleet = a_fleet(of_two_nodes(a_node(0), a_node(1, vcpus=5)))
    asked = asking(NumaPolicy.REQUIRED, vcpus=2)
    for _ in range(2):
        fleet.hold(placed(asked, fleet), asked)
    refused(asked, fleet)
    placed(asking(NumaPolicy.REQUIRED, vcpus=1), fleet)


def test_another_node_of_the_socket_will_do_for_socket_and_for_nothing_else() -> None:
    full, free = a_node(1, vcpus=0, socket=0), a_node(0, socket=0)
    answer = placed(asking(NumaPolicy.SOCKET), a_fleet(of_two_nodes(free, full)))
    assert answer.numa_node == 0
    for policy in (NumaPolicy.REQUIRED, NumaPolicy.LEGACY):
        refused(asking(policy), a_fleet(of_two_nodes(free, full)))
    elsewhere = replace(free, socket=1)
    refused(asking(NumaPolicy.SOCKET), a_fleet(of_two_nodes(elsewhere, full)))


def test_nodes_whose_socket_is_not_known_are_not_of_one_socket() -> None:
    host = of_two_nodes(a_node(0), a_node(1, vcpus=0))
    refused(asking(NumaPolicy.SOCKET), a_fleet(host))


def test_legacy_takes_a_device_whose_node_is_not_known_and_still_confines() -> None:
    host = a_host("h1", vfs("a", 1), numa=(a_node(0, vcpus=0), a_node(1)))
    assert placed(asking(NumaPolicy.LEGACY), a_fleet(host)).numa_node == 1
    refused(asking(NumaPolicy.REQUIRED), a_fleet(host))


def test_of_nodes_that_will_do_the_one_with_most_memory_free_is_taken() -> None:
    host = a_host("h1", vfs("a", 1), numa=(a_node(0), a_node(1, memory_mib=40000), a_node(2)))
    assert placed(asking(NumaPolicy.LEGACY), a_fleet(host)).numa_node == 1


def test_where_a_host_reports_no_nodes_devices_are_together_and_the_guest_is_not_confined() -> None:
    host = a_host("h1", on_node(vfs("a", 1), 0))
    assert placed(asking(NumaPolicy.REQUIRED), a_fleet(host)).numa_node is None
    refused(asking(NumaPolicy.REQUIRED), a_fleet(a_host("h1", vfs("a", 1))))


def test_a_device_on_a_node_that_the_host_does_not_report_is_on_no_guests_node() -> None:
    refused(asking(NumaPolicy.REQUIRED), a_fleet(of_two_nodes(a_node(0), at=7)))


def test_policies_of_nics_on_bridges_confine_nobody() -> None:
    nic = replace(a_nic("x", "phy1", kind=None), numa=NumaPolicy.REQUIRED)
    host = a_host("h1", bridges=("phy1",), numa=(a_node(0, vcpus=0),))
    assert placed(a_request(nic), a_fleet(host)).numa_node is None

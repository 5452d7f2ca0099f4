"""How many more servers of a shape fit on a host, and what limits them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.placement.builders import (
    a_fleet,
    a_host,
    a_nic,
    a_node,
    a_pf,
    a_request,
    a_whole_pf,
    vfs,
)
from trunkline.domain.device import DeviceKind
from trunkline.domain.device_pool import PoolMember
from trunkline.domain.nic_rules import NumaPolicy, Scope
from trunkline.placement.asks.request import GroupRule, NicDemand, PlacementRequest, Reason
from trunkline.placement.index.fleet import HostView
from trunkline.placement.planning.capacity import HostCapacity, capacity, rows_of


def on(request: PlacementRequest, host: HostView) -> HostCapacity:
    """The capacity of a fleet of one host."""
    found = capacity(request, rows_of(a_fleet(host).hosts()))
    [counted] = found.hosts
    assert (found.least, found.most) == (counted.least, counted.most)
    assert found.limits == {counted.limit: 1}
    return counted


def exactly(request: PlacementRequest, host: HostView) -> tuple[int, Reason]:
    counted = on(request, host)
    assert counted.least == counted.most
    return counted.most, counted.limit


def two(*, scope: Scope, apart: bool) -> PlacementRequest:
    """Two NICs on phy1 under a hard rule."""
    rule = GroupRule(scope=scope, apart=apart, hard=True, nics=frozenset({"x", "y"}))
    return replace(a_request(a_nic("x", "phy1"), a_nic("y", "phy1")), rules=(rule,))


def at_node(devices: list[PoolMember], node: int) -> list[PoolMember]:
    return [
        replace(each, attributes={**each.attributes, "numa_node": str(node)}) for each in devices
    ]


def confined(name: str) -> NicDemand:
    return replace(a_nic(name, "phy1"), numa=NumaPolicy.REQUIRED)


def test_devices_are_divided_among_servers() -> None:
    host = a_host("h1", vfs("a", 7, owned=2))
    assert exactly(a_request(a_nic("x", "phy1")), host) == (5, Reason.NO_FREE_DEVICE)
    both = a_request(a_nic("x", "phy1"), a_nic("y", "phy1"))
    assert exactly(both, host) == (2, Reason.NO_FREE_DEVICE)


def test_what_runs_out_first_is_named() -> None:
    request = a_request(a_nic("x", "phy1"), vcpus=4, memory_mib=1024, disk_gib=10)
    roomy = a_host("h1", vfs("a", 64), vcpus=40, memory_mib=65536, disk_gib=500)
    assert exactly(request, roomy) == (10, Reason.NO_VCPUS)
    assert exactly(request, replace(roomy, free_memory_mib=9000)) == (8, Reason.NO_MEMORY)
    assert exactly(request, replace(roomy, free_disk_gib=70)) == (7, Reason.NO_DISK)
    assert exactly(request, replace(roomy, free_disk_gib=-1)) == (0, Reason.NO_DISK)
    assert exactly(request, a_host("h1", vfs("a", 6), vcpus=40)) == (6, Reason.NO_FREE_DEVICE)


@pytest.mark.parametrize(
    ("host", "limit"),
    [
        (a_host("h1", vfs("a", 2), enabled=False), Reason.DISABLED),
        (a_host("h1", vfs("a", 2), up=False), Reason.DOWN),
        (a_host("h1", vfs("a", 2, "phy2")), Reason.NO_MATCHING_DEVICE),
        (a_host("h1", vfs("a", 2, owned=2)), Reason.NO_FREE_DEVICE),
        (a_host("h1", vfs("a", 1)), Reason.TOO_FEW_TOGETHER),
    ],
)
def test_a_host_that_takes_none_says_why(host: HostView, limit: Reason) -> None:
    assert exactly(a_request(a_nic("x", "phy1"), a_nic("y", "phy1")), host) == (0, limit)


def test_a_normal_nic_needs_a_bridge_and_takes_nothing() -> None:
    bridged = a_request(a_nic("x", "phy1", kind=None), vcpus=4)
    assert exactly(bridged, a_host("h1", vcpus=9, bridges=("phy1",))) == (2, Reason.NO_VCPUS)
    assert exactly(bridged, a_host("h1", vcpus=9)) == (0, Reason.NO_BRIDGE)


def test_an_excluded_host_counts_nothing_and_one_that_is_not_asked_for_is_not_counted() -> None:
    request, host = a_request(a_nic("x", "phy1")), a_host("h1", vfs("a", 2))
    excluded = replace(request, excluded_hosts=frozenset({host.id}))
    assert exactly(excluded, host) == (0, Reason.EXCLUDED)
    named = replace(request, only_host=a_host("h2").name)
    assert capacity(named, rows_of(a_fleet(host).hosts())).hosts == ()


def test_a_pf_is_given_whole_or_in_parts_whichever_makes_more_servers() -> None:
    """Each server takes a PF whole and a VF; of three PFs with two VFs, two servers can be made."""
    request = a_request(a_whole_pf("x"), a_nic("y", "phy1"))
    host = a_host("h1", *(device for pf in "abc" for device in (a_pf(pf), vfs(pf, 2))))
    assert exactly(request, host) == (2, Reason.NO_FREE_DEVICE)


def test_nics_apart_need_two_pfs_each() -> None:
    """Of 9 VFs on one PF and 2 and 1 on others, only 3 servers find a second PF."""
    host = a_host("h1", vfs("a", 9), vfs("b", 2), vfs("c", 1))
    assert exactly(two(scope=Scope.PF, apart=True), host) == (3, Reason.NO_FREE_DEVICE)


def test_nics_together_leave_odd_vfs_over() -> None:
    host = a_host("h1", vfs("a", 5), vfs("b", 3), vfs("c", 1))
    assert exactly(two(scope=Scope.PF, apart=False), host) == (3, Reason.NO_FREE_DEVICE)


def test_a_guest_that_is_bound_to_a_node_takes_room_there() -> None:
    """Node 0 has VFs for 3 and room for 2, node 1 has VFs for 1 and room for 8."""
    nodes = (a_node(0, vcpus=5), a_node(1, vcpus=16))
    host = a_host("h1", at_node(vfs("a", 6), 0), at_node(vfs("b", 3), 1), numa=nodes)
    request = a_request(confined("x"), confined("y"), vcpus=2)
    assert exactly(request, host) == (3, Reason.NO_FREE_DEVICE)
    crowded = replace(host, numa=(a_node(0, vcpus=1), a_node(1, vcpus=16)))
    assert exactly(request, crowded) == (1, Reason.NO_FREE_DEVICE)


def test_a_bound_nic_beside_a_free_one_is_counted_by_search() -> None:
    """Free NICs may come from either node; 4 + 5 VFs make 4 servers wherever guests are."""
    host = a_host("h1", at_node(vfs("a", 4), 0), at_node(vfs("b", 5), 1))
    request = a_request(confined("x"), a_nic("y", "phy1"))
    assert exactly(request, host) == (4, Reason.NO_FREE_DEVICE)


def test_what_is_not_proven_is_two_bounds_and_never_one_number() -> None:
    """Twelve NICs under crossing rules on twelve PFs: too many ways to list."""
    names = [f"n{n}" for n in range(12)]
    rules = tuple(
        GroupRule(scope=scope, apart=True, hard=True, nics=frozenset(nics))
        for scope, nics in ((Scope.PF, names[:7]), (Scope.PF, names[4:]))
    )
    request = replace(a_request(*(a_nic(name, "phy1") for name in names)), rules=rules)
    host = a_host("h1", *(vfs(f"pf{n}", 3 + n % 3) for n in range(12)))
    counted = on(request, host)
    assert counted.least < counted.most


def test_hosts_are_counted_by_name_and_in_all() -> None:
    request = a_request(a_nic("x", "phy1"))
    hosts = (a_host("h2", vfs("a", 3)), a_host("h1", vfs("b", 4)), a_host("h3", up=False))
    found = capacity(request, rows_of(a_fleet(*hosts).hosts()))
    assert [(host.name, host.most) for host in found.hosts] == [("h1", 4), ("h2", 3), ("h3", 0)]
    assert (found.least, found.most) == (7, 7)
    assert found.limits == {Reason.NO_FREE_DEVICE: 2, Reason.DOWN: 1}


def test_rows_do_not_follow_the_fleet() -> None:
    request = a_request(a_nic("x", "phy1", kind=DeviceKind.VF))
    fleet = a_fleet(a_host("h1", vfs("a", 3)))
    rows = rows_of(fleet.hosts())
    fleet.set_status(rows[0].id, enabled=False, up=True)
    assert capacity(request, rows).most == 3

"""Servers that must leave, on a copy of the index: where they go, and what is proven if not all."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.placement.builders import (
    a_fleet,
    a_host,
    a_nic,
    a_node,
    a_request,
    placed,
    vfs,
)
from trunkline.domain.bandwidth import Bandwidth
from trunkline.domain.ids import DeviceId, HostId
from trunkline.domain.nic_rules import NumaPolicy
from trunkline.placement.asks.request import Placed, PlacementRequest
from trunkline.placement.index.fleet import Fleet
from trunkline.placement.planning.resettling import resettle
from trunkline.placement.planning.residents import Resident


def leaving(name: str, request: PlacementRequest) -> Resident:
    """A server that holds nothing any more."""
    gone = Placed(host_id=HostId("gone"), seen_generation=1, choices=())
    return Resident(server_id=name, name=name, host_id=gone.host_id, request=request, placed=gone)


def with_nics(*physnets: str) -> PlacementRequest:
    return a_request(*(a_nic(f"n{n}", physnet) for n, physnet in enumerate(physnets)))


def branch_of(fleet: Fleet) -> Fleet:
    branch = fleet.branch()
    for host in fleet.hosts():
        branch.adopt(host.copy())
    return branch


def test_the_most_demanding_servers_are_placed_first() -> None:
    """Had the small ones the first choice, the large one would find no host."""
    fleet = a_fleet(a_host("h1", vfs("a", 2)), a_host("h2", vfs("b", 1)))
    residents = [
        leaving("a small one", with_nics("phy1")),
        leaving("big", with_nics(*["phy1"] * 2)),
    ]
    found = resettle(residents, fleet)
    assert [move.resident.name for move in found.moves] == ["big", "a small one"]
    assert found.stuck == ()
    assert found.is_proven


def test_that_more_cannot_be_placed_is_proven_by_what_each_shape_could_have_alone() -> None:
    fleet = a_fleet(a_host("h1", vfs("a", 2)), a_host("h2", vfs("b", 3, "phy2")))
    residents = [leaving(f"s{n}", with_nics("phy1")) for n in range(3)]
    residents += [leaving(f"t{n}", with_nics("phy2")) for n in range(2)]
    found = resettle(residents, fleet)
    assert (len(found.moves), len(found.stuck), found.at_most) == (4, 1, 4)
    assert found.is_proven


def test_that_it_is_not_proven_is_told() -> None:
    """Each shape alone could have all that it asks for; that both can't, no bound says."""
    fleet = a_fleet(a_host("h1", vfs("a", 2)))
    residents = [leaving("one", with_nics("phy1")), leaving("two", with_nics("phy1", "phy1"))]
    found = resettle(residents, fleet)
    assert (len(found.moves), len(found.stuck), found.at_most) == (1, 1, 2)
    assert not found.is_proven


def test_servers_that_found_no_place_come_first_in_the_next_round() -> None:
    """`picky` has one NIC on phy2, of which h1 alone has one; both others would do without it."""
    fleet = a_fleet(
        a_host("h1", vfs("a", 2), vfs("b", 1, "phy2"), vcpus=2), a_host("h2", vfs("c", 2), vcpus=2)
    )
    large = replace(with_nics("phy1", "phy1"), vcpus=2)
    residents = [leaving("large", large), leaving("picky", replace(with_nics("phy2"), vcpus=2))]
    found = resettle(residents, fleet)
    assert {move.resident.name: move.placed.host_id for move in found.moves} == {
        "large": "id-h2", "picky": "id-h1",
    }  # fmt: skip


def test_what_is_placed_stays_held_in_the_fleet_that_was_given() -> None:
    fleet = a_fleet(a_host("h1", vfs("a", 1)))
    resettle([leaving("s", with_nics("phy1"))], fleet)
    again = resettle([leaving("t", with_nics("phy1"))], fleet)
    assert (again.moves, again.at_most) == ((), 0)


def test_nobody_leaving_is_an_answer() -> None:
    found = resettle([], Fleet())
    assert (found.moves, found.stuck, found.is_proven) == ((), (), True)


def test_what_happens_on_a_branch_leaves_the_fleet_as_it_was() -> None:
    """Devices, room, a NUMA node's room and guarantees are all taken on the branch alone."""
    host = a_host("h1", vfs("a", 4), numa=(a_node(0), a_node(1)))
    host = replace(
        host,
        bandwidth_left={DeviceId("a"): Bandwidth(egress_mbps=1000, ingress_mbps=1000)},
        pools=tuple(
            replace(pool, attributes={**pool.attributes, "numa_node": "0"}) for pool in host.pools
        ),
    )
    request = a_request(
        replace(a_nic("n", "phy1"), numa=NumaPolicy.REQUIRED, egress_mbps=100, ingress_mbps=50)
    )
    fleet = a_fleet(host)
    before = fleet.view(host.id)
    branch = branch_of(fleet)
    taken = placed(request, branch)
    branch.hold(taken, request)
    assert branch.view(host.id) != before
    assert fleet.view(host.id) == before
    branch.vacate(taken, request)
    assert replace(branch.view(host.id), generation=before.generation) == before
    branch.remove_host(host.id)
    assert fleet.view(host.id) == before


def test_devices_that_are_gone_are_not_given_back() -> None:
    request = with_nics("phy1", "phy1")
    fleet = a_fleet(a_host("h1", vfs("a", 1), vfs("b", 1)))
    taken = placed(request, fleet)
    fleet.put_host(a_host("h1", vfs("b", 1, owned=1)))
    fleet.vacate(taken, request)
    assert fleet.view(taken.host_id).pools[0].taken == 0

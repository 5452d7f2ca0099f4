"""Which servers are moved so that devices are free, and where to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.placement.builders import (
    a_host,
    a_nic,
    a_node,
    a_pf,
    a_request,
    a_whole_pf,
    ref_of,
    vfs,
)
from trunkline.domain.bandwidth import Bandwidth
from trunkline.domain.device_pool import DevicePool
from trunkline.domain.ids import DeviceId
from trunkline.domain.nic_rules import NumaPolicy, Scope
from trunkline.placement.asks.request import (
    GroupRule,
    NicChoice,
    NicDemand,
    Placed,
    PlacementRequest,
)
from trunkline.placement.hosts.views import HostView
from trunkline.placement.index.fleet import Fleet
from trunkline.placement.place import candidates
from trunkline.placement.planning.defrag import Goal, NoPlan, Plan, covers, find_plan, inquiries
from trunkline.placement.planning.residents import Resident


def on(
    host: HostView, name: str, request: PlacementRequest, *devices: str, node: int | None = None
) -> Resident:
    """A server that has these devices, `a` or `a.0`, for its NICs."""
    return Resident(
        server_id=f"id-{name}",
        name=name,
        host_id=host.id,
        request=request,
        placed=Placed(
            host_id=host.id,
            seen_generation=1,
            choices=tuple(
                NicChoice(nic=nic.nic, segment_id=None, device=ref_of(device))
                for nic, device in zip(request.nics, devices, strict=True)
            ),
            numa_node=node,
        ),
    )


def plan(
    goal: Goal, target: str, residents: list[Resident], *hosts: HostView, states_max: int = 500
) -> Plan | NoPlan:
    """Free something on the PFs named; the hosts that have them come first."""
    kin = [DeviceId(name) for name in target.split()]
    own = [host for host in hosts if any(pool.kin_id in kin for pool in host.pools)]
    found = covers(goal, kin, own, residents)
    fleet = Fleet()
    for host in hosts:
        fleet.put_host(host)
    takers = {
        inquiry.shape: [
            fleet.view(placed.host_id) for placed in candidates(inquiry.request, fleet)
        ][: inquiry.at_most]
        for inquiry in inquiries(found, own)
    }
    return find_plan(found, own, takers, states_max=states_max)


def moved(found: Plan | NoPlan) -> dict[str, str]:
    """Each server that is moved, and to which host."""
    assert isinstance(found, Plan), found
    return {
        move.resident.name: str(move.placed.host_id).removeprefix("id-") for move in found.moves
    }


def a_vf(name: str = "x") -> NicDemand:
    return a_nic(name, "phy1")


ONE = a_request(a_vf())
TWO = a_request(a_vf("x"), a_vf("y"))


def test_the_server_with_most_devices_goes_first() -> None:
    h1 = a_host("h1", vfs("a", 4, owned=4))
    servers = [on(h1, "s", ONE, "a.0"), on(h1, "t", TWO, "a.1", "a.2"), on(h1, "u", ONE, "a.3")]
    found = plan(Goal(free=2), "a", servers, h1, a_host("h2", vfs("b", 4)))
    assert moved(found) == {"t": "h2"}
    assert isinstance(found, Plan)
    assert (found.at_least, found.is_best) == (1, True)


def test_a_server_that_can_go_nowhere_is_left_for_others_that_gain_less() -> None:
    h1 = a_host("h1", vfs("a", 4, owned=4))
    stays = a_request(a_vf(), replace(a_vf("y"), attributes={"e.rare": "true"}))
    servers = [on(h1, "s", ONE, "a.0"), on(h1, "t", stays, "a.1", "a.2"), on(h1, "u", ONE, "a.3")]
    found = plan(Goal(free=2), "a", servers, h1, a_host("h2", vfs("b", 4)))
    assert moved(found) == {"s": "h2", "u": "h2"}
    assert isinstance(found, Plan)
    assert found.at_least == 2


def test_to_stay_on_the_host_moves_no_memory_and_is_preferred() -> None:
    h1 = a_host("h1", vfs("a", 1, owned=1), vfs("b", 1), vcpus=0, memory_mib=0, disk_gib=0)
    found = plan(Goal(free=1), "a", [on(h1, "s", ONE, "a.0")], h1, a_host("h2", vfs("c", 1)))
    assert moved(found) == {"s": "h1"}


def test_a_server_that_stays_keeps_its_devices_elsewhere() -> None:
    h1 = a_host("h1", vfs("a", 1, owned=1), vfs("b", 2, owned=1))
    found = plan(Goal(free=1), "a", [on(h1, "s", TWO, "a.0", "b.0")], h1)
    assert isinstance(found, Plan)
    [move] = found.moves
    assert [change.nic for change in move.changes] == ["x"]
    assert [choice.device for choice in move.placed.choices] == [
        move.changes[0].after, move.resident.placed.choices[1].device,
    ]  # fmt: skip


def test_rules_over_devices_that_are_kept_and_new_ones_hold() -> None:
    apart = replace(
        TWO, rules=(GroupRule(scope=Scope.PF, apart=True, hard=True, nics=frozenset("xy")),)
    )
    only_b = a_host("h1", vfs("a", 1, owned=1), vfs("b", 2, owned=1))
    assert isinstance(
        plan(Goal(free=1), "a", [on(only_b, "s", apart, "a.0", "b.0")], only_b), NoPlan
    )
    with_c = a_host("h1", vfs("a", 1, owned=1), vfs("b", 2, owned=1), vfs("c", 1))
    found = plan(Goal(free=1), "a", [on(with_c, "s", apart, "a.0", "b.0")], with_c)
    assert isinstance(found, Plan)
    assert str(found.moves[0].changes[0].after.kin_id) == "c"


def test_a_guest_that_stays_stays_on_its_numa_node() -> None:
    asked = a_request(replace(a_vf(), numa=NumaPolicy.REQUIRED))
    nodes = (a_node(0), a_node(1))

    def host(node_of_b: int) -> HostView:
        found = a_host("h1", vfs("a", 1, owned=1), vfs("b", 1), numa=nodes)
        node_of = {"a": 0, "b": node_of_b}
        return replace(found, pools=tuple(at_node(pool, node_of) for pool in found.pools))

    h1 = host(0)
    assert moved(plan(Goal(free=1), "a", [on(h1, "s", asked, "a.0", node=0)], h1)) == {"s": "h1"}
    h1 = host(1)
    assert isinstance(plan(Goal(free=1), "a", [on(h1, "s", asked, "a.0", node=0)], h1), NoPlan)


def at_node(pool: DevicePool, node_of: dict[str, int]) -> DevicePool:
    return replace(
        pool, attributes={**pool.attributes, "numa_node": str(node_of[str(pool.kin_id)])}
    )


def test_a_full_node_is_no_hindrance_to_a_guest_that_is_on_it_already() -> None:
    asked = a_request(replace(a_vf(), numa=NumaPolicy.REQUIRED))
    h1 = a_host("h1", vfs("a", 1, owned=1), vfs("b", 1), numa=(a_node(0, vcpus=-1, memory_mib=0),))
    h1 = replace(h1, pools=tuple(at_node(pool, {"a": 0, "b": 0}) for pool in h1.pools))
    assert moved(plan(Goal(free=1), "a", [on(h1, "s", asked, "a.0", node=0)], h1)) == {"s": "h1"}


def test_guarantees_of_all_servers_on_one_pf_are_kept_together() -> None:
    asked = a_request(a_nic("x", "phy1", egress_mbps=600))
    h1 = a_host("h1", vfs("a", 2, owned=2))
    servers = [on(h1, "s", asked, "a.0"), on(h1, "t", asked, "a.1")]
    for left, count in ((1000, 1), (1200, 2)):
        other = a_host("h2", vfs("b", 4), bandwidth={"b": Bandwidth(egress_mbps=left)})
        found = plan(Goal(free=2), "a", servers, h1, other)
        assert isinstance(found, Plan) is (count == 2)
        if isinstance(found, NoPlan):
            assert (found.at_least, found.most, found.most_bound) == (None, count, count)


def test_who_has_a_whole_pf_frees_all_its_vfs() -> None:
    h1 = a_host("h1", a_pf("a", free=False), vfs("a", 4))
    whole = on(h1, "w", a_request(a_whole_pf("x")), "a")
    found = plan(Goal(free=4), "a", [whole], h1, a_host("h2", a_pf("b"), vfs("b", 4)))
    assert moved(found) == {"w": "h2"}
    assert isinstance(found, Plan)
    assert (found.free_before, found.free_after) == (0, 4)


def test_of_several_pfs_the_one_with_the_fewest_servers_is_freed_whole() -> None:
    h1 = a_host("h1", a_pf("a"), vfs("a", 3, owned=3), a_pf("b"), vfs("b", 4, owned=2))
    servers = [on(h1, f"s{n}", ONE, f"a.{n}") for n in range(3)]
    servers += [on(h1, f"t{n}", ONE, f"b.{n}") for n in range(2)]
    found = plan(Goal(whole=True), "a b", servers, h1, a_host("h2", vfs("c", 9)))
    assert sorted(moved(found)) == ["t0", "t1"]
    assert isinstance(found, Plan)
    assert found.target == {"b"}


def test_a_pf_with_a_device_that_is_no_servers_is_not_to_be_had_whole() -> None:
    h1 = a_host("h1", a_pf("a"), vfs("a", 3, owned=2))
    found = plan(Goal(whole=True), "a", [on(h1, "s", ONE, "a.0")], h1, a_host("h2", vfs("b", 9)))
    assert isinstance(found, NoPlan)
    assert (found.at_least, found.ownerless, found.most) == (None, 1, 0)


def test_only_devices_with_the_attributes_asked_for_count() -> None:
    h1 = a_host("h1", vfs("a", 1, owned=1, speed="100g"), vfs("b", 2, owned=2))
    servers = [on(h1, "s", TWO, "b.0", "b.1"), on(h1, "t", ONE, "a.0")]
    goal = Goal(free=1, attributes={"e.speed": "100g"})
    assert moved(plan(goal, "a b", servers, h1, a_host("h2", vfs("c", 4)))) == {"t": "h2"}


def test_what_one_move_frees_off_the_target_is_not_given_to_another_of_the_plan() -> None:
    h1 = a_host("h1", vfs("a", 2, owned=2), vfs("b", 1, owned=1))
    servers = [on(h1, "s", TWO, "a.0", "b.0"), on(h1, "t", ONE, "a.1")]
    found = plan(Goal(free=2), "a", servers, h1, a_host("h2", vfs("c", 2)))
    assert isinstance(found, NoPlan)
    assert (found.at_least, found.most, found.most_bound) == (None, 1, 1)


def test_a_host_is_passed_over_only_for_one_that_is_like_it_in_everything() -> None:
    """The first server must go to h3, though h2 comes before it: the others can only go there."""
    h1 = a_host("h1", vfs("a", 3, owned=3, rare="true"))
    h2 = a_host("h2", vfs("b", 2, rare="true"))
    h3 = a_host("h3", vfs("c", 2, speed="100g", zone="z"))  # Tags that nobody asks for.
    picky = a_request(replace(a_vf(), attributes={"e.rare": "true"}))
    servers = [on(h1, "s", ONE, "a.0"), on(h1, "t", picky, "a.1"), on(h1, "u", picky, "a.2")]
    found = plan(Goal(free=3), "a", servers, h1, h2, h3)
    assert moved(found) == {"s": "h3", "t": "h2", "u": "h2"}


@pytest.mark.parametrize("hosts", [30, 300])
def test_no_more_hosts_are_asked_for_than_there_can_be_moves(hosts: int) -> None:
    h1 = a_host("h1", vfs("a", 6, owned=6))
    servers = [on(h1, f"s{n}", ONE, f"a.{n}") for n in range(6)]
    fleet = [h1, *(a_host(f"g{n}", vfs(f"b{n}", 2)) for n in range(hosts))]
    found = covers(Goal(free=3), [DeviceId("a")], [h1], servers)
    [inquiry] = inquiries(found, [h1])
    assert inquiry.at_most == 3
    result = plan(Goal(free=3), "a", servers, *fleet)
    assert isinstance(result, Plan)
    assert result.is_best
    assert result.states <= 6


def test_more_than_a_hundred_and_more_moves_are_not_looked_for() -> None:
    h1 = a_host("h1", vfs("a", 200, owned=200), vcpus=0)
    servers = [on(h1, f"s{n:03}", ONE, f"a.{n}") for n in range(200)]
    others = [a_host(f"g{n}", vfs(f"b{n}", 2)) for n in range(150)]
    found = plan(Goal(free=200), "a", servers, h1, *others)
    assert isinstance(found, NoPlan)
    assert found.at_least == 200

"""Hosts that differ in what a request asks of them are told apart, however alike they are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.placement.builders import a_fleet, a_host, a_nic, a_node, a_pf, a_whole_pf, vfs
from trunkline.domain.bandwidth import Bandwidth
from trunkline.domain.device import DeviceKind
from trunkline.domain.ids import HostId
from trunkline.domain.nic_rules import NumaPolicy, Scope
from trunkline.placement.asks.request import GroupRule, NicDemand, PlacementRequest
from trunkline.placement.index.fleet import HostView
from trunkline.placement.reasons.explanation import explain

TWO = a_nic("x", "phy1"), a_nic("y", "phy1")


def ruled(scope: Scope, *, apart: bool, nics: tuple[NicDemand, ...] = TWO) -> PlacementRequest:
    rule = GroupRule(scope=scope, apart=apart, hard=True, nics=frozenset({"x", "y"}))
    return PlacementRequest(nics=nics, rules=(rule,))


def on_node(policy: NumaPolicy) -> PlacementRequest:
    return PlacementRequest(nics=tuple(replace(nic, numa=policy) for nic in TWO), vcpus=2)


def guaranteed(mbps: int) -> PlacementRequest:
    return PlacementRequest(nics=tuple(replace(nic, egress_mbps=mbps) for nic in TWO))


def full(*, egress: int, owned: int = 1) -> HostView:
    left = {"a": Bandwidth(egress_mbps=egress), "b": Bandwidth(egress_mbps=1)}
    return a_host("h", vfs("a", 2, owned=owned), vfs("b", 1), bandwidth=left)


def on(first: int, second: int, *, owned: int = 0, room: int = 8) -> HostView:
    """Two PFs on these nodes of a guest's choice of two."""
    pools = [
        [replace(vf, attributes={**vf.attributes, "numa_node": str(node)}) for vf in of_pf]
        for node, of_pf in ((first, vfs("a", 1)), (second, vfs("b", 2, owned=owned)))
    ]
    return a_host("h", *pools, numa=(a_node(0, vcpus=room), a_node(1, vcpus=room)))


def switched(first: str, second: str, *, owned: int) -> HostView:
    return a_host("h", vfs("a", 1, switch=first), vfs("b", 2, owned=owned, switch=second))


@pytest.mark.parametrize(
    ("request_", "one", "other"),
    [
        (guaranteed(5), full(egress=9), full(egress=10)),
        (guaranteed(5), full(egress=4), full(egress=5)),
        (on_node(NumaPolicy.REQUIRED), on(0, 1), on(0, 1, room=1)),
        (on_node(NumaPolicy.REQUIRED), on(0, 1, owned=2), on(0, 0, owned=2)),
        (on_node(NumaPolicy.REQUIRED), on(1, 1, owned=2), on(1, 1, owned=2, room=1)),
        (on_node(NumaPolicy.REQUIRED), on(0, 1, owned=2), replace(on(0, 0, owned=2), numa=())),
        (
            ruled(Scope.PF, apart=False, nics=guaranteed(5).nics),
            full(egress=10, owned=2),
            full(egress=9, owned=2),
        ),
        (on_node(NumaPolicy.REQUIRED), on(0, 1, owned=1), on(1, 0, owned=2)),
        (
            ruled(Scope.SWITCH, apart=False),
            switched("s", "t", owned=1),
            switched("s", "s", owned=2),
        ),
        (
            ruled(Scope.SWITCH, apart=True),
            switched("s", "s", owned=0),
            switched("s", "t", owned=2),
        ),
        (
            ruled(Scope.PF, apart=False),
            a_host("h", vfs("a", 1), vfs("b", 2, owned=1)),
            a_host("h", vfs("a", 1), vfs("b", 2, owned=2)),
        ),
        (
            ruled(Scope.PF, apart=True, nics=(TWO[0], a_nic("y", "phy2"))),
            a_host("h", vfs("a", 1), vfs("b", 1, "phy2", owned=1)),
            a_host("h", vfs("a", 1, owned=1), vfs("b", 1, "phy2")),
        ),
        (
            PlacementRequest(nics=TWO),
            a_host("h", vfs("a", 2, owned=1)),
            a_host("h", vfs("a", 2, owned=2)),
        ),
        (
            PlacementRequest(nics=(a_whole_pf("x"),)),
            a_host("h", a_pf("a"), vfs("a", 3, owned=2)),
            a_host("h", a_pf("a"), vfs("a", 3, owned=1)),
        ),
        (
            PlacementRequest(nics=(a_nic("x", "phy1", kind=DeviceKind.PF),)),
            a_host("h", a_pf("a", free=False), vfs("a", 1)),
            a_host("h", a_pf("a", free=False), vfs("a", 1, owned=1)),
        ),
    ],
)
def test_beside_a_host_that_is_much_the_same_one_is_told_what_it_is_told_alone(
    request_: PlacementRequest, one: HostView, other: HostView
) -> None:
    hosts = [replace(host, id=HostId(name)) for host, name in ((one, "1"), (other, "2"))]
    alone = [list(explain(request_, a_fleet(host)).nearest) for host in hosts]
    one_told, other_told = ([replace(r, host_id=HostId("")) for r in told] for told in alone)
    assert one_told != other_told, "they differ, or nothing is shown"
    both = explain(request_, a_fleet(*hosts)).nearest
    assert sorted(both, key=str) == sorted([*alone[0], *alone[1]], key=str)

"""Several servers at once under rules, where what the first one takes decides about the last."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.placement.builders import a_fleet, a_host, a_nic, a_node, a_request, vfs
from trunkline.domain.bandwidth import Bandwidth
from trunkline.domain.nic_rules import NumaPolicy, Scope
from trunkline.placement import batch
from trunkline.placement.asks.request import GroupRule
from trunkline.placement.batch import hold_batch


@pytest.mark.parametrize("roomy", ["a", "b"])
def test_each_server_owes_what_leaves_enough_for_the_others(roomy: str) -> None:
    """Three NICs of 10 Mbps fit on one PF, three of 5 on the other, and not otherwise."""
    scarce = "b" if roomy == "a" else "a"
    host = a_host(
        "h1", vfs("a", 3), vfs("b", 3),
        bandwidth={roomy: Bandwidth(egress_mbps=30), scarce: Bandwidth(egress_mbps=15)},
    )  # fmt: skip
    request = a_request(a_nic("x", "phy1", egress_mbps=10), a_nic("y", "phy1", egress_mbps=5))
    fleet = a_fleet(host)
    found = hold_batch(request, 3, fleet)
    assert (len(found.held), found.at_most) == (3, 3)
    left = fleet.view(host.id).bandwidth_left
    assert {each.egress_mbps for each in left.values()} == {0}


@pytest.mark.parametrize("known", [0, 1])
@pytest.mark.parametrize("vendor", ["15b3", "8086"])
def test_each_server_is_on_the_node_that_leaves_room_for_the_others(
    known: int, vendor: str
) -> None:
    """A node has room for one server; one VF is known to be on a node, the other on neither.

    The first server would rather have the other VF, of the PF with more VFs, and be on that node,
    which has more memory. Then no second one fits.
    """
    at_node = [
        replace(vf, attributes={**vf.attributes, "numa_node": str(known), "vendor_id": vendor})
        for vf in vfs("a", 1)
    ]
    elsewhere = [*vfs("b", 1), *vfs("b", 4, "phy2")[1:]]
    nodes = [a_node(n, vcpus=1, memory_mib=2048 if n == known else 1024) for n in (0, 1)]
    fleet = a_fleet(a_host("h1", at_node, elsewhere, numa=tuple(nodes)))
    nic = replace(a_nic("x", "phy1"), numa=NumaPolicy.LEGACY)
    request = a_request(nic, vcpus=1, memory_mib=1024)
    found = hold_batch(request, 2, fleet)
    assert sorted(each.placed.numa_node or 0 for each in found.held) == [0, 1]


def test_where_the_search_ends_at_its_limit_the_answer_says_how_many_may_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pairs of PFs, each pair apart by switch: found at once, but the proof takes a search."""
    host = a_host("h1", *(vfs(pf, 3, switch=on) for pf, on in zip("abcde", "sstuv", strict=True)))
    rule = GroupRule(scope=Scope.SWITCH, apart=True, hard=True, nics=frozenset("xy"))
    request = replace(a_request(a_nic("x", "phy1"), a_nic("y", "phy1")), rules=(rule,))
    exact = hold_batch(request, 40, a_fleet(host))
    assert len(exact.held) == exact.at_most == 7
    monkeypatch.setattr(batch, "STEPS_MAX", 0)
    limited = hold_batch(request, 40, a_fleet(host))
    assert len(limited.held) <= 7 <= limited.at_most

"""Explanations name what they are about: the very NICs, networks, counts and rules."""

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
    only_refusal,
    refused,
    vfs,
)
from trunkline.domain.bandwidth import Bandwidth
from trunkline.domain.ids import HostName
from trunkline.domain.nic_rules import NumaPolicy, Scope
from trunkline.placement.asks.request import GroupRule, NicDemand, Page, Reason
from trunkline.placement.index.fleet import HostView
from trunkline.placement.reasons.explanation import explain


def a_tap(name: str, *physnets: str) -> NicDemand:
    return a_nic(name, *physnets, kind=None)


def details(host: HostView, *nics: NicDemand) -> dict[str, tuple[Reason, str]]:
    told = only_refusal(a_request(*nics), host).nics
    return {nic.nic: (nic.reason, nic.detail) for nic in told}


@pytest.mark.parametrize(
    ("bridges", "taps", "change"),
    [
        ((), [a_tap("a", "phy2", "phy1")], "a bridge on phy1 or phy2 at h1 (for a)"),
        (
            (),
            [a_tap("a", "phy1", "phy2"), a_tap("b", "phy2")],
            "a bridge on phy2 at h1 (for a and b)",
        ),
        (
            (),
            [a_tap("a", "phy1"), a_tap("b", "phy2"), a_tap("c", "phy1")],
            "a bridge on phy1 at h1 (for a and c) and a bridge on phy2 at h1 (for b)",
        ),
        (("phy1",), [a_tap("a", "phy1"), a_tap("b", "phy2")], "a bridge on phy2 at h1 (for b)"),
        (("phy1",), [a_tap("a")], "a network for a that a bridge can reach"),
        (
            ("phy1",),
            [a_tap("a"), a_tap("b", "phy1"), a_tap("c", "phy2")],
            "a network for a that a bridge can reach and a bridge on phy2 at h1 (for c)",
        ),
    ],
)
def test_bridges_that_are_lacking_are_told_with_the_nics_that_want_them(
    bridges: tuple[str, ...], taps: list[NicDemand], change: str
) -> None:
    host = a_host("h1", bridges=bridges)
    assert only_refusal(a_request(*taps), host).change.replace("; and ", " and ") == change


def test_a_tap_is_told_on_which_physical_networks_a_bridge_would_do() -> None:
    assert details(a_host("h1"), a_tap("a", "phy2", "phy1"), a_tap("b")) == {
        "a": (Reason.NO_BRIDGE, "no bridge on phy1 or phy2"),
        "b": (Reason.NO_BRIDGE, "no bridge on a network without a physical network"),
    }


def test_nics_that_are_too_many_are_told_whether_they_are_alike() -> None:
    host = a_host("h1", vfs("a", 4, owned=3))
    alike = "e.physical_network=phy1: 4 VFs, 1 free, fewer than NICs like it"
    assert details(host, a_nic("x", "phy1"), a_nic("y", "phy1")) == dict.fromkeys(
        ("x", "y"), (Reason.TOO_FEW_TOGETHER, alike)
    )
    host = a_host("h1", vfs("a", 1, trusted="true"))
    told = details(host, a_nic("x", "phy1"), a_nic("y", "phy1", trusted="true"))
    assert told["x"][1] == "e.physical_network=phy1: 1 VF, 1 free and other NICs want them too"
    assert told["y"][1] == (
        "e.physical_network=phy1, e.trusted=true: 1 VF, 1 free and other NICs want them too"
    )


def test_the_nearest_devices_say_why_none_will_do() -> None:
    """Most are cabled elsewhere; those on the network are too few to be missed, and not trusted."""
    host = a_host(
        "h1", a_pf("a"), vfs("a", 8, "phy2"), vfs("b", 2, trusted="false"), vfs("c", 3, "phy3")
    )
    trusted = a_nic("n", "phy1", "phy3", trusted="true")
    assert details(host, trusted)["n"] == (
        Reason.NO_MATCHING_DEVICE,
        (
            "5 VFs with e.physical_network=phy1 or e.physical_network=phy3,"
            " none of them with e.trusted=true too"
        ),
    )
    assert details(host, a_nic("n", "phy4"))["n"] == (
        Reason.NOT_CABLED, "no VF has e.physical_network=phy4"
    )  # fmt: skip
    assert details(a_host("h1"), trusted)["n"] == (Reason.NO_DEVICE, "no VF on offer")


def test_a_reason_that_is_no_size_lacks_no_amount() -> None:
    (edit,) = only_refusal(a_request(), a_host("h1", enabled=False)).edits
    assert edit.lacking == 0
    (edit,) = only_refusal(a_request(vcpus=3), a_host("h1", vcpus=1)).edits
    assert edit.lacking == 2


def test_a_rule_is_told_with_the_nics_that_it_is_about_and_no_others() -> None:
    host = a_host("h1", a_pf("a"), vfs("a", 4), a_pf("b", "phy2"), vfs("b", 4, "phy2"))
    nics = a_nic("x", "phy1"), a_nic("y", "phy2"), a_nic("z", "phy1")
    rule = GroupRule(scope=Scope.PF, apart=False, hard=True, nics=frozenset({"x", "y"}))
    refusal = only_refusal(replace(a_request(*nics), rules=(rule,)), host)
    assert refusal.change == "do without the rule: x and y on one PF"
    assert [nic.nic for nic in refusal.nics] == ["x", "y"]


def test_a_numa_policy_is_told_of_those_that_must_be_near_and_not_of_those_that_would() -> None:
    host = a_host("h1", vfs("a", 4), numa=(a_node(0, vcpus=1), a_node(1, vcpus=1)))
    nics = [
        replace(a_nic("x", "phy1"), numa=NumaPolicy.REQUIRED),
        replace(a_nic("y", "phy1"), numa=NumaPolicy.PREFERRED),
        a_nic("z", "phy1"),
    ]
    refusal = only_refusal(a_request(*nics, vcpus=2), host)
    assert refusal.change == "do without the rule: x by the guest's NUMA node"
    assert [nic.nic for nic in refusal.nics] == ["x"]


def test_a_guarantee_of_what_comes_in_is_told_as_one() -> None:
    has = {"a": Bandwidth(egress_mbps=500, ingress_mbps=100)}
    host = a_host("h1", vfs("a", 4), bandwidth=has)
    nics = a_nic("x", "phy1", ingress_mbps=200), a_nic("y", "phy1")
    refusal = only_refusal(a_request(*nics), host)
    assert refusal.change == "do without the rule: so much guaranteed to x"
    (reason,) = refusal.nics
    assert (reason.nic, reason.reason) == ("x", Reason.BANDWIDTH)
    assert "at most 100 Mbps ingress left on one PF" in reason.detail


def test_hosts_alike_but_for_the_room_of_their_nodes_are_told_apart() -> None:
    """All but the first lack room for the whole guest on the node that the VFs are on."""
    devices = vfs("a", 4, owned=0)
    devices = [replace(vf, attributes={**vf.attributes, "numa_node": "0"}) for vf in devices]
    full = [
        a_host(name, devices, numa=(room, a_node(1)))
        for name, room in (
            ("h2", a_node(0, vcpus=1)),
            ("h3", a_node(0, memory_mib=1000)),
            ("h4", a_node(0, vcpus=1, memory_mib=1000)),
        )
    ]
    fits_but_is_off = a_host(
        "h1", devices, numa=(a_node(0, vcpus=2, memory_mib=2048), a_node(1)), enabled=False
    )
    nic = replace(a_nic("x", "phy1"), numa=NumaPolicy.REQUIRED)
    request = a_request(nic, vcpus=2, memory_mib=2048)
    for hosts in ([fits_but_is_off, *full], [*full, fits_but_is_off]):
        told = refused(request, a_fleet(*hosts)).explanation.nearest
        reasons = {host.host_name: [nic.reason for nic in host.nics] for host in told}
        assert reasons == {
            HostName("h1"): [],
            HostName("h2"): [Reason.NUMA],
            HostName("h3"): [Reason.NUMA],
            HostName("h4"): [Reason.NUMA],
        }


@pytest.mark.parametrize(
    ("asked_for", "told"), [("b", "b"), ("c", None), ("bb", None), ("0", None), ("z", None)]
)
def test_the_host_that_is_asked_for_is_told_if_it_is_there_and_refuses(
    asked_for: str, told: str | None
) -> None:
    """Of the others b is further than a."""
    fleet = a_fleet(a_host("a", vcpus=1), a_host("b", vcpus=1, enabled=False), a_host("c"))
    request = replace(a_request(vcpus=2), only_host=HostName(asked_for))
    found = explain(request, fleet, nearest=1).asked_for
    assert (found and found.host_name) == told


def test_a_page_goes_on_after_a_name_whether_it_is_there_or_not() -> None:
    fleet = a_fleet(*(a_host(name, vcpus=1) for name in "bdfh"), a_host("e"))
    afters = (None, *map(HostName, "dehaz"))
    told = [explain(a_request(vcpus=2), fleet, page=Page(limit=2, after=name)) for name in afters]
    pages = [(page.next_after, [host.host_name for host in page.page]) for page in told]
    assert pages == [
        ("d", ["b", "d"]),
        (None, ["f", "h"]),
        (None, ["f", "h"]),
        (None, []),
        ("d", ["b", "d"]),
        (None, []),
    ]

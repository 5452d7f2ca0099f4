"""Every refusal says why: per host, per NIC, and the least change that would make it fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.placement.builders import (
    a_fleet,
    a_host,
    a_nic,
    a_pf,
    a_request,
    a_whole_pf,
    only_refusal,
    placed,
    refused,
    vfs,
)
from trunkline.domain.bandwidth import Bandwidth
from trunkline.domain.device import DeviceKind
from trunkline.domain.ids import DeviceId, HostName
from trunkline.domain.nic_rules import NumaPolicy, Scope
from trunkline.placement.asks.request import (
    GroupRule,
    NicDemand,
    NicReason,
    PlacementRequest,
    Reason,
)
from trunkline.placement.index.fleet import HostView
from trunkline.placement.reasons.explanation import explain

HOST = a_host("h1", vcpus=2, memory_mib=2048, disk_gib=10)


@pytest.mark.parametrize(
    ("host", "request_", "reason", "detail", "change"),
    [
        (replace(HOST, enabled=False), a_request(), Reason.DISABLED, "", "enable h1"),
        (replace(HOST, up=False), a_request(), Reason.DOWN, "", "bring back the agent of h1"),
        (
            replace(HOST, up=False, problem="no IOMMU"),
            a_request(),
            Reason.STUCK,
            "no IOMMU",
            "solve the problem of h1 (no IOMMU)",
        ),
        (
            HOST,
            replace(a_request(), excluded_hosts=frozenset({HOST.id})),
            Reason.EXCLUDED,
            "",
            "let h1 be tried again, which has refused this server",
        ),
        (
            HOST,
            replace(a_request(), only_host=HostName("h9")),
            Reason.NOT_THE_HOST_ASKED_FOR,
            "",
            "ask for h1 instead of h9",
        ),
        (
            HOST,
            a_request(vcpus=3),
            Reason.NO_VCPUS,
            "2 vCPUs free, 3 wanted",
            "1 more free vCPU on h1",
        ),
        (
            HOST,
            a_request(memory_mib=3000),
            Reason.NO_MEMORY,
            "2048 MiB of memory free, 3000 wanted",
            "952 more MiB of free memory on h1",
        ),
        (
            HOST,
            a_request(disk_gib=12),
            Reason.NO_DISK,
            "10 GiB of disk free, 12 wanted",
            "2 more GiB of free disk on h1",
        ),
    ],
)
def test_a_reason_that_lies_in_the_host(
    host: HostView, request_: PlacementRequest, reason: Reason, detail: str, change: str
) -> None:
    told = refused(request_, a_fleet(host)).explanation
    (refusal,) = told.nearest
    assert (refusal.reasons, refusal.nics, refusal.detail) == ((reason,), (), detail)
    assert (told.counts, refusal.change, told.smallest_change) == ({reason: 1}, change, change)


VF, PF = a_nic("n", "phy1"), a_whole_pf("n")
TRUSTED = a_nic("n", "phy1", trusted="true")


@pytest.mark.parametrize(
    ("host", "nic", "expected", "missing", "change"),
    [
        (
            a_host("h1", bridges=("phy2",)),
            a_nic("n", "phy1", kind=None),
            NicReason(nic="n", reason=Reason.NO_BRIDGE, detail="no bridge on phy1"),
            0,
            "a bridge on phy1 at h1 (for n)",
        ),
        (
            a_host("h1", a_pf("a")),
            VF,
            NicReason(nic="n", reason=Reason.NO_DEVICE, detail="no VF on offer"),
            0,
            "one more VF with e.physical_network=phy1 on offer on h1 (for n)",
        ),
        (
            a_host("h1", vfs("a", 8, "phy2")),
            VF,
            NicReason(
                nic="n", reason=Reason.NOT_CABLED, detail="no VF has e.physical_network=phy1"
            ),
            0,
            "one more VF with e.physical_network=phy1 on offer on h1 (for n)",
        ),
        (
            a_host("h1", vfs("a", 8, trusted="false")),
            TRUSTED,
            NicReason(
                nic="n",
                reason=Reason.NO_MATCHING_DEVICE,
                detail="8 VFs with e.physical_network=phy1, none of them with e.trusted=true too",
            ),
            0,
            "one more VF with e.physical_network=phy1, e.trusted=true on offer on h1 (for n)",
        ),
        (
            a_host("h1", vfs("a", 8, owned=8)),
            VF,
            NicReason(
                nic="n",
                reason=Reason.NO_FREE_DEVICE,
                detail="e.physical_network=phy1: 8 VFs, 0 free",
                fitting=8,
            ),
            1,
            "one more free VF with e.physical_network=phy1 on h1 (for n)",
        ),
        (
            a_host("h1", a_pf("a", free=False)),
            PF,
            NicReason(
                nic="n",
                reason=Reason.NO_FREE_DEVICE,
                detail="e.physical_network=phy1: 1 PF, 0 free",
                fitting=1,
            ),
            1,
            "one more free PF with e.physical_network=phy1 on h1 (for n)",
        ),
        (
            a_host("h1", a_pf("a"), vfs("a", 8, owned=3), a_pf("b"), vfs("b", 8, owned=2)),
            PF,
            NicReason(
                nic="n",
                reason=Reason.PF_IN_USE,
                detail="e.physical_network=phy1: 2 PFs, 0 free; VFs of 2 have owners",
                fitting=2,
            ),
            2,
            "free PF address-of-b on h1 of the owners of 2 VFs (for n)",
        ),
        (
            a_host("h1", a_pf("a", free=False), vfs("a", 8)),
            VF,
            NicReason(
                nic="n",
                reason=Reason.PF_GIVEN_AWAY,
                detail="e.physical_network=phy1: 8 VFs, 0 free; the PF of 8 was given away",
                fitting=8,
            ),
            1,
            "free PF address-of-a on h1, whose VFs are wanted",
        ),
    ],
)
def test_a_reason_that_lies_in_one_nic(
    host: HostView, nic: NicDemand, expected: NicReason, missing: int, change: str
) -> None:
    told = refused(a_request(nic), a_fleet(host)).explanation
    (refusal,) = told.nearest
    assert (refusal.reasons, refusal.nics) == ((), (expected,))
    assert refusal.missing == missing
    assert told.counts == {expected.reason: 1}
    assert told.smallest_change == change


def test_nics_that_fit_alone_but_not_together_are_named_and_the_others_are_not() -> None:
    host = a_host("h1", vfs("a", 2, owned=1), vfs("b", 8, "phy2"))
    nics = [a_nic("x", "phy1"), a_nic("other", "phy2"), a_nic("y", "phy1")]
    refusal = only_refusal(a_request(*nics), host)
    assert [(one.nic, one.reason) for one in refusal.nics] == [
        ("x", Reason.TOO_FEW_TOGETHER),
        ("y", Reason.TOO_FEW_TOGETHER),
    ]
    assert [(one.fitting, one.free) for one in refusal.nics] == [(2, 1), (2, 1)]
    assert refusal.missing == 1


def test_what_one_host_lacks_is_not_told_of_another_built_alike() -> None:
    hosts = [a_host(f"h{n}", a_pf("a"), vfs("a", 8, owned=n)) for n in (7, 2, 5)]
    told = refused(a_request(PF), a_fleet(*hosts)).explanation
    assert {refusal.host_name: refusal.missing for refusal in told.nearest} == {
        "h7": 7,
        "h2": 2,
        "h5": 5,
    }
    assert told.nearest[0].host_name == "h2"


def test_demands_that_contradict_each_other_are_told_as_such() -> None:
    nic = a_nic("n", "phy1", physical_network="phy2")
    told = refused(a_request(nic), a_fleet(a_host("h1", vfs("a", 1)))).explanation
    assert told.counts == {Reason.NO_MATCHING_DEVICE: 1}
    assert told.smallest_change == "a demand of n that some device could meet"


def test_the_nearest_host_is_the_one_that_lacks_least() -> None:
    fleet = a_fleet(
        a_host("h1", vfs("a", 8, "phy1")),  # Lacks a cable.
        a_host("h2", vfs("a", 8, "phy2", owned=8), enabled=False),  # Lacks two things.
        a_host("h3", vfs("a", 8, "phy2", owned=8)),
    )
    told = refused(a_request(a_nic("n", "phy2")), fleet).explanation
    assert told.nearest[0].host_name == "h3"
    assert told.smallest_change == ("one more free VF with e.physical_network=phy2 on h3 (for n)")
    assert told.counts == {
        Reason.NOT_CABLED: 1,
        Reason.DISABLED: 1,
        Reason.NO_FREE_DEVICE: 2,
    }


def test_a_host_can_lack_several_things_and_all_are_told() -> None:
    host = a_host("h1", vfs("a", 1, owned=1), vfs("b", 2, "phy2"), up=False, vcpus=1)
    nics = [a_nic("x", "phy1"), a_nic("y", "phy2"), a_nic("z", "phy2"), a_nic("v", "phy2")]
    told = refused(a_request(*nics, vcpus=4), a_fleet(host)).explanation
    (refusal,) = told.nearest
    assert refusal.reasons == (Reason.DOWN, Reason.NO_VCPUS)
    assert [one.reason for one in refusal.nics] == [
        Reason.NO_FREE_DEVICE,
        *[Reason.TOO_FEW_TOGETHER] * 3,
    ]
    assert told.smallest_change == (
        "bring back the agent of h1; and 3 more free vCPUs on h1;"
        " and one more VF with e.physical_network=phy2 on offer on h1 (for v);"
        " and one more free VF with e.physical_network=phy1 on h1 (for x)"
    )


def test_an_empty_fleet_is_told_as_such() -> None:
    told = refused(a_request(), a_fleet()).explanation
    assert (told.nearest, told.host_count) == ((), 0)
    assert told.smallest_change == "add a host: there is none yet"


def test_a_request_that_fits_somewhere_is_explained_for_the_other_hosts_only() -> None:
    fleet = a_fleet(a_host("h1"), a_host("h2", vfs("a", 1)))
    assert placed(a_request(VF), fleet).host_id == "id-h2"
    told = explain(a_request(VF), fleet)
    assert [refusal.host_name for refusal in told.nearest] == ["h1"]
    assert told.smallest_change == ""


def test_devices_that_are_missing_are_told_beside_rules_about_where_they_are() -> None:
    rule = GroupRule(scope=Scope.PF, apart=True, hard=True, nics=frozenset({"x", "y"}))
    asked = replace(a_request(a_nic("x", "phy1"), a_nic("y", "phy1")), rules=(rule,))
    explanation = refused(asked, a_fleet(a_host("h1", vfs("a", 2, owned=2)))).explanation
    assert explanation.counts == {Reason.NO_FREE_DEVICE: 1}
    assert explanation.smallest_change


def _together(*, apart: bool = False, scope: Scope = Scope.PF) -> PlacementRequest:
    rule = GroupRule(scope=scope, apart=apart, hard=True, nics=frozenset({"x", "y"}))
    return replace(a_request(a_nic("x", "phy1"), a_nic("y", "phy1")), rules=(rule,))


def _under(**demands: Any) -> PlacementRequest:
    return a_request(replace(a_nic("x", "phy1"), **demands), a_nic("y", "phy1"))


@pytest.mark.parametrize(
    ("request_", "host", "reason", "nics", "said"),
    [
        (
            _together(),
            a_host("h1", vfs("a", 1), vfs("b", 1)),
            Reason.AFFINITY,
            ["x", "y"],
            "x and y on one PF",
        ),
        (
            _together(apart=True),
            a_host("h1", vfs("a", 8)),
            Reason.ANTI_AFFINITY,
            ["x", "y"],
            "x and y each on a PF of its own",
        ),
        (
            _together(apart=True, scope=Scope.NUMA),
            a_host("h1", vfs("a", 8)),
            Reason.ANTI_AFFINITY,
            ["x", "y"],
            "x and y each on a NUMA node of its own",
        ),
        (
            _under(numa=NumaPolicy.REQUIRED),
            a_host("h1", vfs("a", 8)),
            Reason.NUMA,
            ["x"],
            "x by the guest's NUMA node",
        ),
        (
            _under(egress_mbps=1000),
            a_host("h1", vfs("a", 8)),
            Reason.BANDWIDTH,
            ["x"],
            "so much guaranteed to x",
        ),
    ],
)
def test_a_rule_that_stands_in_the_way_is_named(
    request_: PlacementRequest, host: HostView, reason: Reason, nics: list[str], said: str
) -> None:
    told = refused(request_, a_fleet(host)).explanation
    (refusal,) = told.nearest
    assert [(one.nic, one.reason) for one in refusal.nics] == [(nic, reason) for nic in nics]
    figures = ": 1000 Mbps egress wanted, at most 0 Mbps egress left on one PF"
    assert {one.detail for one in refusal.nics} == {
        f"devices would do, but not with {said}" + (figures if reason is Reason.BANDWIDTH else "")
    }
    assert told.counts == {reason: 1}
    assert told.smallest_change == f"do without the rule: {said}"


def test_a_guarantee_that_no_pf_can_owe_is_told_with_what_is_left() -> None:
    left = {
        "a": Bandwidth(egress_mbps=800, ingress_mbps=4000),
        "b": Bandwidth(egress_mbps=900, ingress_mbps=10),
        "c": Bandwidth(egress_mbps=9000, ingress_mbps=9000),  # Cabled elsewhere.
    }
    host = a_host("h1", vfs("a", 1), vfs("b", 1), vfs("c", 1, "phy9"), bandwidth=left)
    told = refused(_under(egress_mbps=1000, ingress_mbps=200), a_fleet(host)).explanation
    (refusal,) = told.nearest
    (reason,) = refusal.nics
    assert reason.detail.endswith(
        ": 1000 Mbps egress and 200 Mbps ingress wanted, "
        "at most 900 Mbps egress and 4000 Mbps ingress left on one PF"
    )


def test_what_is_only_a_wish_is_no_reason() -> None:
    wish = _under(numa=NumaPolicy.PREFERRED)
    told = refused(wish, a_fleet(a_host("h1", vfs("a", 1)))).explanation
    assert told.counts == {Reason.TOO_FEW_TOGETHER: 1}


def test_under_rules_it_is_said_of_which_pf_a_device_has_to_be_free() -> None:
    other = GroupRule(scope=Scope.CARD, apart=False, hard=True, nics=frozenset({"x", "y"}))
    both = replace(_together(), rules=(*_together().rules, other))
    host = a_host("h1", a_pf("a"), vfs("a", 2, owned=1), vfs("b.0", 1))
    told = refused(both, a_fleet(host)).explanation
    assert told.smallest_change in {
        f"one more free VF with e.physical_network=phy1 on PF address-of-a of h1 (for {nic})"
        for nic in ("x", "y")
    }


def test_so_many_hosts_are_looked_at_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """All hosts lack a VF. On the last by name that is all; elsewhere no PF can have both, too."""
    nics = tuple(replace(nic, egress_mbps=1) for nic in _together().nics)
    request = replace(_together(), nics=nics)
    left = {DeviceId(pf): Bandwidth(egress_mbps=9) for pf in "ab"}
    apart = [a_host(f"h{n}", vfs("a", 1, owned=1), vfs("b", 1)) for n in range(5)]
    hosts = [*apart, a_host("z", vfs("a", 2, owned=1))]
    fleet = a_fleet(*(replace(host, bandwidth_left=left) for host in hosts))
    explanation = refused(request, fleet).explanation
    assert explanation.nearest[0].host_name == "z"
    assert explanation.is_proven
    monkeypatch.setattr("trunkline.placement.reasons.explanation.LOOKS_MAX", 3)
    explanation = refused(request, fleet).explanation
    names = [refusal.host_name for refusal in explanation.nearest]
    assert names == ["h0", "h1", "h2", "h3", "h4", "z"]
    assert not explanation.is_proven


def test_rules_that_a_flow_expresses_take_no_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trunkline.placement.reasons.explanation.LOOKS_MAX", 0)
    both_pfs = [a_host(f"h{n}", vfs("a", 1, owned=1), vfs("b", 1)) for n in range(5)]
    fleet = a_fleet(*both_pfs, a_host("g", vfs("a", 2, owned=2)), a_host("z", vfs("a", 2, owned=1)))
    for apart, names in (False, "z"), (True, "h0"):
        explanation = refused(_together(apart=apart), fleet).explanation
        assert explanation.nearest[0].host_name == names
        assert explanation.is_proven


def test_which_nic_can_have_which_pf_decides_how_near_a_host_is() -> None:
    """The cheapest PFs of h1 are both on phy2, and x has to have one on phy1, which is dear."""
    wanted = a_request(a_whole_pf("x"), a_nic("y", "phy1", "phy2", kind=DeviceKind.PF))
    cheap = [part for name in "bc" for part in (a_pf(name, "phy2"), vfs(name, 1, "phy2", owned=1))]
    h1 = a_host("h1", a_pf("a"), vfs("a", 3, owned=3), *cheap)
    h2 = a_host("h2", a_pf("a"), vfs("a", 2, owned=2), a_pf("b", "phy2"), vfs("b", 1, owned=1))
    nearest = refused(wanted, a_fleet(h1, h2)).explanation.nearest
    assert [(one.host_name, one.missing) for one in nearest] == [("h2", 3), ("h1", 4)]

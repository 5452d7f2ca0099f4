"""Which devices with owners are named by a change: those that would do, and no others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.placement.builders import (
    a_host,
    a_nic,
    a_pf,
    a_request,
    a_whole_pf,
    only_refusal,
    text_of,
    vfs,
)
from trunkline.domain.nic_rules import Scope
from trunkline.placement.asks.edits import EditKind
from trunkline.placement.asks.request import GroupRule, PlacementRequest
from trunkline.placement.index.fleet import HostView

TOGETHER = GroupRule(scope=Scope.PF, apart=False, hard=True, nics=frozenset({"x", "y"}))


def freed(request: PlacementRequest, host: HostView) -> list[tuple[int, set[str | None]]]:
    """For each edit that frees devices: how many, of which."""
    return [
        (edit.count, {text_of(device) for device in edit.devices})
        for edit in only_refusal(request, host).edits
        if edit.kind is EditKind.FREE_DEVICE
    ]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (a_host("h1", vfs("a", 2, owned=2)), [(1, {"a.0", "a.1"})]),
        (a_host("h1", vfs("a", 1, owned=1), vfs("b", 2, owned=2)), [(1, {"a.0", "b.0", "b.1"})]),
        (a_host("h1", vfs("a", 1, owned=1), vfs("b", 2, "phy2", owned=2)), [(1, {"a.0"})]),
        (a_host("h1", a_pf("a", free=False), vfs("a", 2)), [(1, {"a"})]),
    ],
)
def test_for_a_vf(host: HostView, expected: list[tuple[int, set[str]]]) -> None:
    assert freed(a_request(a_nic("n", "phy1")), host) == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (a_host("h1", a_pf("a", free=False), a_pf("b", free=False)), [(1, {"a", "b"})]),
        (a_host("h1", a_pf("a"), vfs("a", 3, owned=2)), [(2, {"a.0", "a.1"})]),
        # Freeing b would not do: a VF of it has an owner, too.
        (
            a_host(
                "h1", a_pf("a", free=False), vfs("a", 1), a_pf("b", free=False),
                vfs("b", 1, owned=1),
            ),
            [(1, {"a"})],
        ),
        (a_host("h1", a_pf("b", free=False), vfs("b", 2, owned=1)), [(2, {"b", "b.0"})]),
    ],
)  # fmt: skip
def test_for_a_whole_pf(host: HostView, expected: list[tuple[int, set[str]]]) -> None:
    assert freed(a_request(a_whole_pf("n")), host) == expected


def test_a_device_off_offer_is_not_named_for_a_vf_and_is_for_its_pf() -> None:
    host = a_host("h1", a_pf("a"), vfs("a", 2, owned=2))
    (pf_pool, vf_pool) = sorted(host.pools, key=lambda pool: pool.kind.value)
    host = replace(host, pools=(pf_pool, replace(vf_pool, offered=0b10)))
    assert freed(a_request(a_nic("n", "phy1")), host) == [(1, {"a.1"})]
    assert freed(a_request(a_whole_pf("n")), host) == [(2, {"a.0", "a.1"})]


def test_a_vf_of_a_pf_that_a_nic_would_have_whole_is_not_named() -> None:
    """The whole PF is b, the cheaper one to empty; so the VF has to come from a."""
    host = a_host("h1", a_pf("a"), vfs("a", 3, owned=3), a_pf("b"), vfs("b", 2, owned=1))
    request = a_request(a_whole_pf("whole"), a_nic("part", "phy1"))
    assert sorted(freed(request, host), key=str) == [(1, {"a.0", "a.1", "a.2"}), (1, {"b.0"})]


def test_nics_of_two_kinds_have_their_own() -> None:
    host = a_host("h1", vfs("a", 2, owned=2), vfs("b", 2, "phy2", owned=2))
    request = a_request(a_nic("x", "phy1"), a_nic("y", "phy2"))
    assert freed(request, host) == [(1, {"a.0", "a.1"}), (1, {"b.0", "b.1"})]


def test_under_rules_devices_of_the_pf_that_is_told_are_named() -> None:
    host = a_host("h1", vfs("a", 2, owned=1), vfs("b", 2, owned=2))
    rules = (TOGETHER, replace(TOGETHER, scope=Scope.CARD))
    request = replace(a_request(a_nic("x", "phy1"), a_nic("y", "phy1")), rules=rules)
    assert freed(request, host) == [(1, {"a.0"})]


def test_of_what_a_host_lacks_it_is_told_how_much() -> None:
    host = a_host("h1", vcpus=2, memory_mib=2048, disk_gib=10)
    edits = only_refusal(a_request(vcpus=5, memory_mib=3000, disk_gib=17), host).edits
    assert {edit.kind: edit.lacking for edit in edits} == {
        EditKind.FREE_VCPUS: 3, EditKind.FREE_MEMORY: 952, EditKind.FREE_DISK: 7,
    }  # fmt: skip

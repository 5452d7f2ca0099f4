"""Which devices are chosen, and that all NICs are weighed together."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from tests.unit.placement.builders import (
    a_fleet,
    a_host,
    a_nic,
    a_pf,
    a_request,
    a_whole_pf,
    by_nic,
    device_ids,
    placed,
    refused,
    text_of,
    vfs,
)
from trunkline.domain.device import DeviceRef
from trunkline.domain.ids import HostName
from trunkline.domain.nic_rules import NumaPolicy, Scope
from trunkline.placement.asks.request import GroupRule, NicDemand, PlacementRequest, Reason
from trunkline.placement.place import candidates

TRUSTED_OR_NOT = a_host("h1", vfs("a", 1, trusted="true"), vfs("b", 1, trusted="false"))
ANY, TRUSTED = a_nic("any", "phy1"), a_nic("trusted", "phy1", trusted="true")


@pytest.mark.parametrize("nics", list(permutations([ANY, TRUSTED])))
def test_a_nic_that_fits_both_leaves_the_trusted_vf_to_the_nic_that_needs_it(
    nics: tuple[NicDemand, ...],
) -> None:
    answer = placed(a_request(*nics), a_fleet(TRUSTED_OR_NOT))
    assert by_nic(answer) == {
        "any": "b.0",
        "trusted": "a.0",
    }


@pytest.mark.parametrize(
    "nics", list(permutations([a_nic("x", "phy1", "phy2"), a_nic("y", "phy1")]))
)
def test_a_nic_moves_to_its_other_segment_for_a_nic_that_has_only_one(
    nics: tuple[NicDemand, ...],
) -> None:
    host = a_host("h1", vfs("a", 1, "phy1"), vfs("b", 1, "phy2"))
    answer = placed(a_request(*nics), a_fleet(host))
    assert {(c.nic, c.segment_id, text_of(c.device)) for c in answer.choices} == {
        ("x", "on phy2", "b.0"),
        ("y", "on phy1", "a.0"),
    }


def test_a_chain_of_nics_moves_along_for_the_last_one() -> None:
    host = a_host("h1", vfs("a", 1, "p1"), vfs("b", 1, "p2"), vfs("c", 1, "p3"), vfs("d", 1, "p4"))
    nics = [a_nic("1", "p1", "p2"), a_nic("2", "p2", "p3"), a_nic("3", "p3", "p4")]
    answer = placed(a_request(*nics, a_nic("4", "p1")), a_fleet(host))
    assert device_ids(answer) == ["b.0", "c.0", "d.0", "a.0"]


@pytest.mark.parametrize("nics", list(permutations([a_whole_pf("whole"), a_nic("slice", "phy1")])))
def test_a_pf_taken_whole_is_one_whose_vfs_the_other_nics_can_do_without(
    nics: tuple[NicDemand, ...],
) -> None:
    host = a_host("h1", a_pf("a"), vfs("a", 8), a_pf("b"))
    answer = placed(a_request(*nics), a_fleet(host))
    assert by_nic(answer) == {
        "whole": "b",
        "slice": "a.0",
    }


def test_a_pf_and_its_own_vf_are_never_given_together() -> None:
    host = a_host("h1", a_pf("a"), vfs("a", 8))
    (refusal,) = refused(
        a_request(a_whole_pf("whole"), a_nic("slice", "phy1")), a_fleet(host)
    ).explanation.nearest
    assert {one.reason for one in refusal.nics} == {Reason.TOO_FEW_TOGETHER}


def test_which_pfs_are_whole_is_searched_beyond_the_first_that_fits() -> None:
    host = a_host(
        "h1",
        [a_pf("a"), *vfs("a", 1, x="1")],
        [a_pf("b"), *vfs("b", 1, y="1")],
        [a_pf("c"), *vfs("c", 1, z="1")],
    )
    for tags in ("xy", "yz", "xz"):
        nics = [replace(a_nic(tag, "phy1"), attributes={f"e.{tag}": "1"}) for tag in tags]
        answer = placed(a_request(*nics, a_whole_pf("whole")), a_fleet(host))
        (spare,) = {"x", "y", "z"} - set(tags)
        assert device_ids(answer)[2] == {"x": "a", "y": "b", "z": "c"}[spare]


def test_a_pf_not_on_offer_does_not_keep_its_vfs_from_being_used() -> None:
    assert device_ids(placed(a_request(ANY), a_fleet(a_host("h1", vfs("a", 1))))) == ["a.0"]


def test_a_device_off_offer_is_not_chosen_and_its_owner_still_excludes_its_kin() -> None:
    owned = replace(vfs("a", 1, owned=1)[0], offered=False)
    host = a_host("h1", a_pf("a"), [owned])
    fleet = a_fleet(host)
    refused(a_request(a_whole_pf("whole")), fleet)
    fleet.free_device(host.id, owned.ref)
    refused(a_request(ANY), fleet)
    assert device_ids(placed(a_request(a_whole_pf("whole")), fleet)) == ["a"]


def test_a_normal_nic_takes_the_first_of_its_segments_that_has_a_bridge() -> None:
    host = a_host("h1", bridges=("phy2", "phy3"))
    nic = a_nic("n", "phy1", "phy3", "phy2", kind=None)
    (choice,) = placed(a_request(nic), a_fleet(host)).choices
    assert (choice.segment_id, choice.device) == ("on phy3", None)


def test_the_lowest_free_vf_is_chosen_first() -> None:
    host = a_host("h1", list(reversed(vfs("a", 12, owned=9))))
    answer = placed(a_request(ANY, replace(ANY, nic="second")), a_fleet(host))
    assert device_ids(answer) == ["a.9", "a.10"]


def test_the_answer_names_the_generation_it_was_decided_from() -> None:
    host = replace(a_host("h1"), generation=42)
    assert placed(a_request(), a_fleet(host)).seen_generation == 42


def test_an_admins_host_is_taken_and_no_other() -> None:
    fleet = a_fleet(a_host("h1", vcpus=99), a_host("h2"))
    asked = replace(a_request(), only_host=HostName("h2"))
    assert [p.host_id for p in candidates(asked, fleet)] == ["id-h2"]


def test_candidates_go_by_what_is_true_when_their_turn_comes() -> None:
    h1, h2, h3 = (a_host(name, vfs(f"{name}a", 1)) for name in ("h1", "h2", "h3"))
    fleet = a_fleet(h1, h2, h3)
    turns = candidates(a_request(ANY), fleet)
    assert next(turns).host_id == h1.id
    fleet.take_device(h2.id, DeviceRef(h2.pools[0].kin_id, 0))
    fleet.set_generation(h3.id, 9)
    third = next(turns)
    assert (third.host_id, third.seen_generation) == (h3.id, 9)
    assert list(turns) == []


def together(scope: Scope, *, apart: bool) -> GroupRule:
    return GroupRule(scope=scope, apart=apart, hard=True, nics=frozenset({"x", "y"}))


def ruled(*rules: GroupRule) -> PlacementRequest:
    return replace(a_request(a_nic("x", "phy1"), a_nic("y", "phy1")), rules=rules)


def test_nics_that_must_be_apart_get_devices_of_two_pfs_or_none() -> None:
    apart = ruled(together(Scope.PF, apart=True))
    two = a_host("h1", a_pf("a"), vfs("a", 8), a_pf("b"), vfs("b", 1))
    assert set(device_ids(placed(apart, a_fleet(two)))) == {"a.0", "b.0"}
    refused(apart, a_fleet(a_host("h1", a_pf("a"), vfs("a", 8))))


def test_nics_that_must_be_together_get_devices_of_one_pf_or_none() -> None:
    one = ruled(together(Scope.PF, apart=False))
    host = a_host("h1", vfs("a", 1), vfs("b", 2), vfs("c", 1))
    assert device_ids(placed(one, a_fleet(host))) == ["b.0", "b.1"]
    refused(one, a_fleet(a_host("h1", vfs("a", 1), vfs("b", 1))))


def test_ports_of_one_card_are_known_by_their_address() -> None:
    apart = ruled(together(Scope.CARD, apart=True))
    first, second, other = (
        replace(a_pf(name), address=address)
        for name, address in (("a", "0000:05:00.0"), ("b", "0000:05:00.1"), ("c", "0000:82:00.0"))
    )
    refused(apart, a_fleet(a_host("h1", first, vfs("a", 4), second, vfs("b", 4))))
    host = a_host("h1", first, vfs("a", 4), second, vfs("b", 4), other, vfs("c", 1))
    assert "c.0" in device_ids(placed(apart, a_fleet(host)))


def test_what_is_not_known_of_a_host_is_refused_rather_than_left_out_of_account() -> None:
    fleet = a_fleet(a_host("h1", a_pf("a"), vfs("a", 8)))
    nic = a_nic("x", "phy1")
    refused(a_request(replace(nic, numa=NumaPolicy.REQUIRED)), fleet)
    refused(a_request(replace(nic, egress_mbps=100)), fleet)
    placed(a_request(replace(nic, numa=NumaPolicy.LEGACY)), fleet)


def test_nics_are_kept_on_one_switch_or_on_two_by_its_tag() -> None:
    host = a_host(
        "h1", vfs("a", 2, switch="s1"), vfs("b", 2, switch="s1"), vfs("c", 1, switch="s2")
    )
    apart = placed(ruled(together(Scope.SWITCH, apart=True)), a_fleet(host))
    assert "c.0" in device_ids(apart)
    one = placed(ruled(together(Scope.SWITCH, apart=False)), a_fleet(host))
    assert "c.0" not in device_ids(one)


def test_a_tag_of_the_pf_says_where_its_vfs_are_too() -> None:
    apart = ruled(together(Scope.SWITCH, apart=True))
    told = a_host("h1", a_pf("a", switch="s1"), vfs("a", 1), vfs("b", 1, switch="s2"))
    assert set(device_ids(placed(apart, a_fleet(told)))) == {"a.0", "b.0"}
    refused(apart, a_fleet(a_host("h1", a_pf("a"), vfs("a", 1), vfs("b", 1, switch="s2"))))


def test_where_tags_of_one_pf_contradict_its_switch_is_not_known() -> None:
    apart = ruled(together(Scope.SWITCH, apart=True))
    contradicting = [*vfs("a", 1, switch="s1"), vfs("a", 2, switch="s3")[1]]
    refused(apart, a_fleet(a_host("h1", contradicting, vfs("b", 1, switch="s2"))))

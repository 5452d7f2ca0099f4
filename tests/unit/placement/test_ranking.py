"""Which host and which of several fitting devices come first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.placement.builders import (
    a_fleet,
    a_host,
    a_nic,
    a_request,
    device_ids,
    host_names,
    placed,
    vfs,
)
from trunkline.placement.index.criteria import make_ranking
from trunkline.placement.place import candidates


def test_a_server_without_devices_stays_off_hosts_that_have_some() -> None:
    fleet = a_fleet(a_host("a", vfs("p", 8), memory_mib=99_000), a_host("b", memory_mib=9_000))
    assert host_names(fleet, list(candidates(a_request(), fleet))) == ["b", "a"]


def test_a_host_whose_devices_were_all_taken_off_offer_counts_as_one_without_any() -> None:
    withdrawn = [replace(vf, offered=False) for vf in vfs("p", 2, owned=1)]
    fleet = a_fleet(
        a_host("a", withdrawn, memory_mib=9_000),
        a_host("b", vfs("q", 8), memory_mib=99_000),
        a_host("c", withdrawn, vfs("r", 1), memory_mib=50_000),
    )
    assert host_names(fleet, list(candidates(a_request(), fleet))) == ["a", "b", "c"]


def test_hosts_whose_devices_have_tags_nobody_asked_for_come_last() -> None:
    fleet = a_fleet(
        a_host("a", vfs("p", 64, trusted="true")),
        a_host("b", vfs("p", 1, trusted="false")),
        a_host("c", vfs("p", 1)),
    )
    plain, trusted = a_nic("n", "phy1"), a_nic("n", "phy1", trusted="true")
    assert host_names(fleet, list(candidates(a_request(plain), fleet))) == ["b", "c", "a"]
    assert host_names(fleet, list(candidates(a_request(trusted), fleet))) == ["a"]


def test_within_a_host_devices_without_unasked_tags_are_used_first() -> None:
    host = a_host("h", vfs("a", 8, trusted="true"), vfs("b", 2))
    nics = [a_nic(f"n{n}", "phy1") for n in range(3)]
    assert device_ids(placed(a_request(*nics), a_fleet(host))) == ["a.0", "b.0", "b.1"]


def test_servers_spread_to_the_host_with_most_fitting_devices() -> None:
    fleet = a_fleet(
        a_host("a", vfs("p", 9, owned=6), vfs("q", 64, "phy2")),
        a_host("b", vfs("p", 4)),
    )
    assert host_names(fleet, list(candidates(a_request(a_nic("n", "phy1")), fleet))) == ["b", "a"]


def test_servers_spread_however_many_devices_fit() -> None:
    fleet = a_fleet(
        a_host("a", *(vfs(f"a{n}", 130) for n in range(4))),
        a_host("b", *(vfs(f"b{n}", 250) for n in range(4))),
    )
    assert host_names(fleet, list(candidates(a_request(a_nic("n", "phy1")), fleet))) == ["b", "a"]


def test_then_to_the_host_with_most_free_memory() -> None:
    fleet = a_fleet(a_host("a", memory_mib=2048), a_host("b", memory_mib=4096))
    assert host_names(fleet, list(candidates(a_request(), fleet))) == ["b", "a"]


def test_then_by_name() -> None:
    fleet = a_fleet(a_host("b"), a_host("c"), a_host("a"))
    assert host_names(fleet, list(candidates(a_request(), fleet))) == ["a", "b", "c"]


def test_vfs_come_from_the_pf_with_most_left() -> None:
    host = a_host("h", vfs("a", 8, owned=5), vfs("b", 8, owned=2), vfs("c", 8, owned=4))
    nics = [a_nic(f"n{n}", "phy1") for n in range(4)]
    ids = device_ids(placed(a_request(*nics), a_fleet(host)))
    assert sorted(map(str, ids)) == ["b.2", "b.3", "b.4", "c.4"]


@pytest.mark.parametrize("first", ["a", "b"])
def test_like_pfs_are_used_in_the_order_of_their_addresses(first: str) -> None:
    families = {name: vfs(name, 2) for name in ("a", "b")}
    host = a_host("h", families.pop(first), *families.values())
    assert device_ids(placed(a_request(a_nic("n", "phy1")), a_fleet(host))) == ["a.0"]


def test_two_nics_of_one_network_go_to_two_like_pfs() -> None:
    host = a_host("h", vfs("a", 8), vfs("b", 8))
    nics = [a_nic("n0", "phy1"), a_nic("n1", "phy1")]
    assert set(device_ids(placed(a_request(*nics), a_fleet(host)))) == {"a.0", "b.0"}


@pytest.mark.parametrize(
    ("subject", "field"),
    [("vcpus", "free_vcpus"), ("memory", "free_memory_mib"), ("disk", "free_disk_gib")],
)
def test_hosts_are_spread_or_packed_by_what_they_have_free(subject: str, field: str) -> None:
    amounts = {"a": 4096, "b": 8192, "c": 4096}
    hosts = []
    for name, amount in amounts.items():
        fields: dict[str, Any] = {field: amount}
        hosts.append(replace(a_host(name), **fields))
    for direction, order in (("spread", ["b", "a", "c"]), ("pack", ["a", "c", "b"])):
        for ranking in (
            make_ranking([f"{direction}_{subject}"], None),
            make_ranking(None, {f"{direction}_{subject}": 3.5}),
        ):
            fleet = a_fleet(*hosts, ranking=ranking)
            assert host_names(fleet, list(candidates(a_request(), fleet))) == order


def test_packed_by_devices_the_host_with_fewest_that_fit_is_filled_first() -> None:
    hosts = [
        a_host("a", vfs("a", 9, owned=6), vfs("aa", 64, "phy2")),
        a_host("b", vfs("b", 4)),
        a_host("c", vfs("c", 8, owned=8)),
    ]
    fleet = a_fleet(*hosts, ranking=make_ranking(["pack_devices"], None))
    assert host_names(fleet, list(candidates(a_request(a_nic("n", "phy1")), fleet))) == ["a", "b"]


def test_a_later_criterion_decides_only_where_the_earlier_ones_are_equal() -> None:
    hosts = [
        a_host("a", vfs("a", 8, trusted="true"), memory_mib=9_000),
        a_host("b", vfs("b", 8), memory_mib=8_000),
        a_host("c", vfs("c", 8), memory_mib=7_000),
    ]
    request = a_request(a_nic("n", "phy1"))
    for names, order in (
        (["spare_tags", "spread_memory"], ["b", "c", "a"]),
        (["spare_tags", "pack_memory"], ["c", "b", "a"]),
        (["spread_memory", "spare_tags"], ["a", "b", "c"]),
        ([], ["a", "b", "c"]),
    ):
        fleet = a_fleet(*hosts, ranking=make_ranking(names, None))
        assert host_names(fleet, list(candidates(request, fleet))) == order, names


def test_by_weights_a_little_of_one_thing_makes_up_for_much_of_another() -> None:
    hosts = [
        a_host("a", memory_mib=2_000, vcpus=40),  # Best by vCPUs, worst by memory.
        a_host("b", memory_mib=10_000, vcpus=30),
        a_host("c", memory_mib=6_000, vcpus=38),  # Half of the memory, four fifths of the vCPUs.
    ]
    for weights, order in (
        ({"spread_memory": 1, "spread_vcpus": 1}, ["c", "a", "b"]),
        ({"spread_memory": 3, "spread_vcpus": 1}, ["b", "c", "a"]),
        ({"pack_memory": 1, "spread_vcpus": 0.1}, ["a", "c", "b"]),
    ):
        fleet = a_fleet(*hosts, ranking=make_ranking(None, weights))
        assert host_names(fleet, list(candidates(a_request(), fleet))) == order, weights


def test_by_weights_a_server_without_devices_can_be_kept_off_hosts_that_have_some() -> None:
    hosts = a_host("a", vfs("p", 8), memory_mib=99_000), a_host("b", memory_mib=9_000)
    for weight, order in ((2, ["b", "a"]), (0.5, ["a", "b"])):
        weights = {"spare_hosts_with_devices": weight, "spread_memory": 1}
        fleet = a_fleet(*hosts, ranking=make_ranking(None, weights))
        assert host_names(fleet, list(candidates(a_request(), fleet))) == order


def test_tags_in_vain_count_once_for_each_nic() -> None:
    fleet = a_fleet(
        a_host("a", vfs("a1", 8, speed="25g"), vfs("a2", 8, "phy2")),
        a_host("b", vfs("b1", 8), vfs("b2", 8, "phy2", speed="25g", trusted="true")),
    )
    nics = [a_nic(f"n{n}", "phy1") for n in range(3)]
    request = a_request(*nics, a_nic("m", "phy2"))
    assert host_names(fleet, list(candidates(request, fleet))) == ["b", "a"]

"""Which host and which of several fitting devices come first."""

from __future__ import annotations

from dataclasses import replace

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

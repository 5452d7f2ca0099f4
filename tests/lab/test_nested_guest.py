"""What libvirt does to VFs when guests start and end, before the first instruction of a guest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lab.channel import RaisedInside
from lab.guest import cards, nested
from lab.machine import VFS_PER_CARD, LabHost

MAC = "52:54:00:0a:00:01"


@pytest.fixture(scope="module")
def with_libvirt(running_lab_host: LabHost) -> LabHost:
    running_lab_host.reset(vf_count=VFS_PER_CARD)
    running_lab_host.channel.call(nested.start_libvirtd)
    return running_lab_host


@pytest.fixture
def host(with_libvirt: LabHost) -> Iterator[LabHost]:
    """The lab host with libvirt running; VFs that nobody has touched, domains and networks none."""
    yield with_libvirt
    with_libvirt.channel.call(nested.end_all)
    with_libvirt.channel.call(cards.reset_vfs, "pf1", VFS_PER_CARD)


def settings(host: LabHost, vf_index: int) -> tuple[Any, Any]:
    found = host.channel.call(cards.vf_settings, "pf1")[vf_index]
    return found["mac"], found["vlan"]


def test_libvirt_makes_no_pool_while_a_vf_is_in_another_network_namespace(host: LabHost) -> None:
    call = host.channel.call
    call(cards.use_vf, "pf1", 1, namespace="guest", address="198.51.100.1/24")
    with pytest.raises(RaisedInside, match="Could not get Virtual functions"):
        call(nested.create_hostdev_network, "phy1", "pf1")
    call(cards.run, "ip", "netns", "delete", "guest")
    call(cards.wait_for_vf_netdev, "pf1", 1)
    call(nested.create_hostdev_network, "phy1", "pf1")


@pytest.mark.parametrize("kind", ["vf", "network"])
def test_libvirt_programs_a_vf_before_its_guest_runs(host: LabHost, kind: str) -> None:
    call = host.channel.call
    if kind == "network":
        call(nested.create_hostdev_network, "phy1", "pf1")
        interface = nested.network_interface("phy1", mac=MAC, vlan=200)
    else:
        interface = nested.vf_interface(call(cards.vf_address, "pf1", 0), mac=MAC, vlan=200)
    call(nested.start_paused, "web", interface)
    found = call(cards.vf_settings, "pf1")
    assert [(vf["mac"], vf["vlan"]) for vf in found if vf["vlan"]] == [(MAC, 200)]


def test_libvirt_takes_a_vlan_away_that_its_xml_does_not_name_until_the_guest_ends(
    host: LabHost,
) -> None:
    call = host.channel.call
    call(cards.set_vf, "pf1", 0, vlan=120)
    interface = nested.vf_interface(call(cards.vf_address, "pf1", 0), mac=MAC, vlan=None)
    call(nested.start_paused, "web", interface)
    assert settings(host, 0) == (MAC, 0)
    call(nested.end_guest, "web")
    assert settings(host, 0) == ("00:00:00:00:00:00", 120)


def test_a_macvtap_of_libvirt_sits_on_a_vf_with_its_mac_and_vlan(host: LabHost) -> None:
    call = host.channel.call
    call(cards.bind, call(cards.vf_address, "pf1", 2), "igbvf")
    call(cards.wait_for_vf_netdev, "pf1", 2)
    netdev = call(cards.vf_netdev, "pf1", 2)
    call(cards.run, "ip", "link", "set", netdev, "up")
    interface = nested.macvtap_interface(netdev, mac=MAC, vlan=120)
    call(nested.start_paused, "web", interface)
    assert settings(host, 2) == (MAC, 120)
    assert f"@{netdev}" in call(cards.run, "ip", "-o", "link", "show", "type", "macvtap")

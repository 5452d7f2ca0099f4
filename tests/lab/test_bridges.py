"""Bridges of a stock kernel over an igb PF: the same suite as the simulated ones, and a VF."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lab.guest import cards
from lab.machine import LabHost
from tests.contract.bridge_suite import *  # noqa: F403  # the suite: all of its tests
from tests.contract.bridge_suite import BRIDGE, TAP, port
from tests.lab import bridges_inside
from tests.lab.test_linux_kernel import KernelInside
from trunkline.domain.ether import MacAddress
from trunkline.domain.pci import PciAddress

PF = PciAddress.parse(cards.pf_address(1))
VF_MAC, NORMAL_MAC = "52:54:00:01:00:00", "52:54:00:01:01:00"


@dataclass(frozen=True)
class LabSite:
    kernel: KernelInside
    pf: PciAddress = PF
    uplink: str = "pf1"
    loose: str = "pf2"

    def switch_filtering_off(self) -> None:
        self.kernel.host.channel.call(bridges_inside.switch_filtering_off, BRIDGE)


@pytest.fixture(scope="module")
def host_with_vfs(running_lab_host: LabHost) -> LabHost:
    running_lab_host.reset(vf_count=7)
    return running_lab_host


@pytest.fixture
def site(host_with_vfs: LabHost) -> Iterator[LabSite]:
    call = host_with_vfs.channel.call
    call(bridges_inside.make_bridge, BRIDGE, "pf1", TAP)
    yield LabSite(KernelInside(host_with_vfs))
    call(bridges_inside.remove_bridge, BRIDGE, TAP)


@pytest.fixture
def mixed(lab_host_with_vfs: LabHost) -> Iterator[LabSite]:
    """A VF and a normal port on one PF, both on VLAN 120."""
    call = lab_host_with_vfs.channel.call
    site = LabSite(KernelInside(lab_host_with_vfs))
    call(bridges_inside.make_bridge, BRIDGE, "pf1", TAP)
    call(cards.set_vf, "pf1", 0, mac=VF_MAC, vlan=120)
    call(cards.use_vf, "pf1", 0, namespace="vf", address="198.51.100.1/24")
    call(
        bridges_inside.use_port, BRIDGE, "normal", mac=NORMAL_MAC, namespace="normal",
        address="198.51.100.2/24",
    )  # fmt: skip
    site.kernel.set_port_vlan("normal", 1, untagged=False, member=False)
    site.kernel.set_port_vlan("normal", 120, untagged=True, member=True)
    site.kernel.set_port_vlan("pf1", 120, untagged=False, member=True)
    yield site
    call(bridges_inside.remove_bridge, BRIDGE, TAP)


def test_a_vf_and_a_normal_port_of_one_pf_reach_each_other(mixed: LabSite) -> None:
    host = mixed.kernel.host
    mixed.kernel.set_pf_address("pf1", MacAddress.parse(NORMAL_MAC), present=True)
    assert host.channel.call(cards.answers, "vf", "198.51.100.2")
    assert host.channel.call(cards.answers, "normal", "198.51.100.1")
    assert port(mixed, "normal").carries_alone(120)


def test_a_guest_gets_nothing_of_the_vlan_that_its_bridge_puts_new_ports_into(
    site: LabSite,
) -> None:
    call = site.kernel.host.channel.call
    before, after = call(bridges_inside.frames_of_others, BRIDGE, 120)
    assert before > 0, "it waits in the tap until the tap has a VLAN of its own"
    assert after == 0

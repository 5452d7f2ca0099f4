"""What the agent may rely on from any kernel about bridges.

One suite for every implementation: a test module imports all of it, and has a fixture `site`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import pytest

from trunkline.domain.bridge import BridgePort
from trunkline.domain.ether import MacAddress
from trunkline.domain.pci import PciAddress
from trunkline.reconcile.interfaces import HostRefused, Kernel

MAC = MacAddress.parse("02:00:00:00:00:0a")
BRIDGE, TAP = "br-phy1", "tl0123456789ab"


class BridgeSite(Protocol):
    """A VLAN-aware bridge with the PF as its uplink and a tap; the PF has VFs."""

    @property
    def kernel(self) -> Kernel: ...

    @property
    def pf(self) -> PciAddress: ...

    @property
    def uplink(self) -> str: ...  # The PF's netdev.

    @property
    def loose(self) -> str: ...  # A netdev that is on no bridge.

    def switch_filtering_off(self) -> None: ...


def port(site: BridgeSite, ifname: str) -> BridgePort:
    return site.kernel.bridges([BRIDGE])[BRIDGE].ports[ifname]


def set_vlan(
    site: BridgeSite, ifname: str, vlan_id: int, *, untagged: bool = False, member: bool = True
) -> None:
    site.kernel.set_port_vlan(ifname, vlan_id, untagged=untagged, member=member)


def errno_of(act: Callable[[], object]) -> str:
    with pytest.raises(HostRefused) as refused:
        act()
    return refused.value.errno_name


def test_a_bridge_tells_its_ports_which_of_them_lead_out_and_over_what(site: BridgeSite) -> None:
    bridge = site.kernel.bridges([BRIDGE])[BRIDGE]
    assert bridge.name == BRIDGE
    assert bridge.vlan_filtering
    assert bridge.default_pvid == 1
    assert set(bridge.ports) == {site.uplink, TAP}
    assert [each.ifname for each in bridge.uplinks] == [site.uplink]
    assert bridge.ports[site.uplink].functions == {site.pf}
    assert bridge.ports[TAP].functions == frozenset()


def test_what_is_no_bridge_is_left_out(site: BridgeSite) -> None:
    assert site.kernel.bridges(["br-nowhere", site.loose]) == {}


def test_a_new_port_is_in_the_default_vlan_untagged(site: BridgeSite) -> None:
    assert port(site, TAP) == site.kernel.bridges([BRIDGE])[BRIDGE].new_port(TAP)
    assert port(site, TAP).carries_alone(1)


def test_a_tap_is_moved_from_the_default_vlan_to_its_own(site: BridgeSite) -> None:
    set_vlan(site, TAP, 1, member=False)
    assert port(site, TAP).carries_alone(0)
    set_vlan(site, TAP, 120, untagged=True)
    assert port(site, TAP).carries_alone(120)


def test_an_uplink_carries_a_vlan_tagged_besides_its_own(site: BridgeSite) -> None:
    set_vlan(site, site.uplink, 120)
    assert port(site, site.uplink).carries_tagged(120)
    assert port(site, site.uplink).pvid == 1
    set_vlan(site, site.uplink, 120, member=False)
    assert dict(port(site, site.uplink).vlans) == {1: True}


def test_a_vlan_that_a_port_has_comes_to_be_as_told(site: BridgeSite) -> None:
    set_vlan(site, TAP, 120, untagged=True)
    assert (port(site, TAP).pvid, dict(port(site, TAP).vlans)) == (120, {1: True, 120: True})
    set_vlan(site, TAP, 120)
    assert (port(site, TAP).pvid, port(site, TAP).carries_tagged(120)) == (0, True)
    set_vlan(site, TAP, 120)


def test_taking_a_vlan_that_a_port_has_not_changes_nothing(site: BridgeSite) -> None:
    before = port(site, TAP)
    set_vlan(site, TAP, 77, member=False)
    assert port(site, TAP) == before


def test_what_is_no_vlan_or_no_port_is_refused(site: BridgeSite) -> None:
    assert errno_of(lambda: set_vlan(site, TAP, 4095)) == "EINVAL"
    assert errno_of(lambda: set_vlan(site, site.loose, 120)) == "EOPNOTSUPP"
    assert errno_of(lambda: set_vlan(site, "tl-nowhere", 120)) == "ENODEV"


def test_without_filtering_a_bridge_takes_vlans_and_does_not_go_by_them(site: BridgeSite) -> None:
    site.switch_filtering_off()
    set_vlan(site, TAP, 120, untagged=True)
    assert port(site, TAP).pvid == 120
    assert not site.kernel.bridges([BRIDGE])[BRIDGE].vlan_filtering


def test_addresses_are_added_to_a_pfs_own_table_and_removed(site: BridgeSite) -> None:
    assert MAC not in site.kernel.pf_addresses(site.pf)
    for _ in range(2):  # The same again is no change.
        site.kernel.set_pf_address(site.uplink, MAC, present=True)
        assert MAC in site.kernel.pf_addresses(site.pf)
    site.kernel.set_pf_address(site.uplink, MAC, present=False)
    assert MAC not in site.kernel.pf_addresses(site.pf)


def test_an_address_that_is_not_there_can_not_be_removed(site: BridgeSite) -> None:
    assert errno_of(lambda: site.kernel.set_pf_address(site.uplink, MAC, present=False)) == "ENOENT"

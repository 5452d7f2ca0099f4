"""What the agent may rely on from libvirt's networks that hand out devices.

Of forward mode passthrough, which needs no SR-IOV: the lab has the other one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract.domains import domain_xml
from tests.contract.guests import A, B, FakeSite, GuestSite, libvirt_site
from trunkline.domain.ids import ServerId
from trunkline.domain.network_pool import PoolMode, PoolNetwork
from trunkline.reconcile.config_drive import guest_address
from trunkline.reconcile.interfaces import HostRefused
from trunkline.reconcile.network_pools import network_xml
from trunkline.reconcile.observed import NetworkState

NAME = "trunkline-phy1"
FIRST, SECOND = NETDEVS = ("eth2v0", "eth2v1")
BOTH = PoolNetwork(PoolMode.PASSTHROUGH, NETDEVS)
ONLY_SECOND = PoolNetwork(PoolMode.PASSTHROUGH, (SECOND,))


@pytest.fixture(params=["fake", pytest.param("libvirt", marks=pytest.mark.system)])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[GuestSite]:
    if request.param == "fake":
        yield FakeSite(tmp_path)
        return
    with libvirt_site(request.getfixturevalue("private_libvirtd")) as made:
        for netdev in NETDEVS:
            made.libvirtd.run("ip", "link", "add", netdev, "type", "veth")
            made.libvirtd.run("ip", "link", "set", netdev, "up")
        yield made
        for name in made.hypervisor.networks():
            made.libvirtd.virsh("net-destroy", name, check=False)
            made.libvirtd.virsh("net-undefine", name)
        for netdev in NETDEVS:
            made.libvirtd.run("ip", "link", "del", netdev)


@pytest.fixture
def network(site: GuestSite) -> GuestSite:
    """The site with a network of both netdevs, active."""
    site.hypervisor.define_network(network_xml(NAME, BOTH))
    site.hypervisor.start_network(NAME)
    return site


def xml(site: GuestSite, server_id: ServerId, *, nics: int = 1) -> str:
    given = [
        f"<interface type='network'><mac address='02:00:00:00:{server_id[-1:]}0:0{number}'/>"
        f"<source network='{NAME}'/><model type='virtio'/><address type='pci' domain='0x0000'"
        f" bus='0x{guest_address(number).bus:02x}' slot='0x00' function='0x0'/></interface>"
        for number in range(nics)
    ]
    made = domain_xml(
        *given, server_id=server_id, name=server_id[-1:], domain_type=site.domain_type
    )
    return made.replace("<type>", "<type machine='q35'>")


def start(site: GuestSite, server_id: ServerId, *, nics: int = 1) -> None:
    site.hypervisor.define(xml(site, server_id, nics=nics))
    site.start_paused(server_id)


def test_a_network_is_told_as_it_is_and_as_it_will_be(site: GuestSite) -> None:
    libvirt = site.hypervisor
    libvirt.define_network(network_xml(NAME, BOTH))
    defined = NetworkState(is_ours=True, autostarts=True, defined=BOTH)
    assert libvirt.networks() == {NAME: defined}
    libvirt.start_network(NAME)
    active = replace(defined, is_active=True, live=BOTH)
    assert libvirt.networks() == {NAME: active}
    # What is active stays as it was started.
    libvirt.define_network(network_xml(NAME, ONLY_SECOND))
    assert libvirt.networks() == {NAME: replace(active, defined=ONLY_SECOND)}
    libvirt.destroy_network(NAME)
    assert libvirt.networks() == {NAME: replace(defined, defined=ONLY_SECOND)}
    libvirt.undefine_network(NAME)
    assert libvirt.networks() == {}


def test_a_definition_with_another_uuid_is_refused_and_so_is_what_there_is_not(
    network: GuestSite,
) -> None:
    libvirt = network.hypervisor
    renamed = network_xml("another", ONLY_SECOND).replace("another", NAME)
    with pytest.raises(HostRefused, match="already exists with uuid"):
        libvirt.define_network(renamed)
    with pytest.raises(HostRefused, match="no network with matching name"):
        libvirt.start_network("another")
    with pytest.raises(HostRefused, match="already active"):
        libvirt.start_network(NAME)


def test_a_guest_is_given_a_device_that_no_other_has_and_shows_which(network: GuestSite) -> None:
    libvirt = network.hypervisor
    start(network, A)
    start(network, B)
    given = [libvirt.guests().domains[each].given for each in (A, B)]
    assert given == [{guest_address(0): FIRST}, {guest_address(0): SECOND}]
    assert libvirt.guests().domains[A].ifnames == {FIRST}
    assert libvirt.networks()[NAME].in_use
    network.destroy(A)
    assert libvirt.guests().domains[A].given == {}
    network.start_paused(A)
    network.destroy(A)
    network.destroy(B)
    assert not libvirt.networks()[NAME].in_use


def test_without_a_device_left_nothing_is_started(network: GuestSite) -> None:
    libvirt = network.hypervisor
    start(network, A)
    libvirt.define(xml(network, B, nics=2))
    with pytest.raises(HostRefused, match="exclusive access to interfaces, but none are available"):
        network.start_paused(B)
    assert not libvirt.guests().domains[B].power.has_guest
    # The one that there was for its other NIC is given back.
    start(network, B)


def test_a_network_that_is_not_there_or_not_active_refuses_guests(site: GuestSite) -> None:
    libvirt = site.hypervisor
    libvirt.define(xml(site, A))
    with pytest.raises(HostRefused, match="Network not found"):
        site.start_paused(A)
    libvirt.define_network(network_xml(NAME, BOTH))
    with pytest.raises(HostRefused, match="is not active"):
        site.start_paused(A)


def test_a_network_that_was_stopped_has_forgotten_who_has_what(network: GuestSite) -> None:
    libvirt = network.hypervisor
    start(network, A)
    libvirt.destroy_network(NAME)
    assert libvirt.guests().domains[A].given == {guest_address(0): FIRST}
    libvirt.start_network(NAME)
    assert not libvirt.networks()[NAME].in_use
    libvirt.define(xml(network, B))
    with pytest.raises(HostRefused):  # It gives the same one again.
        network.start_paused(B)

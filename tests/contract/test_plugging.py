"""What the agent may rely on from any libvirt of NICs that guests are given while they run.

Guests have no system here: one lets go of what was plugged in before any would power the slot on,
and of nothing that it was started with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract.guests import A, FakeSite, GuestSite, LibvirtSite, libvirt_site
from tests.reconcile.scenes import VIF_TYPES, a_nic, a_server
from trunkline.domain.port import VnicType
from trunkline.reconcile.desired import NicConfig
from trunkline.reconcile.domain_xml import SPARE_PORTS, DomainOptions, define, device_xml
from trunkline.reconcile.interfaces import HostRefused
from trunkline.reconcile.nic_steps import PlugNic, UnplugNic
from trunkline.reconcile.observed import DomainPower, DomainState

UNPLUG_SECONDS = 2.0
# By ACPI, QEMU's default, a guest without a system would not let go of what was plugged in either.
NATIVE = (
    "<commandline xmlns='http://libvirt.org/schemas/domain/qemu/1.0'><arg value='-global'/>"
    "<arg value='ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off'/></commandline>"
)


@pytest.fixture(params=["fake", "slow fake", pytest.param("libvirt", marks=pytest.mark.system)])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[GuestSite]:
    if request.param != "libvirt":
        yield FakeSite(tmp_path, slow=request.param == "slow fake")
    else:
        with libvirt_site(request.getfixturevalue("private_libvirtd")) as made:
            made.hypervisor = made.connect(unplug_seconds=UNPLUG_SECONDS)
            yield made


def a_tap(number: int) -> NicConfig:
    return a_nic(number, None, VnicType.NORMAL)


def run_guest(site: GuestSite, *nics: NicConfig) -> None:
    server = replace(a_server(1, *nics), id=A, disk_gib=0, memory_mib=64, vcpus=1, guest=None)
    options = DomainOptions(domain_type=site.domain_type)
    xml = define(server, VIF_TYPES, options).xml
    site.hypervisor.define(xml.replace("</domain>", f"{NATIVE}</domain>"))
    site.start_paused(A)
    site.hypervisor.resume(A)


def plug(site: GuestSite, nic: NicConfig) -> None:
    step = PlugNic(
        server_id=A, port_id=nic.port_id, xml=device_xml(nic, VIF_TYPES), ifname=nic.logical_name
    )
    site.hypervisor.plug(step)
    site.see_through(A)
    if nic.logical_name not in state(site).ifnames:
        site.hypervisor.plug(step)
        raise AssertionError("neither plugged in nor refused")


def plug_all(site: GuestSite, numbers: range) -> None:
    for number in numbers:
        plug(site, a_tap(number))


def unplug(site: GuestSite, nic: NicConfig) -> None:
    step = UnplugNic(server_id=A, port_id=nic.port_id, ifname=nic.logical_name)
    site.hypervisor.unplug(step)
    site.see_through(A)
    if nic.logical_name in state(site).ifnames:
        site.hypervisor.unplug(step)
        raise AssertionError("neither let go of nor refused")


def state(site: GuestSite) -> DomainState:
    return site.hypervisor.guests().domains[A]


def test_a_guest_that_runs_is_given_a_nic_and_lets_go_of_it(site: GuestSite) -> None:
    run_guest(site, a_tap(1))
    plug(site, a_tap(2))
    assert state(site).ifnames == {a_tap(1).logical_name, a_tap(2).logical_name}
    unplug(site, a_tap(2))
    assert state(site).ifnames == {a_tap(1).logical_name}
    plug(site, a_tap(2))
    assert state(site).power is DomainPower.RUNNING


def test_a_nic_that_was_plugged_in_is_there_at_the_next_start(site: GuestSite) -> None:
    run_guest(site)
    plug(site, a_tap(2))
    plug(site, a_tap(3))
    unplug(site, a_tap(3))
    site.destroy(A)
    site.start_paused(A)
    assert state(site).ifnames == {a_tap(2).logical_name}


def test_a_guest_that_is_halted_is_given_nics_and_lets_go_of_none(site: GuestSite) -> None:
    run_guest(site, a_tap(1))
    site.hypervisor.suspend(A)
    assert state(site).power is DomainPower.PAUSED
    plug(site, a_tap(2))
    with pytest.raises(HostRefused):
        unplug(site, a_tap(1))
    assert a_tap(1).logical_name in state(site).ifnames
    site.hypervisor.resume(A)
    assert state(site).power is DomainPower.RUNNING


def test_what_is_refused_is_told_to_who_asks_again(site: GuestSite) -> None:
    run_guest(site)
    nic = replace(a_tap(2), bridge="br-no")
    with pytest.raises(HostRefused, match="br-no"):
        plug(site, nic)
    assert state(site).ifnames == set()
    assert state(site).power is DomainPower.RUNNING
    plug(site, a_tap(3))


def test_only_a_guest_can_be_given_a_nic_or_lose_one(site: GuestSite) -> None:
    run_guest(site, a_tap(1))
    site.destroy(A)
    for change in (plug, unplug):
        with pytest.raises(HostRefused, match="domain is not running"):
            change(site, a_tap(1))


def test_a_guest_has_room_for_some_nics_more(site: GuestSite) -> None:
    run_guest(site, a_tap(1))
    plug_all(site, range(2, 2 + SPARE_PORTS))
    with pytest.raises(HostRefused, match="No more available PCI slots"):
        plug_all(site, range(2 + SPARE_PORTS, 12))
    assert state(site).power is DomainPower.RUNNING


@pytest.mark.system
def test_a_guest_without_a_system_keeps_what_it_was_started_with(
    request: pytest.FixtureRequest,
) -> None:
    with libvirt_site(request.getfixturevalue("private_libvirtd")) as site:
        assert isinstance(site, LibvirtSite)
        site.hypervisor = site.connect(unplug_seconds=UNPLUG_SECONDS)
        run_guest(site, a_tap(1))
        for _ in range(2):  # Asked again, it is still being waited for.
            with pytest.raises(HostRefused, match=r"has not let go of it within 2 s") as refused:
                unplug(site, a_tap(1))
            assert refused.value.transient
        assert state(site).power is DomainPower.RUNNING
        assert state(site).ifnames == {a_tap(1).logical_name}

"""What the agent may rely on from any libvirt, before devices come into it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.contract.domains import VF0, VF1, domain_xml, hostdev, hostdev_nic, macvtap_nic
from tests.contract.guests import A, B, FakeSite, GuestSite, libvirt_site
from trunkline.domain.ether import MacAddress
from trunkline.domain.ids import ServerId
from trunkline.reconcile.interfaces import HostRefused
from trunkline.reconcile.observed import DomainPower, OtherDomain


@pytest.fixture(params=["fake", "slow fake", pytest.param("libvirt", marks=pytest.mark.system)])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[GuestSite]:
    if request.param != "libvirt":
        yield FakeSite(tmp_path, slow=request.param == "slow fake")
    else:
        with libvirt_site(request.getfixturevalue("private_libvirtd")) as made:
            yield made


def site_xml(site: GuestSite, *devices: str, **options: Any) -> str:
    return domain_xml(*devices, domain_type=site.domain_type, **options)


def start(site: GuestSite, xml: str, server_id: ServerId = A) -> None:
    site.hypervisor.define(xml)
    site.start_paused(server_id)


def test_a_domain_goes_from_defined_to_paused_to_running_to_gone(site: GuestSite) -> None:
    hypervisor = site.hypervisor
    powers = []
    hypervisor.define(site_xml(site))
    powers.append(hypervisor.guests().domains[A].power)
    site.start_paused(A)
    powers.append(hypervisor.guests().domains[A].power)
    hypervisor.resume(A)
    powers.append(hypervisor.guests().domains[A].power)
    site.destroy(A)
    powers.append(hypervisor.guests().domains[A].power)
    hypervisor.undefine(A)
    assert powers == [
        DomainPower.SHUT_OFF,
        DomainPower.PAUSED,
        DomainPower.RUNNING,
        DomainPower.SHUT_OFF,
    ]
    assert hypervisor.guests().domains == {}


def test_a_start_that_is_under_way_is_begun_once_and_its_failure_told_once(
    site: GuestSite,
) -> None:
    hypervisor = site.hypervisor
    hypervisor.define(site_xml(site, vcpu=on_numa_node(site.numa_cpus, "77")))
    with pytest.raises(HostRefused, match="NUMA node 77 is unavailable"):
        site.start_paused(A)
    with pytest.raises(HostRefused, match="NUMA node 77 is unavailable"):
        site.start_paused(A)
    # Defined anew, what came of the definition before is of no concern.
    with suppress(HostRefused):
        hypervisor.start_paused(A)
    site.see_through(A)
    hypervisor.define(site_xml(site))
    hypervisor.start_paused(A)
    with suppress(HostRefused):  # Where it is running by now.
        hypervisor.start_paused(A)
    site.see_through(A)
    assert hypervisor.guests().domains[A].power is DomainPower.PAUSED


def test_the_metadata_tells_boot_number_and_digest_and_whose_domain_it_is(
    site: GuestSite,
) -> None:
    site.hypervisor.define(site_xml(site, boot_number=3, xml_digest="abc"))
    site.hypervisor.define(site_xml(site, server_id=B, name="b", ours=False))
    domains = site.hypervisor.guests().domains
    assert set(domains) == {A}
    assert (domains[A].name, domains[A].boot_number, domains[A].xml_digest) == ("a", 3, "abc")


def test_of_a_domain_that_is_not_ours_the_devices_are_told(site: GuestSite) -> None:
    theirs = [hostdev(VF1), hostdev_nic(), macvtap_nic("eth9")]
    site.hypervisor.define(site_xml(site, *theirs, server_id=B, name="b", ours=False))
    site.hypervisor.define(site_xml(site, hostdev(VF1)))
    plain = site_xml(site, server_id=ServerId(str(UUID(int=0xC))), name="c", ours=False)
    site.hypervisor.define(plain)
    assert site.hypervisor.guests().others == (
        OtherDomain(
            name="b", is_active=False, devices=frozenset({VF0, VF1}), ifnames=frozenset({"eth9"})
        ),
    )
    site.hypervisor.define(site_xml(site, server_id=B, name="b", ours=False))
    assert site.hypervisor.guests().others == ()


def test_a_bridge_must_exist(site: GuestSite) -> None:
    nic = "<interface type='bridge'><source bridge='{}'/></interface>"
    start(site, site_xml(site, nic.format("br-phy1")))
    site.hypervisor.define(site_xml(site, nic.format("br-no"), server_id=B, name="b"))
    with pytest.raises(HostRefused, match="br-no"):
        site.start_paused(B)


def on_numa_node(cpuset: str, nodeset: str, mode: str = "strict") -> str:
    return (
        f"<vcpu placement='static' cpuset='{cpuset}'>1</vcpu>"
        f"<numatune><memory mode='{mode}' nodeset='{nodeset}'/></numatune>"
    )


def test_a_guest_starts_on_a_numa_node_that_the_machine_has(site: GuestSite) -> None:
    start(site, site_xml(site, vcpu=on_numa_node(site.numa_cpus, site.numa_node)))


def test_nodes_that_the_machine_lacks_are_refused_at_start(site: GuestSite) -> None:
    site.hypervisor.define(site_xml(site, vcpu=on_numa_node(site.numa_cpus, "77")))
    with pytest.raises(HostRefused, match="NUMA node 77 is unavailable"):
        site.start_paused(A)
    assert site.hypervisor.guests().domains[A].power is DomainPower.SHUT_OFF


def test_cpus_that_the_machine_lacks_are_refused_at_start(site: GuestSite) -> None:
    site.hypervisor.define(site_xml(site, vcpu="<vcpu cpuset='4000'>1</vcpu>"))
    with pytest.raises(HostRefused, match="Invalid argument"):
        site.start_paused(A)
    assert site.hypervisor.guests().domains[A].power is DomainPower.SHUT_OFF


@pytest.mark.parametrize(
    "vcpu",
    [
        on_numa_node("", "0"),
        on_numa_node("0-", "0"),
        on_numa_node("0", "one"),
        "<vcpu>1</vcpu><numatune><memory mode='strict'/></numatune>",
    ],
)
def test_malformed_sets_of_cpus_and_nodes_are_refused_when_defined(
    site: GuestSite, vcpu: str
) -> None:
    with pytest.raises(HostRefused, match="virsh define"):
        site.hypervisor.define(site_xml(site, vcpu=vcpu))
    assert site.hypervisor.guests().domains == {}


def test_names_and_uuids_are_unique(site: GuestSite) -> None:
    site.hypervisor.define(site_xml(site))
    with pytest.raises(HostRefused, match="already"):
        site.hypervisor.define(site_xml(site, server_id=B, name="a"))
    with pytest.raises(HostRefused, match="already"):
        site.hypervisor.define(site_xml(site, server_id=A, name="b"))


def test_a_running_guest_keeps_what_it_was_started_with(site: GuestSite) -> None:
    start(site, site_xml(site, boot_number=1, xml_digest="old"))
    site.hypervisor.define(site_xml(site, boot_number=2, xml_digest="new"))
    assert site.hypervisor.guests().domains[A].boot_number == 1
    site.destroy(A)
    assert site.hypervisor.guests().domains[A].boot_number == 2


def test_what_does_not_fit_the_state_is_refused(site: GuestSite) -> None:
    hypervisor = site.hypervisor
    for act in (
        hypervisor.start_paused,
        hypervisor.resume,
        hypervisor.destroy,
        hypervisor.undefine,
    ):
        with pytest.raises(HostRefused, match="no domain"):
            act(A)
    hypervisor.define(site_xml(site))
    for act in (hypervisor.resume, hypervisor.destroy):
        with pytest.raises(HostRefused, match="not running"):
            act(A)
    site.start_paused(A)
    with pytest.raises(HostRefused, match="already running"):
        hypervisor.start_paused(A)
    with pytest.raises(HostRefused, match="running"):
        hypervisor.undefine(A)
    hypervisor.resume(A)
    with pytest.raises(HostRefused, match="already running"):
        hypervisor.resume(A)


@pytest.mark.parametrize(
    "xml",
    [
        "",
        "no xml",
        "<network/>",
        "<domain/>",
        "<domain><name>a</name><uuid>nonsense</uuid></domain>",
        domain_xml("<interface type='hostdev'/>"),
        domain_xml(hostdev_nic(mac=MacAddress.parse("01:00:5e:00:00:01"))),
        domain_xml(hostdev_nic(vlan_id=4096)),
    ],
)
def test_a_malformed_definition_is_refused(site: GuestSite, xml: str) -> None:
    with pytest.raises(HostRefused):
        site.hypervisor.define(xml)
    assert site.hypervisor.guests().domains == {}


@pytest.mark.parametrize("paused", [True, False])
def test_a_guest_that_powers_off_has_until_it_is_started_again(
    site: GuestSite, *, paused: bool
) -> None:
    start(site, site_xml(site))
    if not paused:
        site.hypervisor.resume(A)
    site.power_off_guest(A)
    assert site.hypervisor.guests().domains[A].power is DomainPower.POWERED_OFF
    site.start_paused(A)
    site.destroy(A)
    assert site.hypervisor.guests().domains[A].power is DomainPower.SHUT_OFF


def test_a_guest_whose_process_dies_has_crashed_until_it_is_started_again(
    site: GuestSite,
) -> None:
    start(site, site_xml(site))
    site.hypervisor.resume(A)
    site.crash_guest(A)
    assert site.hypervisor.guests().domains[A].power is DomainPower.CRASHED
    with pytest.raises(HostRefused, match="not running"):
        site.destroy(A)
    site.start_paused(A)
    assert site.hypervisor.guests().domains[A].power is DomainPower.PAUSED

"""LibvirtHypervisor on a libvirtd that goes away, hangs, and tells of its guests."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from tests.contract.domains import domain_xml
from tests.contract.guests import A, LibvirtSite, libvirt_site
from tests.libvirt.test_storage import Host
from tests.reconcile.scenes import VIF_TYPES, a_nic, a_server
from tests.support.libvirtd import CONSOLE_FILE_BYTES, CONSOLE_FILES_MORE, PrivateLibvirt
from tests.support.talking_guest import END, LINE, said_by, talking_disk
from tests.support.waiting import wait_until
from trunkline.domain.console import CONSOLE_BYTES_MAX
from trunkline.domain.ids import ProjectId, ServerId
from trunkline.domain.port import VnicType
from trunkline.host.libvirt.hypervisor import LibvirtHypervisor
from trunkline.host.libvirt.link import STUCK_MAX
from trunkline.reconcile.config_drive import config_drive, file_name
from trunkline.reconcile.desired import GuestData
from trunkline.reconcile.domain_xml import DomainOptions, define
from trunkline.reconcile.interfaces import HostRefused, NotYet
from trunkline.reconcile.observed import DomainPower
from trunkline.reconcile.steps import WriteConfigDrive

# Lines that its guest says: more than all files of its console hold.
TIMES = CONSOLE_FILE_BYTES * (2 + CONSOLE_FILES_MORE) // len(LINE)
TEST_DOMAIN = ServerId("6695eb01-f6a4-8304-79aa-97f2502e193f")  # Of libvirt's own test driver.


@pytest.fixture
def site(private_libvirtd: PrivateLibvirt) -> Iterator[LibvirtSite]:
    with libvirt_site(private_libvirtd) as made:
        yield made


def run(site: LibvirtSite) -> None:
    site.hypervisor.define(domain_xml(domain_type="qemu"))
    site.start_paused(A)
    site.hypervisor.resume(A)


def take_all(site: LibvirtSite, woken: threading.Event) -> None:
    """Take what was told until nothing more comes of what the test did itself."""
    wait_until(woken.is_set, "news of the start")
    while woken.wait(0.5):
        woken.clear()
        site.hypervisor.take()


@pytest.fixture
def woken(site: LibvirtSite) -> threading.Event:
    """Set whenever the hypervisor has news."""
    event = threading.Event()
    site.hypervisor = site.connect(on_news=event.set)
    return event


@pytest.mark.parametrize("how", ["power off", "crash"])
def test_a_guest_that_ends_is_told_by_event(
    site: LibvirtSite, woken: threading.Event, how: str
) -> None:
    run(site)
    take_all(site, woken)
    assert site.hypervisor.take().is_empty
    if how == "crash":
        site.crash_guest(A)
    else:
        site.power_off_guest(A)
    assert woken.wait(10)
    news = site.hypervisor.take()
    assert news.domains
    assert not news.everything
    assert site.hypervisor.take().is_empty


def test_guests_outlive_a_libvirtd_that_is_killed_and_the_next_one_is_listened_to(
    site: LibvirtSite, woken: threading.Event
) -> None:
    run(site)
    take_all(site, woken)
    site.libvirtd.kill()
    assert woken.wait(10), "a lost connection is news"
    assert site.hypervisor.take().domains
    woken.clear()
    with pytest.raises(HostRefused, match="systemctl start libvirtd") as refused:
        site.hypervisor.guests()
    assert refused.value.transient
    site.libvirtd.start()
    assert site.hypervisor.guests().domains[A].power is DomainPower.RUNNING
    woken.clear()
    site.power_off_guest(A)
    assert woken.wait(10), "the new connection listens as well"


def test_a_libvirtd_that_hangs_holds_nobody_up(site: LibvirtSite) -> None:
    run(site)
    hypervisor = site.connect(prompt_seconds=0.1, slow_seconds=0.1)
    site.libvirtd.freeze()
    try:
        for act in (hypervisor.guests, lambda: hypervisor.destroy(A)):
            with pytest.raises(HostRefused, match=r"did not answer within 0\.1 s") as refused:
                act()
            assert refused.value.transient
        before = threading.active_count()
        for _ in range(20):
            with pytest.raises(HostRefused, match="did not answer"):
                hypervisor.guests()
        assert threading.active_count() - before <= 8, "threads that hang are bounded"
    finally:
        site.libvirtd.thaw()
    site.destroy(A)
    assert site.connect().guests().domains[A].power is DomainPower.SHUT_OFF


def test_a_listing_that_takes_its_time_keeps_nobody_and_is_there_for_the_next_who_asks(
    site: LibvirtSite,
) -> None:
    run(site)
    woken = threading.Event()
    hypervisor = site.connect(on_news=woken.set, look_seconds=0.05)

    def has_told() -> bool:
        with suppress(NotYet):
            return bool(hypervisor.guests().domains)
        return False

    wait_until(has_told, "it is connected")
    while woken.wait(0.2):
        woken.clear()
        hypervisor.take()
    site.libvirtd.freeze()
    try:
        threads = threading.active_count()
        for _ in range(20):
            with pytest.raises(NotYet):
                hypervisor.guests()
            hypervisor._guests._seconds = 60.0  # It is not waited for once more.
        assert threading.active_count() - threads <= 2, "it is asked for once"
        assert hypervisor.take().is_empty
        woken.clear()
    finally:
        site.libvirtd.thaw()
    assert woken.wait(10), "it is news when it comes"
    assert hypervisor.take().domains
    assert hypervisor.guests().domains[A].power is DomainPower.RUNNING
    assert hypervisor.take().domains, "what came between is looked at"


def test_large_guests_that_take_their_time_keep_nobody_from_asking() -> None:
    hypervisor = LibvirtHypervisor(
        "test:///default",
        delete_files=lambda _: None,
        read_console=lambda _: b"",
        slow_seconds=0.02,
    )
    held = threading.Event()
    try:
        for number in range(2 * STUCK_MAX):
            hypervisor._begin(
                f"start {number}", TEST_DOMAIN, lambda _: held.wait(30),
                fits=lambda _: "", doing="its guest is being started",
            )  # fmt: skip
            wait_until(lambda: not hypervisor._under_way.doing(), "it is given up")
        assert hypervisor.guests().domains == {}
    finally:
        held.set()
        hypervisor.close()


def test_a_libvirt_that_is_not_there_is_told_with_the_remedy(
    site: LibvirtSite, tmp_path: Path
) -> None:
    nowhere = site.connect(uri=f"qemu:///system?socket={tmp_path}/none")
    with pytest.raises(HostRefused, match="start libvirt") as refused:
        nowhere.guests()
    assert refused.value.transient
    assert str(tmp_path) in str(refused.value)


def test_a_server_starts_as_it_is_defined_with_disk_drive_console_and_nics_in_their_places(
    site: LibvirtSite, tmp_path: Path
) -> None:
    guest = GuestData(hostname="web", project_id=ProjectId("p"), availability_zone="nova")
    nics = tuple(a_nic(number, None, VnicType.NORMAL, vlan_id=0) for number in range(4))
    server = replace(a_server(1, *nics), guest=guest, memory_mib=64)
    host = Host(tmp_path)
    host.make(server.id, host.service.add(talking_disk(TIMES)))
    options = DomainOptions(
        domain_type="qemu",
        disk_directory=str(host.disks),
        console_directory=str(site.consoles),
        has_config_drives=True,
    )
    files, name = config_drive(server), file_name(server)
    assert files is not None
    assert name is not None
    step = WriteConfigDrive(server_id=server.id, name=name, files=files)
    host.write(step)
    site.hypervisor.define(define(server, VIF_TYPES, options).xml)
    site.start_paused(server.id)
    live = etree.fromstring(site.libvirtd.virsh("dumpxml", server.id).stdout)
    told = json.loads(files["openstack/latest/meta_data.json"])["devices"]
    buses = {}
    for interface in live.findall("devices/interface"):
        mac, address = interface.find("mac"), interface.find("address")
        assert mac is not None
        assert address is not None
        buses[mac.get("address")] = address.get("bus")
    assert buses == {device["mac"]: f"0x{device['address'][5:7]}" for device in told}
    assert site.hypervisor.guests().domains[server.id].power is DomainPower.PAUSED
    check_console(site, server.id)


def check_console(site: LibvirtSite, server_id: ServerId) -> None:
    """Its end can be read in order, whatever is restarted, and the rest makes room."""

    said = said_by(TIMES)

    def ends_with(words: bytes) -> None:
        wait_until(
            lambda: site.hypervisor.console(server_id).endswith(words), "it has said all it has"
        )

    assert site.hypervisor.console(server_id) == b"", "it has not run yet"
    site.hypervisor.resume(server_id)
    site.libvirtd.kill()
    site.libvirtd.start()
    ends_with(END)
    assert site.hypervisor.console(server_id) == said[-CONSOLE_BYTES_MAX:]
    files = sorted(site.consoles.glob(f"{server_id}.log*"))
    assert len(files) == 1 + CONSOLE_FILES_MORE
    assert max(path.stat().st_size for path in files) <= CONSOLE_FILE_BYTES
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    site.destroy(server_id)
    site.start_paused(server_id)
    assert site.hypervisor.console(server_id).endswith(END), "a start adds to what there is"


def test_what_the_schema_does_not_know_is_refused_and_not_ignored(site: LibvirtSite) -> None:
    typo = "<interface type='bridge'><source bridge='br-phy1'/><vlans><tag id='5'/></vlans>"
    with pytest.raises(HostRefused, match="virsh define"):
        site.hypervisor.define(domain_xml(f"{typo}</interface>", domain_type="qemu"))


def test_a_domain_of_ours_that_nobody_can_read_is_named(site: LibvirtSite) -> None:
    site.hypervisor.define(
        domain_xml(domain_type="qemu").replace("boot-number='1'", "boot-number='one'")
    )
    with pytest.raises(HostRefused, match="virsh edit a"):
        site.hypervisor.guests()


def test_the_files_of_a_server_go_when_it_is_undefined_and_not_before(site: LibvirtSite) -> None:
    run(site)
    with pytest.raises(HostRefused, match="running"):
        site.hypervisor.undefine(A)
    site.destroy(A)
    assert site.deleted == []
    site.hypervisor.undefine(A)
    assert site.deleted == [A]

"""A real guest on a macvtap, under a libvirtd of this machine: no card, no lab host.

The guest has the kernel of the lab and an initial RAM file system; a pair of virtual Ethernets is
in place of VF and cable.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from lxml import etree

from lab import cpio, recipe
from lab.build import ensure_root
from lab.needs import missing
from tests.contract.guests import LibvirtSite, libvirt_site
from tests.reconcile.scenes import MLX, VIF_TYPES, a_nic, a_server, vf
from tests.support.libvirtd import PrivateLibvirt
from tests.support.waiting import wait_until
from trunkline.domain.port import VnicType
from trunkline.reconcile.desired import ServerConfig
from trunkline.reconcile.domain_xml import DomainOptions, define
from trunkline.reconcile.observed import DomainPower

pytestmark = [pytest.mark.lab, pytest.mark.system]

PEER = "198.51.100.99"
NIC = a_nic(7, vf(MLX, 0), VnicType.MACVTAP, vlan_id=0)
BOOT_SECONDS_MAX = 480.0  # Some 10 s on an idle machine; the guest is emulated.


@dataclass(frozen=True)
class Guest:
    """What it boots from."""

    kernel: Path
    initramfs: Path


@pytest.fixture(scope="session")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Guest:
    if lacking := missing():
        pytest.fail(lacking)
    root = ensure_root()
    files = {
        "bin/busybox": root.busybox,
        "init": (recipe.GUEST / "pinging-init").read_bytes(),
        **cpio.modules_in_order(root.modules, root.module_order(("virtio_pci", "virtio_net"))),
    }
    initramfs = tmp_path_factory.mktemp("guest") / "initramfs"
    initramfs.write_bytes(cpio.archive(("bin", "dev", "modules", "proc", "sys"), files))
    return Guest(root.kernel, initramfs)


@pytest.fixture
def site(private_libvirtd: PrivateLibvirt) -> Iterator[LibvirtSite]:
    """A hypervisor beside a netdev that is called as the port's VF would be."""
    run = private_libvirtd.run
    run("ip", "link", "add", NIC.logical_name, "type", "veth", "peer", "name", "peer")
    run("ip", "address", "add", f"{PEER}/24", "dev", "peer")
    for name in (NIC.logical_name, "peer"):
        run("ip", "link", "set", name, "up")
    try:
        with libvirt_site(private_libvirtd) as made:
            yield made
    finally:
        run("ip", "link", "delete", "peer")


@pytest.fixture
def woken(site: LibvirtSite) -> threading.Event:
    event = threading.Event()
    site.hypervisor = site.connect(on_news=event.set)
    return event


def a_definition(guest: Guest, console: Path, *, end: str) -> tuple[ServerConfig, str]:
    """The domain as Trunkline defines it, but that it boots a kernel in place of a disk."""
    server = replace(a_server(1, NIC), disk_gib=0, memory_mib=192, vcpus=1)
    options = DomainOptions(domain_type="qemu", console_directory=str(console))
    root = etree.fromstring(define(server, VIF_TYPES, options).xml)
    os = root.find("os")
    assert os is not None
    words = "console=ttyS0 quiet panic=-1 mitigations=off net.ifnames=0"
    words += f" guest.ip=198.51.100.31/24 guest.peer={PEER} guest.end={end}"
    for tag, text in (("kernel", guest.kernel), ("initrd", guest.initramfs), ("cmdline", words)):
        etree.SubElement(os, tag).text = str(text)
    return server, etree.tostring(root, encoding="unicode")


def start(site: LibvirtSite, xml: str, server: ServerConfig) -> None:
    site.hypervisor.define(xml)
    site.start_paused(server.id)
    state = site.hypervisor.guests().domains[server.id]
    assert state.power is DomainPower.PAUSED
    assert state.ifnames == {NIC.logical_name}
    netdev = site.libvirtd.run("ip", "link", "show", NIC.logical_name).stdout
    assert str(NIC.mac) in netdev, "libvirt gives the VF the guest's MAC"
    site.hypervisor.resume(server.id)


def test_a_guest_pings_over_its_macvtap_and_is_seen_to_power_off_by_event(
    site: LibvirtSite, woken: threading.Event, guest: Guest, tmp_path: Path
) -> None:
    server, xml = a_definition(guest, tmp_path, end="poweroff")
    start(site, xml, server)
    log = tmp_path / f"{server.id}.log"
    said = f"guest: {NIC.mac} reached {PEER}"
    wait_until(
        lambda: log.exists() and said in log.read_text(errors="replace"),
        f"the guest says on its console: {said}",
        seconds=BOOT_SECONDS_MAX,
    )
    wait_until(
        lambda: not site.hypervisor.guests().domains[server.id].power.has_guest, "the guest is off"
    )
    assert woken.is_set()
    assert site.hypervisor.take().domains
    assert site.hypervisor.guests().domains[server.id].power is DomainPower.POWERED_OFF
    assert "macvtap" not in site.libvirtd.run("ip", "-d", "link", "show").stdout


def test_a_guest_that_crashes_is_seen_by_event(
    site: LibvirtSite, woken: threading.Event, guest: Guest, tmp_path: Path
) -> None:
    server, xml = a_definition(guest, tmp_path, end="stay")
    start(site, xml, server)
    while woken.wait(0.5):  # Of the start itself.
        woken.clear()
    site.hypervisor.take()
    site.crash_guest(server.id)
    assert woken.wait(10)
    assert site.hypervisor.take().domains
    assert site.hypervisor.guests().domains[server.id].power is DomainPower.CRASHED

"""Hypervisors that the contract suite of guests without devices runs on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from tests.contract.machines import fake_machine
from tests.support.libvirtd import PrivateLibvirt
from tests.support.waiting import wait_until
from trunkline.domain.ids import ServerId
from trunkline.host.fake_hypervisor import FakeHypervisor
from trunkline.host.faults import SlowNext
from trunkline.host.privileged.console_files import read_console
from trunkline.reconcile.interfaces import Hypervisor

if TYPE_CHECKING:
    from trunkline.host.libvirt.hypervisor import LibvirtHypervisor

A = ServerId(str(UUID(int=0xA)))
B = ServerId(str(UUID(int=0xB)))
LOOK_SECONDS = 30.0  # Tests have nothing else to do meanwhile.


class GuestSite(ABC):
    """A hypervisor without domains, and what its guests and its operator can do to it."""

    hypervisor: Hypervisor
    domain_type: str
    numa_node: str  # One that the machine has, and its CPUs.
    numa_cpus: str
    bridge = "br-phy1"

    def start_paused(self, server_id: ServerId) -> None:
        """Begin to start a guest, and see it through.

        Raises:
            HostRefused: It did not start.
        """
        self.hypervisor.start_paused(server_id)
        self.see_through(server_id)
        if not self.hypervisor.guests().domains[server_id].power.has_guest:
            self.hypervisor.start_paused(server_id)
            raise AssertionError("neither started nor refused")

    def destroy(self, server_id: ServerId) -> None:
        """Begin to end a guest, and see it through."""
        self.hypervisor.destroy(server_id)
        self.see_through(server_id)
        assert not self.hypervisor.guests().domains[server_id].power.has_guest

    @abstractmethod
    def see_through(self, server_id: ServerId) -> None:
        """Let what has been begun come to its end."""

    @abstractmethod
    def power_off_guest(self, server_id: ServerId) -> None:
        """Have the guest shut itself down."""

    @abstractmethod
    def crash_guest(self, server_id: ServerId) -> None:
        """End the guest's process."""


class FakeSite(GuestSite):
    """A simulated machine's libvirt."""

    domain_type = "kvm"
    numa_node, numa_cpus = "1", "4-7,12-15"

    def __init__(self, directory: Path, *, slow: bool = False) -> None:
        self.machine = fake_machine(directory)
        self.hypervisor: FakeHypervisor = self.machine.hypervisor
        for operation in ("start_paused", "destroy", "plug", "unplug") if slow else ():
            self.hypervisor.plant(SlowNext(operation=operation))

    def see_through(self, server_id: ServerId) -> None:
        self.hypervisor.go_on()

    def power_off_guest(self, server_id: ServerId) -> None:
        self.hypervisor.power_off_guest(server_id)

    def crash_guest(self, server_id: ServerId) -> None:
        self.hypervisor.crash_guest(server_id)


class LibvirtSite(GuestSite):
    """A libvirtd of the tests' own, with guests that QEMU emulates."""

    domain_type = "qemu"
    numa_node = "0"

    def __init__(self, libvirtd: PrivateLibvirt) -> None:
        self.libvirtd = libvirtd
        self.deleted: list[ServerId] = []  # Whose files were to be deleted.
        self.consoles = libvirtd.directory / "consoles"
        self.consoles.mkdir(exist_ok=True)
        cpulist = Path("/sys/devices/system/node/node0/cpulist")
        self.numa_cpus = cpulist.read_text().strip()
        self._made: list[LibvirtHypervisor] = []
        self.hypervisor: LibvirtHypervisor = self.connect()
        libvirtd.run("ip", "link", "add", self.bridge, "type", "bridge", check=False)
        libvirtd.run("ip", "link", "set", self.bridge, "up")

    def connect(self, *, uri: str | None = None, **options: Any) -> LibvirtHypervisor:
        """Return another `LibvirtHypervisor` on it."""
        from trunkline.host.libvirt.hypervisor import LibvirtHypervisor

        options = {"look_seconds": LOOK_SECONDS, **options}
        made = LibvirtHypervisor(
            uri or self.libvirtd.uri,
            delete_files=self.deleted.append,
            read_console=partial(read_console, self.consoles),
            **options,
        )
        self._made.append(made)
        return made

    def see_through(self, server_id: ServerId) -> None:
        wait_until(lambda: not self.hypervisor.guests().domains[server_id].doing, "it has ended")

    def power_off_guest(self, server_id: ServerId) -> None:
        # As with a guest's ACPI power-off, which needs one that runs, QEMU tells that it ends.
        self.libvirtd.kill_guest(self.hypervisor.guests().domains[server_id].name, "TERM")
        self._wait_stopped(server_id)

    def crash_guest(self, server_id: ServerId) -> None:
        name = self.hypervisor.guests().domains[server_id].name
        self.libvirtd.kill_guest(name)
        self._wait_stopped(server_id)

    def _wait_stopped(self, server_id: ServerId) -> None:
        wait_until(
            lambda: not self.hypervisor.guests().domains[server_id].power.has_guest,
            "the guest has ended",
        )

    def clean(self) -> None:
        """Leave no domain behind."""
        for uuid in self.libvirtd.virsh("list", "--all", "--uuid").stdout.split():
            self.libvirtd.virsh("destroy", uuid, check=False)
            self.libvirtd.virsh("undefine", uuid, "--nvram")
        for made in self._made:
            made.close()


@contextmanager
def libvirt_site(libvirtd: PrivateLibvirt) -> Iterator[LibvirtSite]:
    """Have the site, and clean up after it."""
    site = LibvirtSite(libvirtd)
    try:
        yield site
    finally:
        site.clean()

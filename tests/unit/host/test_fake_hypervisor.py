"""What only a simulated libvirt can do: crash in the middle, lose its machine, log itself."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.domains import (
    MAC,
    ORIGINAL,
    VF0,
    VF1,
    domain_xml,
    hostdev_nic,
    macvtap_nic,
)
from tests.contract.guests import A
from tests.contract.machines import PF, Machine, fake_machine
from trunkline.domain.ether import ZERO_MAC
from trunkline.domain.vf import VfChange
from trunkline.host.faults import RefuseNext
from trunkline.reconcile.interfaces import HostRefused
from trunkline.reconcile.observed import DomainPower

XML = domain_xml(hostdev_nic(), macvtap_nic("eth2v1"))

# The kernel writes of a start, in order. The VF's own MAC is refused: the PF has set another.
START = (
    "bind_driver", "set_vf", "set_vf",
    "set_netdev_mac", "set_vf", "reload_vf_driver", "set_vf", "add_macvtap",
)  # fmt: skip
# Each is a replaced file; so is the domain's own state, before them and after them.
SAVES = len(START) + 2

_KILLED = """
import os, signal, sys
from pathlib import Path
from trunkline.host.fake_hypervisor import FakeHypervisor
from trunkline.host.fake_kernel import FakeKernel
from trunkline.host.state_file import Held

folder, operation, server_id, saves = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
save = Held.save

def counted(self):
    global saves
    if saves == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    saves -= 1
    save(self)

Held.save = counted
hypervisor = FakeHypervisor(folder / "hypervisor.json", FakeKernel(folder / "kernel.json"))
getattr(hypervisor, operation)(server_id)
"""


def kill_in_place_of_save(machine: Machine, operation: str, saves: int) -> None:
    """Do `operation` in a process that is killed in place of replacing a file once more."""
    folder = str(machine.kernel.path.parent)
    done = subprocess.run([sys.executable, "-c", _KILLED, folder, operation, A, str(saves)])
    assert done.returncode == -signal.SIGKILL
    for name in ("kernel", "hypervisor"):  # Whoever reads the log sees nothing that did not happen.
        state = json.loads((machine.kernel.path.parent / f"{name}.json").read_text())
        log = (machine.kernel.path.parent / f"{name}.log").read_text().splitlines()
        assert len(log) <= state.get("log_number", 0)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = fake_machine(tmp_path)
    for index in (0, 1):
        machine.kernel.set_vf(PF, index, VfChange(mac=ORIGINAL, vlan_id=7, vlan_qos=0))
    for vf in (VF0, VF1):
        machine.kernel.reload_vf_driver(vf)
    return machine


def writes_of(machine: Machine, by: str) -> list[str]:
    return [entry.command for entry in machine.kernel.log() if entry.by == by]


def everything(machine: Machine) -> object:
    return machine.kernel.functions(), machine.kernel.vf_settings(PF)


def test_start_and_destroy_are_these_kernel_writes_in_this_order(machine: Machine) -> None:
    machine.hypervisor.define(XML)
    machine.hypervisor.start_paused(A)
    assert writes_of(machine, "libvirt") == [
        "driverctl --nosave set-override 0000:05:10.0 vfio-pci",
        "ip link set eth2 vf 0 mac 02:00:00:00:00:0a",
        "ip link set eth2 vf 0 vlan 100",
        "ip link set eth2v1 address 02:00:00:00:00:0a",
        "ip link set eth2 vf 1 mac 02:00:00:00:00:0a",
        "echo 0000:05:10.2 > /sys/bus/pci/drivers_probe",
        "ip link set eth2 vf 1 vlan 100",
        "ip link add link eth2v1 name macvtap0 type macvtap mode passthru",
    ]
    machine.hypervisor.destroy(A)
    assert writes_of(machine, "libvirt")[8:] == [
        "ip link del macvtap0",
        "ip link set eth2v1 address 02:00:00:00:00:99",
        "ip link set eth2 vf 1 mac 02:00:00:00:00:99",
        "echo 0000:05:10.2 > /sys/bus/pci/drivers_probe",
        "ip link set eth2 vf 1 mac 02:00:00:00:00:99",
        "ip link set eth2 vf 1 vlan 7",
        "ip link set eth2 vf 0 mac 02:00:00:00:00:99",
        "ip link set eth2 vf 0 vlan 7",
        "driverctl --nosave set-override 0000:05:10.0 igbvf",
    ]


@pytest.mark.parametrize("saves", range(SAVES))
def test_a_start_killed_anywhere_is_undone_when_libvirt_is_back(
    machine: Machine, saves: int
) -> None:
    machine.hypervisor.define(XML)
    before = everything(machine)
    kill_in_place_of_save(machine, "start_paused", saves)
    again = machine.reopened()
    assert again.hypervisor.guests().domains[A].power is DomainPower.SHUT_OFF
    assert everything(again) == before
    again.hypervisor.start_paused(A)
    assert again.hypervisor.guests().domains[A].devices == {VF0}


@pytest.mark.parametrize("saves", range(1, SAVES))
def test_a_stop_killed_after_it_began_is_finished_when_libvirt_is_back(
    machine: Machine, saves: int
) -> None:
    machine.hypervisor.define(XML)
    before = everything(machine)
    machine.hypervisor.start_paused(A)
    kill_in_place_of_save(machine, "destroy", saves)
    again = machine.reopened()
    assert again.hypervisor.guests().domains[A].power is DomainPower.SHUT_OFF
    assert everything(again) == before


@pytest.mark.parametrize("at", range(len(START)))
def test_a_start_refused_at_any_write_leaves_everything_as_it_was(
    machine: Machine, at: int
) -> None:
    machine.hypervisor.define(XML)
    before = everything(machine)
    machine.kernel.plant(
        RefuseNext(operation=START[at], errno="EBUSY", times=1, after=START[:at].count(START[at]))
    )
    with pytest.raises(HostRefused) as refused:
        machine.hypervisor.start_paused(A)
    assert refused.value.errno_name == "EBUSY"
    assert refused.value.transient
    assert machine.kernel.state().faults == []
    assert everything(machine) == before
    assert machine.hypervisor.guests().domains[A].power is DomainPower.SHUT_OFF


@pytest.mark.parametrize(
    ("end", "power"),
    [("power_off_guest", DomainPower.POWERED_OFF), ("crash_guest", DomainPower.CRASHED)],
)
def test_a_guest_that_ends_by_itself_gives_its_devices_back(
    machine: Machine, end: str, power: DomainPower
) -> None:
    machine.hypervisor.define(XML)
    before = everything(machine)
    machine.hypervisor.start_paused(A)
    machine.hypervisor.resume(A)
    getattr(machine.hypervisor, end)(A)
    assert machine.hypervisor.guests().domains[A].power is power
    assert everything(machine) == before
    machine.hypervisor.start_paused(A)


def test_a_reboot_leaves_definitions_and_no_guests(machine: Machine) -> None:
    machine.hypervisor.define(XML)
    machine.hypervisor.start_paused(A)
    machine.kernel.reboot()
    domain = machine.hypervisor.guests().domains[A]
    assert (domain.power, domain.devices, domain.ifnames) == (
        DomainPower.SHUT_OFF,
        frozenset(),
        frozenset(),
    )
    assert machine.kernel.vf_settings(PF)[0].mac == ZERO_MAC
    machine.hypervisor.start_paused(A)


def test_reading_domains_attempts_no_write(machine: Machine) -> None:
    machine.hypervisor.define(XML)
    machine.hypervisor.start_paused(A)
    kernel_log, log = machine.kernel.log(), machine.hypervisor.log()
    for _ in range(3):
        machine.reopened().hypervisor.guests()
    assert machine.kernel.log() == kernel_log
    assert machine.hypervisor.log() == log


def test_the_log_says_what_was_asked_of_libvirt_and_what_it_answered(machine: Machine) -> None:
    machine.hypervisor.define(XML)
    machine.hypervisor.start_paused(A)
    with pytest.raises(HostRefused):
        machine.hypervisor.start_paused(A)
    assert [(entry.command, entry.result) for entry in machine.hypervisor.log()] == [
        ("virsh define a", "OK"),
        ("virsh start --paused a", "OK"),
        ("virsh start --paused a", "domain is already running"),
    ]


def test_the_logs_of_kernel_and_libvirt_have_one_order(machine: Machine) -> None:
    """An entry of libvirt's log says how far the kernel's was: a start ends after its writes."""
    machine.hypervisor.define(XML)
    before = len(machine.kernel.log())
    machine.hypervisor.start_paused(A)
    started = len(machine.kernel.log())
    machine.kernel.set_vf(PF, 0, VfChange(trust=True))
    machine.hypervisor.resume(A)
    assert [(entry.command, entry.kernel_number) for entry in machine.hypervisor.log()] == [
        ("virsh define a", before),
        ("virsh start --paused a", started),
        ("virsh resume a", started + 1),
    ]


def test_a_priority_is_lost_when_libvirt_writes_the_vlan(machine: Machine) -> None:
    machine.kernel.set_vf(PF, 0, VfChange(mac=MAC, vlan_id=100, vlan_qos=5))
    machine.hypervisor.define(XML)
    machine.hypervisor.start_paused(A)
    assert machine.kernel.vf_settings(PF)[0].vlan_qos == 0


@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize("operation", ["define", "start_paused", "resume", "destroy", "undefine"])
def test_every_operation_can_be_refused_before_or_after_it_is_done(
    machine: Machine, operation: str, applied: bool
) -> None:
    hypervisor = machine.hypervisor
    operations: dict[str, Callable[[], None]] = {
        "define": lambda: hypervisor.define(XML),
        "start_paused": lambda: hypervisor.start_paused(A),
        "resume": lambda: hypervisor.resume(A),
        "destroy": lambda: hypervisor.destroy(A),
        "undefine": lambda: hypervisor.undefine(A),
    }
    powers = {
        "define": (None, DomainPower.SHUT_OFF),
        "start_paused": (DomainPower.SHUT_OFF, DomainPower.PAUSED),
        "resume": (DomainPower.PAUSED, DomainPower.RUNNING),
        "destroy": (DomainPower.RUNNING, DomainPower.SHUT_OFF),
        "undefine": (DomainPower.SHUT_OFF, None),
    }
    hypervisor.plant(RefuseNext(operation=operation, errno="EIO", times=1, applied=applied))
    for name, act in operations.items():
        if name != operation:
            act()
            continue
        with pytest.raises(HostRefused, match="EIO"):
            act()
        domain = machine.reopened().hypervisor.guests().domains.get(A)
        assert (domain and domain.power) == powers[name][applied]
        if not applied:
            act()
    assert hypervisor.guests().domains == {}


@pytest.mark.parametrize(
    "xml",
    [
        "<!DOCTYPE d [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>" + domain_xml(),
        domain_xml("<interface type='direct'><source dev='eth0' mode='bridge'/></interface>"),
    ],
)
def test_what_is_not_simulated_is_refused(tmp_path: Path, xml: str) -> None:
    hypervisor = fake_machine(tmp_path).hypervisor
    with pytest.raises(HostRefused):
        hypervisor.define(xml)
    assert hypervisor.guests().domains == {}

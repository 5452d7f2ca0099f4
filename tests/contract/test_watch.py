"""What the agent may rely on from a machine that tells of changes by itself."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract.machines import OTHER_PF, PF, Machine, fake_machine
from tests.contract.watch_suite import *  # noqa: F403  # the suite: all of its tests
from tests.contract.watch_suite import Change
from trunkline.domain.ether import MacAddress
from trunkline.domain.ids import HostName
from trunkline.domain.pci import PciAddress
from trunkline.domain.vf import VfChange
from trunkline.host.fake_kernel import FakeKernel
from trunkline.host.simulated_watch import ChangeTeller, SimulatedWatch
from trunkline.reconcile.interfaces import HostNews

EVERYTHING = HostNews(everything=True)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return fake_machine(tmp_path)


@pytest.fixture
def watch(machine: Machine) -> SimulatedWatch:
    return SimulatedWatch(machine.kernel, machine.hypervisor)


def operator(machine: Machine) -> FakeKernel:
    return machine.kernel.acting_as("operator")


@dataclass(frozen=True)
class Watched:
    """The first PF of a simulated machine."""

    machine: Machine
    watch: SimulatedWatch
    pf: PciAddress = PF

    def told_of(self, change: Change) -> HostNews:
        kernel = operator(self.machine)
        match change:
            case Change.VLAN_OF_A_VF:
                kernel.set_vf(PF, 1, VfChange(vlan_id=77, vlan_qos=0))
            case Change.MAC_OF_A_VF:
                kernel.set_vf(PF, 1, VfChange(mac=MacAddress.parse("52:54:00:01:00:77")))
            case Change.SET_DOWN:
                kernel.set_netdev_up("eth2", up=False)
            case Change.NO_VFS:
                kernel.set_vf_count(PF, 0)
        return self.watch.take()


@pytest.fixture
def watched(machine: Machine, watch: SimulatedWatch) -> Watched:
    return Watched(machine, watch)


def test_what_is_so_from_the_start_is_no_news(watch: SimulatedWatch) -> None:
    assert watch.take() == HostNews()


def test_what_is_told_is_told_once(machine: Machine, watch: SimulatedWatch) -> None:
    operator(machine).set_vf(PF, 1, VfChange(vlan_id=7, vlan_qos=0))
    assert not watch.take().is_empty
    assert watch.take() == HostNews()


def test_carrier_and_the_name_of_a_vfs_netdev_are_told(
    machine: Machine, watch: SimulatedWatch
) -> None:
    operator(machine).set_carrier(PF, up=False)
    operator(machine).rename_netdev("eth3v2", "other")
    assert watch.take() == HostNews(pfs=frozenset({PF, OTHER_PF}))


def test_a_machine_that_could_not_be_read_is_all_news_once_it_can(
    machine: Machine, watch: SimulatedWatch
) -> None:
    whole = machine.kernel.path.read_bytes()
    machine.kernel.path.write_bytes(b"{")
    assert watch.take() == HostNews()
    machine.kernel.path.write_bytes(whole)
    assert watch.take() == EVERYTHING


def test_whoever_is_concerned_is_woken_when_something_changes(machine: Machine) -> None:
    woken = threading.Event()
    names: list[HostName] = []

    def note(name: HostName) -> None:
        names.append(name)
        woken.set()

    files = (machine.kernel.path, machine.hypervisor.path)
    with ChangeTeller({HostName("h1"): files, HostName("h2"): ()}, note):
        operator(machine).set_carrier(PF, up=False)
        assert woken.wait(30), "nobody was told"
    assert set(names) == {"h1"}

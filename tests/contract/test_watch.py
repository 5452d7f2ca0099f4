"""What the agent may rely on from a machine that tells of changes by itself."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.contract.machines import OTHER_PF, PF, Machine, fake_machine
from trunkline.domain.ids import HostName
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


def test_what_is_so_from_the_start_is_no_news(watch: SimulatedWatch) -> None:
    assert watch.take() == HostNews()


def test_a_vf_that_is_changed_is_told_once_and_by_its_pf(
    machine: Machine, watch: SimulatedWatch
) -> None:
    operator(machine).set_vf(PF, 1, VfChange(vlan_id=7, vlan_qos=0))
    assert watch.take() == HostNews(pfs=frozenset({PF}))
    assert watch.take() == HostNews()


def test_carrier_and_the_name_of_a_vfs_netdev_are_told(
    machine: Machine, watch: SimulatedWatch
) -> None:
    operator(machine).set_carrier(PF, up=False)
    operator(machine).rename_netdev("eth3v2", "other")
    assert watch.take() == HostNews(pfs=frozenset({PF, OTHER_PF}))


def test_vfs_that_come_or_go_have_everything_read_again(
    machine: Machine, watch: SimulatedWatch
) -> None:
    operator(machine).set_vf_count(PF, 0)
    assert watch.take() == EVERYTHING


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

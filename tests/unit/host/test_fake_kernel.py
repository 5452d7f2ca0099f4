"""What only a simulated kernel can do: faults, log, crashes, and a life of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.contract.machines import OTHER_PF, PF, Machine, fake_machine
from trunkline.domain.device import OPENED
from trunkline.domain.ether import ZERO_MAC, MacAddress
from trunkline.domain.pci import PciAddress
from trunkline.domain.vf import VfChange
from trunkline.host.fake_kernel import FakeKernel
from trunkline.host.faults import FewerVfs, IgnoreVlan, PfUnreadable, RefuseNext, SwapVfs
from trunkline.reconcile.interfaces import HostRefused

MAC = MacAddress.parse("02:00:00:00:00:0a")
VLAN = VfChange(vlan_id=100, vlan_qos=0)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return fake_machine(tmp_path)


def test_the_log_has_every_attempt_as_an_operator_would_type_it(machine: Machine) -> None:
    kernel = machine.kernel
    kernel.set_vf(PF, 3, VfChange(mac=MAC, vlan_id=100, vlan_qos=0))
    with pytest.raises(HostRefused):
        kernel.set_vf_count(PF, 9)
    kernel.acting_as("operator").rename_netdev("eth2v0", "web")
    lines = [json.loads(line) for line in kernel.path.with_suffix(".log").read_text().splitlines()]
    assert [(line["number"], line["by"], line["command"], line["result"]) for line in lines] == [
        (1, "agent", "ip link set eth2 vf 3 mac 02:00:00:00:00:0a vlan 100", "OK"),
        (2, "agent", "echo 9 > /sys/bus/pci/devices/0000:05:00.0/sriov_numvfs", "ERANGE"),
        (3, "operator", "ip link set eth2v0 name web", "OK"),
    ]
    assert [entry.number for entry in kernel.log()] == [1, 2, 3]


def test_reading_writes_nothing_and_is_counted_by_pf(machine: Machine) -> None:
    before = machine.kernel.path.read_bytes()
    machine.kernel.vf_settings(PF)
    machine.kernel.vf_settings(PF)
    machine.kernel.functions()
    assert machine.kernel.reads == {PF: 2}
    assert machine.kernel.path.read_bytes() == before
    assert machine.kernel.log() == ()


def test_another_process_sees_what_was_written_and_the_other_way_round(machine: Machine) -> None:
    other = FakeKernel(machine.kernel.path, by="operator")
    machine.kernel.set_vf(PF, 0, VLAN)
    assert other.vf_settings(PF)[0].vlan_id == 100
    other.set_vf(PF, 0, VfChange(vlan_id=7, vlan_qos=0))
    assert machine.kernel.vf_settings(PF)[0].vlan_id == 7


def test_a_vlan_write_can_be_acknowledged_and_ignored(machine: Machine) -> None:
    kernel = machine.kernel
    kernel.plant(IgnoreVlan(pf=PF, vf_index=1, times=1))
    kernel.set_vf(PF, 1, VfChange(mac=MAC, vlan_id=100, vlan_qos=0))
    assert kernel.vf_settings(PF)[1].mac == MAC
    assert kernel.vf_settings(PF)[1].vlan_id == 0
    assert kernel.log()[-1].result == "OK"
    kernel.set_vf(PF, 1, VLAN)
    assert kernel.vf_settings(PF)[1].vlan_id == 100


@pytest.mark.parametrize("reads_too", [False, True])
def test_two_vfs_can_be_swapped(machine: Machine, reads_too: bool) -> None:
    kernel = machine.kernel
    kernel.plant(SwapVfs(pf=PF, a=0, b=2, reads_too=reads_too))
    kernel.set_vf(PF, 0, VLAN)
    seen = kernel.vf_settings(PF)
    assert (seen[0].vlan_id, seen[2].vlan_id) == ((100, 0) if reads_too else (0, 100))
    on_card = kernel.state().pfs[0].vfs
    assert (on_card[0].vlan_id, on_card[2].vlan_id) == (0, 100)
    kernel.clear_faults()
    kernel.set_vf(PF, 0, VLAN)
    assert kernel.vf_settings(PF)[0].vlan_id == 100


def test_the_next_writes_of_a_kind_can_be_refused(machine: Machine) -> None:
    kernel = machine.kernel
    kernel.plant(RefuseNext(operation="set_vf", errno="EAGAIN", times=2, after=1))
    kernel.set_vf(PF, 0, VLAN)
    for _ in range(2):
        with pytest.raises(HostRefused) as refused:
            kernel.set_vf(PF, 1, VLAN)
        assert refused.value.errno_name == "EAGAIN"
        assert refused.value.transient
    assert kernel.vf_settings(PF)[1].vlan_id == 0
    kernel.set_vf(PF, 1, VLAN)
    assert [entry.result for entry in kernel.log()] == ["OK", "EAGAIN", "EAGAIN", "OK"]


def test_a_write_can_be_done_and_its_answer_lost(machine: Machine) -> None:
    kernel = machine.kernel
    kernel.plant(RefuseNext(operation="set_vf", errno="ETIMEDOUT", times=1, applied=True))
    with pytest.raises(HostRefused) as refused:
        kernel.set_vf(PF, 0, VLAN)
    assert refused.value.errno_name == "ETIMEDOUT"
    assert kernel.vf_settings(PF)[0].vlan_id == 100


def test_a_pf_can_be_unreadable_while_others_are_not(machine: Machine) -> None:
    machine.kernel.plant(PfUnreadable(pf=PF))
    with pytest.raises(HostRefused) as refused:
        machine.kernel.vf_settings(PF)
    assert refused.value.errno_name == "EIO"
    assert len(machine.kernel.vf_settings(OTHER_PF)) == 8


def test_a_driver_may_enable_fewer_vfs_than_asked(machine: Machine) -> None:
    kernel = machine.kernel
    kernel.plant(FewerVfs(pf=PF, count=3))
    kernel.set_vf_count(PF, 0)
    kernel.set_vf_count(PF, 7)
    assert kernel.functions()[PF].vf_count == 3


def test_vfs_in_a_guest_keep_their_pf_and_their_number(machine: Machine) -> None:
    kernel = machine.kernel
    vf = PciAddress.parse("0000:05:10.0")
    kernel.bind_driver(vf, "vfio-pci", opened=True)
    with pytest.raises(HostRefused) as refused:
        kernel.set_vf_count(PF, 0)
    assert refused.value.errno_name == "EBUSY"
    with pytest.raises(HostRefused) as refused:
        kernel.bind_driver(PF, "vfio-pci")
    assert refused.value.errno_name == "EBUSY"
    assert kernel.functions()[vf].used_by == OPENED
    kernel.bind_driver(vf, "vfio-pci")
    assert kernel.functions()[vf].used_by == ""
    kernel.set_vf_count(PF, 0)


def test_a_vf_that_was_away_comes_back_with_its_first_name(machine: Machine) -> None:
    kernel, vf = machine.kernel, PciAddress.parse("0000:05:10.0")
    kernel.rename_netdev("eth2v0", "web")
    kernel.bind_driver(vf, "vfio-pci")
    assert kernel.functions()[vf].ifname is None
    kernel.bind_driver(vf, "igbvf")
    assert kernel.functions()[vf].ifname == "eth2v0"


def test_a_reboot_forgets_settings_names_and_guests_and_brings_the_configured_vf_counts(
    machine: Machine,
) -> None:
    kernel = machine.kernel
    before = kernel.boot_id()
    kernel.set_vf(PF, 0, VfChange(mac=MAC, vlan_id=100, vlan_qos=0))
    kernel.set_vf_count(OTHER_PF, 0)
    kernel.bind_driver(PciAddress.parse("0000:05:10.2"), "vfio-pci")
    kernel.reboot()
    assert kernel.boot_id() != before
    assert kernel.vf_settings(PF)[0].mac == ZERO_MAC
    assert kernel.vf_settings(PF)[0].vlan_id == 0
    assert len(kernel.vf_settings(OTHER_PF)) == 8
    assert kernel.functions()[PciAddress.parse("0000:05:10.2")].driver == "igbvf"


def test_writers_in_threads_lose_nothing(machine: Machine) -> None:
    def write(index: int) -> None:
        kernel = FakeKernel(machine.kernel.path)
        for vlan_id in range(1, 26):
            kernel.set_vf(OTHER_PF, index, VfChange(vlan_id=vlan_id, vlan_qos=0))

    threads = [threading.Thread(target=write, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = machine.kernel.vf_settings(OTHER_PF)
    assert [seen[index].vlan_id for index in range(4)] == [25] * 4
    assert [entry.number for entry in machine.kernel.log()] == list(range(1, 101))


@pytest.mark.parametrize("lost", [1, 17, None])
def test_a_log_that_a_crash_left_incomplete_is_completed_before_the_next_line(
    machine: Machine, lost: int | None
) -> None:
    machine.kernel.set_vf(PF, 0, VLAN)
    machine.kernel.set_vf(PF, 1, VLAN)
    log = machine.kernel.path.with_suffix(".log")
    whole = log.read_bytes()
    newest = len(whole.splitlines(keepends=True)[-1])
    os.truncate(log, len(whole) - (lost or newest))
    machine.reopened().kernel.set_vf(PF, 2, VLAN)
    assert log.read_bytes().startswith(whole)
    assert [entry.number for entry in machine.kernel.log()] == [1, 2, 3]


_WRITER = """
import sys
from pathlib import Path
from trunkline.domain.pci import PciAddress
from trunkline.domain.vf import VfChange
from trunkline.host.fake_kernel import FakeKernel
kernel, pf = FakeKernel(Path(sys.argv[1])), PciAddress.parse(sys.argv[2])
for number in range(1, 1_000_000):
    kernel.set_vf(pf, number % 8, VfChange(vlan_id=number % 4094 + 1, vlan_qos=0))
    print(number, flush=True)
"""


def test_what_was_acknowledged_before_sigkill_is_there_and_the_log_has_no_gap(
    machine: Machine,
) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(machine.kernel.path), str(OTHER_PF)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    acknowledged = 0
    while acknowledged < 200:
        acknowledged = int(writer.stdout.readline())
    writer.send_signal(signal.SIGKILL)
    rest = writer.stdout.read().split("\n")[:-1]  # The last line may have been cut.
    acknowledged = int(rest[-1]) if rest else acknowledged
    writer.stdout.close()
    writer.wait()
    log = machine.reopened().kernel.log()
    assert [entry.number for entry in log] == list(range(1, len(log) + 1))
    assert len(log) in (acknowledged, acknowledged + 1, acknowledged + 2)
    last = len(log)
    seen = machine.kernel.vf_settings(OTHER_PF)
    assert seen[last % 8].vlan_id == last % 4094 + 1

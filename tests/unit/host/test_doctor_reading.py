"""What the doctor reads of a machine, from trees of files as the kernel shows them.

`a_root` is a host with one PF of two VFs and a card without SR-IOV::

    0000:05:00.0  eth2  up    VFs 0000:05:10.0 and .2, IOMMU group 10
    0000:00:1f.6  eno1  down
    0000:00:17.0  a disk controller
"""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.unit.host.helper_scene import make_tree, running
from trunkline.domain.pci import PciAddress
from trunkline.host.doctor.facts import BridgeFacts, ModuleState
from trunkline.host.doctor.machine import (
    read_bridges,
    read_machine,
    read_nics,
    read_udev_rules,
)
from trunkline.host.doctor.services import ask_helper
from trunkline.host.privileged.server import Callers
from trunkline.reconcile.interfaces import HostRefused

PF, PLAIN = PciAddress.parse("0000:05:00.0"), PciAddress.parse("0000:00:1f.6")
RELEASE = "6.1.0-30-amd64"
NO_BAR = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
BAR = "0x00000000fe800000 0x00000000fe81ffff 0x0000000000140204\n"
VF = "sys/bus/pci/devices/0000:05:10.0"


def write(root: Path, path: str, text: str = "") -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.fixture
def a_root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    write(root, "proc/sys/kernel/osrelease", RELEASE + "\n")
    write(root, "proc/cmdline", "quiet intel_iommu=on iommu=pt\n")
    write(
        root, "proc/cpuinfo", "vendor_id\t: GenuineIntel\nflags\t\t: fpu vmx sse\n\nvendor_id: x\n"
    )
    write(root, f"lib/modules/{RELEASE}/modules.dep", "kernel/drivers/vfio/pci/vfio-pci.ko.xz: x\n")
    write(root, "dev/kvm")
    for name in ("sys/class/iommu/dmar0", "sys/kernel/iommu_groups/10", "sys/module/igb",
                 "sys/class/net/br0/bridge", "sys/class/net/eth2"):  # fmt: skip
        (root / name).mkdir(parents=True)
    pf = f"sys/bus/pci/devices/{PF}"
    write(root, f"{pf}/class", "0x020000\n")
    write(root, f"{pf}/sriov_totalvfs", "7\n")
    write(root, f"{pf}/resource", BAR * 7 + BAR + NO_BAR * 5)
    write(root, f"{pf}/net/eth2/flags", "0x1003\n")
    write(root, f"{VF}/class", "0x020000\n")
    write(root, f"{VF}/net/eth2v0/ifindex", "7\n")
    (root / VF / "physfn").symlink_to(f"../{PF}")
    (root / pf / "virtfn0").symlink_to("../0000:05:10.0")
    write(root, f"sys/bus/pci/devices/{PLAIN}/class", "0x020000\n")
    write(root, f"sys/bus/pci/devices/{PLAIN}/net/eno1/flags", "0x1002\n")
    write(root, "sys/bus/pci/devices/0000:00:17.0/class", "0x010601\n")
    return root


def test_cpu_iommu_and_modules_are_read(a_root: Path) -> None:
    machine = read_machine(a_root)
    assert machine.kernel_release == RELEASE
    assert machine.command_line == ("quiet", "intel_iommu=on", "iommu=pt")
    assert (machine.cpu_vendor, machine.cpu_virtualizes) == ("GenuineIntel", True)
    assert (machine.iommus, machine.iommu_group_count) == (("dmar0",), 1)
    assert machine.has_kvm
    assert machine.vfio_pci is ModuleState.AVAILABLE


def test_a_module_may_be_loaded_built_in_or_missing(a_root: Path) -> None:
    modules = f"lib/modules/{RELEASE}"
    write(a_root, f"{modules}/modules.builtin", "kernel/drivers/vfio/pci/vfio-pci.ko\n")
    assert read_machine(a_root).vfio_pci is ModuleState.LOADED
    write(a_root, f"{modules}/modules.builtin", "kernel/drivers/vfio/pci/vfio-pci-core.ko\n")
    write(a_root, f"{modules}/modules.dep", "")
    assert read_machine(a_root).vfio_pci is ModuleState.MISSING
    (a_root / "sys/module/vfio_pci").mkdir()
    assert read_machine(a_root).vfio_pci is ModuleState.LOADED


def test_network_functions_that_are_no_vfs_are_read(a_root: Path) -> None:
    nics = read_nics(a_root)
    assert set(nics) == {PF, PLAIN}
    assert (nics[PF].has_sriov, nics[PLAIN].has_sriov) == (True, False)
    assert (nics[PF].is_up, nics[PLAIN].is_up) == (True, False)
    assert nics[PF].vfs_managed is None


def test_a_card_has_the_name_that_pci_ids_gives_it(a_root: Path) -> None:
    write(a_root, f"sys/bus/pci/devices/{PF}/vendor", "0x8086\n")
    write(a_root, f"sys/bus/pci/devices/{PF}/device", "0x10c9\n")
    write(a_root, "usr/share/hwdata/pci.ids", "8086  Intel\n\t10c9  82576\n")
    nics = read_nics(a_root)
    assert (nics[PF].product, nics[PLAIN].product) == ("82576", None)


def test_vfs_without_addresses_are_seen(a_root: Path) -> None:
    assert read_nics(a_root)[PF].vf_memory is True
    write(a_root, f"sys/bus/pci/devices/{PF}/resource", BAR * 7 + NO_BAR * 6)
    assert read_nics(a_root)[PF].vf_memory is False
    write(a_root, f"sys/bus/pci/devices/{PF}/resource", BAR * 7)
    assert read_nics(a_root)[PF].vf_memory is None


@pytest.mark.parametrize(("managed", "expected"), [("true", True), ("false", False)])
def test_networkmanager_tells_whether_it_manages_vfs(
    a_root: Path, managed: str, expected: bool
) -> None:
    write(a_root, "run/NetworkManager/devices/7", f"[device]\nmanaged={managed}\n")
    assert read_nics(a_root)[PF].vfs_managed is expected


def test_bridges_are_told_from_other_netdevs(a_root: Path) -> None:
    write(a_root, "sys/class/net/br0/bridge/vlan_filtering", "1\n")
    for port in ("eth2", "tap0"):
        (a_root / f"sys/class/net/br0/brif/{port}").mkdir(parents=True)
    (a_root / "sys/class/net/eth2/device").symlink_to(f"../../../bus/pci/devices/{PF}")
    found = BridgeFacts(uplinks=("eth2",), vlan_filtering=True)
    assert read_bridges(a_root) == (frozenset({"br0", "eth2"}), {"br0": found})


def test_what_is_no_kvm_is_told(a_root: Path) -> None:
    assert read_machine(a_root).kvm_problem.startswith("is no KVM")
    (a_root / "dev/kvm").unlink()
    assert read_machine(a_root).kvm_problem == ""


def test_programs_that_the_agent_runs_are_looked_for(
    a_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(a_root))
    assert read_machine(a_root).missing_programs == ("qemu-img", "xorriso")
    write(a_root, "xorriso")
    (a_root / "xorriso").chmod(0o755)
    assert read_machine(a_root).missing_programs == ("qemu-img",)


def test_udev_rules_of_the_host_that_name_netdevs_or_make_vfs_are_found(a_root: Path) -> None:
    write(a_root, "etc/udev/rules.d/10-name.rules", 'ATTR{address}=="x", NAME="lan0"\n')
    write(a_root, "etc/udev/rules.d/20-vfs.rules", 'ATTR{device/sriov_numvfs}="4"\n')
    write(a_root, "etc/udev/rules.d/30-off.rules", '# NAME="lan0"\n')
    write(a_root, "etc/udev/rules.d/40-other.rules", 'ENV{ID_NET_NAME}=="a", SYMLINK+="b"\n')
    write(a_root, "etc/udev/rules.d/readme", 'NAME="lan0"\n')
    assert read_udev_rules(a_root) == (
        "/etc/udev/rules.d/10-name.rules",
        "/etc/udev/rules.d/20-vfs.rules",
    )


def test_a_machine_without_any_of_it_is_read_all_the_same(tmp_path: Path) -> None:
    machine = read_machine(tmp_path)
    assert (machine.cpu_vendor, machine.cpu_virtualizes) == ("", None)
    assert (machine.iommu_group_count, machine.has_kvm) == (0, False)
    assert read_nics(tmp_path) == {}
    assert read_udev_rules(tmp_path) == ()


def test_a_socket_that_answers_one_that_does_not_and_none(tmp_path: Path) -> None:
    path = tmp_path / "s"
    assert not ask_helper(path).exists
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        refused = ask_helper(path)
        assert (refused.exists, refused.answers) == (True, False)
        assert refused.problem == "connection refused"
        listener.listen()
        silent = ask_helper(path, seconds=0.05)  # As systemd listens for one that does not start.
        assert not silent.answers
        assert silent.problem == "it takes the request, and is silent for 0.05 s"


def test_the_helper_is_asked_and_nothing_is_written(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    with running(tree) as (path, recorder):
        assert ask_helper(path).answers
        recorder.refusal = HostRefused("cat console.log", "No such file", errno_name="ENOENT")
        assert ask_helper(path).answers
    assert [what for what, *_ in recorder.done] == ["read_console"]


def test_a_helper_that_does_not_know_the_caller_does_not_answer_it(tmp_path: Path) -> None:
    with running(make_tree(tmp_path), callers=Callers(users=())) as (path, _):
        found = ask_helper(path)
    assert (found.exists, found.answers) == (True, False)
    assert found.problem == "it hangs up on this user"

"""Reading what there is of CPU, IOMMU, kernel modules, udev rules and network functions."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from trunkline.domain.pci import PciAddress
from trunkline.host.doctor.facts import BridgeFacts, MachineFacts, ModuleState, NicFacts
from trunkline.host.linux.bridges import functions_beneath
from trunkline.host.linux.pci_ids import PATHS as PCI_IDS
from trunkline.host.linux.pci_ids import pci_names

PROGRAMS: Final = ("qemu-img", "xorriso")  # What the agent runs.
# Source: Linux include/uapi/linux/kvm.h.
_KVM_GET_API_VERSION: Final = 0xAE00
_KVM_API_VERSION: Final = 12
_ID_FILES: Final = ("vendor", "device")
_NETWORK_CLASS: Final = "0x02"  # PCI base class 02h: network controller.
_IFF_UP: Final = 0x1  # linux/if.h
# The six VF BARs of an SR-IOV capability follow a function's own six and its expansion ROM.
# Source: include/linux/pci.h, PCI_IOV_RESOURCES; drivers/pci/pci-sysfs.c, resource_show().
_VF_BARS: Final = slice(7, 13)
_NAMES_NETDEVS: Final = re.compile(r"\bNAME\s*=|sriov_numvfs")
_UDEV_DIRECTORIES: Final = ("etc/udev/rules.d", "run/udev/rules.d")  # Not what packages bring.


def read_machine(root: Path = Path("/")) -> MachineFacts:
    """Read what `root` holds of proc, sysfs, dev and the kernel's modules."""
    release = _text(root / "proc/sys/kernel/osrelease")
    vendor, flags = _cpu(root)
    return MachineFacts(
        kernel_release=release,
        command_line=tuple(_text(root / "proc/cmdline").split()),
        cpu_vendor=vendor,
        cpu_virtualizes=None if flags is None else not flags.isdisjoint(("vmx", "svm")),
        iommus=_names(root / "sys/class/iommu"),
        iommu_group_count=len(_names(root / "sys/kernel/iommu_groups")),
        has_kvm=(root / "dev/kvm").exists(),
        kvm_problem=_kvm_problem(root / "dev/kvm"),
        vfio_pci=_module(root, release, "vfio_pci"),
        missing_programs=tuple(each for each in PROGRAMS if shutil.which(each) is None),
    )


def _kvm_problem(path: Path) -> str:
    """Ask KVM for the version of its interface; a user who may not ask knows of no problem."""
    try:
        device = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):
        return ""  # The first is told otherwise; guests are libvirt's to start.
    except OSError as problem:
        return f"can't be opened: {problem.strerror}"
    try:
        version = fcntl.ioctl(device, _KVM_GET_API_VERSION)
    except OSError as problem:
        return f"is no KVM: {problem.strerror}"
    finally:
        os.close(device)
    return "" if version == _KVM_API_VERSION else f"speaks version {version} of its interface"


def read_nics(root: Path = Path("/")) -> dict[PciAddress, NicFacts]:
    """Read every network function that is no VF."""
    managed = _managed_by_network_manager(root)
    found = {}
    for name in _names(root / "sys/bus/pci/devices"):
        device = root / "sys/bus/pci/devices" / name
        is_nic = _text(device / "class").startswith(_NETWORK_CLASS)
        if not is_nic or (device / "physfn").exists():
            continue
        try:
            address = PciAddress.parse(name)
        except ValueError:
            continue  # Not a name that this system has addresses for.
        found[address] = _nic(device, managed, ids=tuple(root / path for path in PCI_IDS))
    return found


def read_bridges(root: Path = Path("/")) -> tuple[frozenset[str], dict[str, BridgeFacts]]:
    """Return the names of all netdevs, and the bridges among them."""
    directory = root / "sys/class/net"
    netdevs = _names(directory)
    bridges = {
        each: BridgeFacts(
            uplinks=tuple(
                port
                for port in _names(directory / each / "brif")
                if functions_beneath(str(root / "sys"), port) is not None
            ),
            vlan_filtering=_number(directory / each / "bridge/vlan_filtering") != 0,
        )
        for each in netdevs
        if (directory / each / "bridge").is_dir()
    }
    return frozenset(netdevs), bridges


def read_udev_rules(root: Path = Path("/")) -> tuple[str, ...]:
    """Return the files of this host's own rules that name netdevs or make VFs."""
    found = []
    for directory in _UDEV_DIRECTORIES:
        for name in _names(root / directory):
            lines = _text(root / directory / name).splitlines()
            rules = (line for line in lines if not line.lstrip().startswith("#"))
            if name.endswith(".rules") and any(_NAMES_NETDEVS.search(rule) for rule in rules):
                found.append(f"/{directory}/{name}")
    return tuple(found)


def _cpu(root: Path) -> tuple[str, frozenset[str] | None]:
    vendor, flags = "", None
    for line in _text(root / "proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        match key.strip():
            case "vendor_id":
                vendor = value.strip()
            case "flags":
                flags = frozenset(value.split())
            case "":
                break  # The first CPU will do.
    return vendor, flags


def _module(root: Path, release: str, name: str) -> ModuleState:
    if (root / "sys/module" / name).is_dir():
        return ModuleState.LOADED
    directory = root / "lib/modules" / release
    for file, state in (
        ("modules.builtin", ModuleState.LOADED),
        ("modules.dep", ModuleState.AVAILABLE),
    ):
        for line in _text(directory / file).splitlines():
            path = line.partition(":")[0]
            if path.rpartition("/")[2].partition(".")[0].replace("-", "_") == name:
                return state
    return ModuleState.MISSING


def _nic(device: Path, managed: Mapping[int, bool] | None, *, ids: tuple[Path, ...]) -> NicFacts:
    vendor, product = (_text(device / name).strip().removeprefix("0x") for name in _ID_FILES)
    netdevs = [device / "net" / name for name in _names(device / "net")]
    return NicFacts(
        has_sriov=(device / "sriov_totalvfs").exists(),
        vf_memory=_has_vf_memory(device),
        is_up=bool(_number(netdevs[0] / "flags") & _IFF_UP) if netdevs else None,
        vfs_managed=None if managed is None else any(_managed_vfs(device, managed)),
        product=pci_names(vendor, product, paths=ids).product,
    )


def _has_vf_memory(device: Path) -> bool | None:
    """Whether any VF BAR has an address; None: sysfs does not tell."""
    lines = _text(device / "resource").splitlines()[_VF_BARS]
    if not lines:
        return None
    return any(line.split()[:1] not in ([], ["0x0000000000000000"]) for line in lines)


def _managed_vfs(device: Path, managed: Mapping[int, bool]) -> Iterator[bool]:
    for link in _names(device):
        if link.startswith("virtfn"):
            for name in _names(device / link / "net"):
                yield managed.get(_number(device / link / "net" / name / "ifindex"), False)


def _managed_by_network_manager(root: Path) -> dict[int, bool] | None:
    """Whether NetworkManager manages each netdev, by index; None: it does not run.

    Source: NetworkManager, src/core/nm-config.c, NM_CONFIG_DEVICE_STATE_DIR: one file a netdev, by
    its index, with `managed=` below `[device]`.
    """
    directory = root / "run/NetworkManager/devices"
    if not directory.is_dir():
        return None
    return {
        int(name): "managed=true" in _text(directory / name).splitlines()
        for name in _names(directory)
        if name.isascii() and name.isdecimal()
    }


def _text(path: Path) -> str:
    """Read a small file; empty if it can't be read, as files of devices that just went."""
    try:
        return path.read_bytes().decode("utf-8", "replace").replace("\0", "").strip()
    except OSError:
        return ""


def _number(path: Path) -> int:
    """Read a number in C's notation; 0 if there is none."""
    try:
        return int(_text(path), 0)
    except ValueError:
        return 0


def _names(directory: Path) -> tuple[str, ...]:
    try:
        return tuple(sorted(each.name for each in directory.iterdir()))
    except OSError:
        return ()

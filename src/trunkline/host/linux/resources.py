"""What a machine has to give to servers, as sysfs, proc and its file systems tell."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from trunkline.domain.host import HostResources
from trunkline.domain.numa import NumaNode, cpu_numbers
from trunkline.reconcile.interfaces import HostRefused

_MEMORY: Final = re.compile(r"MemTotal:\s+(\d{1,15}) kB")
_NODE: Final = re.compile(r"node(\d{1,4})", re.ASCII)
_NODES: Final = "sys/devices/system/node"
_CPUS: Final = "sys/devices/system/cpu"


def read_resources(disk_dir: Path, *, root: Path = Path("/")) -> HostResources:
    """Read processors, memory, NUMA nodes, and how large the file system of `disk_dir` is.

    A directory that is not there yet is taken for its nearest parent.

    Raises:
        HostRefused: One of them can't be read.
    """
    nodes = tuple(_read_node(each) for each in _node_directories(root))
    total = _memory_mib(root / "proc/meminfo")
    return HostResources(
        vcpus=len(_cpu_list(root / _CPUS / "online")),
        # Each is rounded down by itself; the nodes can't have more than there is in all.
        memory_mib=max(total, sum(node.memory_mib for node in nodes)),
        disk_gib=_disk_gib(disk_dir),
        numa_nodes=nodes,
    )


def _node_directories(root: Path) -> list[Path]:
    try:
        found = [each for each in (root / _NODES).iterdir() if _NODE.fullmatch(each.name)]
    except FileNotFoundError:
        return []  # A kernel without NUMA does not say.
    return sorted(found, key=_node_number)


def _node_number(directory: Path) -> int:
    return int(directory.name.removeprefix("node"))


def _read_node(directory: Path) -> NumaNode:
    numbers = _cpu_list(directory / "cpulist")
    return NumaNode(
        number=_node_number(directory),
        socket=_socket(directory, min(numbers)) if numbers else None,
        cpus=_read(directory / "cpulist"),
        memory_mib=_memory_mib(directory / "meminfo"),
    )


def _socket(node: Path, cpu: int) -> int | None:
    """Return the socket of a CPU; None: this machine does not tell (-1, or no file)."""
    file = node / f"cpu{cpu}/topology/physical_package_id"
    try:
        number = int(file.read_text("ascii"))
    except (OSError, ValueError):
        return None
    return number if number >= 0 else None


def _cpu_list(file: Path) -> frozenset[int]:
    try:
        return cpu_numbers(_read(file))
    except ValueError as problem:
        raise HostRefused(f"cat {file}", str(problem)) from problem


def _memory_mib(file: Path) -> int:
    found = _MEMORY.search(_read(file))
    if found is None:
        raise HostRefused(f"cat {file}", "there is no MemTotal in it")
    return int(found[1]) // 1024


def _read(file: Path) -> str:
    try:
        return file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise HostRefused(f"cat {file}", str(problem)) from problem


def _disk_gib(directory: Path) -> int:
    nearest = next(each for each in (directory, *directory.parents) if each.exists())
    try:
        found = os.statvfs(nearest)
    except OSError as problem:
        raise HostRefused(f"df {nearest}", problem.strerror or str(problem)) from problem
    return found.f_blocks * found.f_frsize // 1024**3

"""What a machine has to give, read from trees of files as the kernel shows them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trunkline.domain.numa import NumaNode
from trunkline.host.linux.resources import read_resources
from trunkline.reconcile.interfaces import HostRefused


def write(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two sockets of two CPUs each, a node each, and one with memory only."""
    write(tmp_path, "sys/devices/system/cpu/online", "0-3\n")
    write(tmp_path, "proc/meminfo", "MemTotal:       3145728 kB\nMemFree: 1 kB\n")
    nodes = "sys/devices/system/node"
    for number, cpus, socket in ((0, "0,2", 0), (1, "1,3", 1), (2, "", None), (10, "", None)):
        write(tmp_path, f"{nodes}/node{number}/cpulist", cpus + "\n")
        write(tmp_path, f"{nodes}/node{number}/meminfo", f"Node {number} MemTotal:  524288 kB\n")
        if socket is not None:
            cpu = f"{nodes}/node{number}/cpu{cpus[0]}"
            write(tmp_path, f"{cpu}/topology/physical_package_id", f"{socket}\n")
    (tmp_path / nodes / "power").mkdir()
    return tmp_path


def test_processors_memory_and_nodes_are_what_the_kernel_says(root: Path) -> None:
    found = read_resources(root, root=root)
    assert (found.vcpus, found.memory_mib) == (4, 3072)
    assert found.numa_nodes == (
        NumaNode(number=0, socket=0, cpus="0,2", memory_mib=512),
        NumaNode(number=1, socket=1, cpus="1,3", memory_mib=512),
        NumaNode(number=2, socket=None, cpus="", memory_mib=512),
        NumaNode(number=10, socket=None, cpus="", memory_mib=512),
    )


def test_the_disk_is_that_of_the_nearest_directory_that_is_there(root: Path) -> None:
    has = os.statvfs(root)
    found = read_resources(root / "not/there/yet", root=root)
    assert found.disk_gib == has.f_blocks * has.f_frsize // 1024**3


def test_a_kernel_without_numa_says_no_nodes(root: Path) -> None:
    (root / "sys/devices/system/node").rename(root / "elsewhere")
    assert read_resources(root, root=root).numa_nodes == ()


def test_a_socket_that_is_not_told_is_not_known(root: Path) -> None:
    write(root, "sys/devices/system/node/node0/cpu0/topology/physical_package_id", "-1\n")
    assert read_resources(root, root=root).numa_nodes[0].socket is None


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("proc/meminfo", "MemFree: 1 kB\n"),
        ("proc/meminfo", "MemTotal: lots\n"),
        ("sys/devices/system/cpu/online", "3-0\n"),
        ("sys/devices/system/cpu/online", "\u0663\n"),
        ("sys/devices/system/node/node1/cpulist", "x\n"),
        ("sys/devices/system/node/node1/meminfo", ""),
    ],
)
def test_what_cannot_be_read_is_told_with_its_file(root: Path, file: str, content: str) -> None:
    (root / file).write_text(content)
    with pytest.raises(HostRefused, match=file):
        read_resources(root, root=root)
    (root / file).unlink()
    with pytest.raises(HostRefused, match=file):
        read_resources(root, root=root)

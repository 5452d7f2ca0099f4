"""`trunkline up` over a host of two NUMA nodes: guests are confined to the node of their NICs.

h1   node 0: CPUs 0-1      phy1 on node 0
     node 1: CPUs 2-3      phy2 on node 1
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.clients import OpenStack
from tests.support.processes import ask, trunkline

pytestmark = pytest.mark.slow

FLEET = """
[[host]]
name = "h1"
vcpus = 4
memory_mib = 8192
disk_gib = 100

[[host.numa]]
number = 0
socket = 0
cpus = "0-1"
memory_mib = 4096

[[host.numa]]
number = 1
socket = 1
cpus = "2-3"
memory_mib = 4096

[[host.card]]
driver = "mlx5_core"
address = "0000:05:00.0"
pf_count = 1
numa_node = 0
vf_count = 4

[[host.card]]
driver = "mlx5_core"
address = "0000:82:00.0"
pf_count = 1
numa_node = 1
vf_count = 4

[[host.device_spec]]
address = "0000:05:*.*"
physical_network = "phy1"

[[host.device_spec]]
address = "0000:82:*.*"
physical_network = "phy2"
"""
BLANK = "source_type=blank,destination_type=local,boot_index=0,volume_size=1"
CREATE = ("server", "create", "--flavor", "small", "--block-device", BLANK)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    directory = tmp_path_factory.mktemp("up")
    (directory / "numa.toml").write_text(FLEET)
    fleet = str(directory / "numa.toml")
    with trunkline(directory, "up", "--data", ".", "--fleet", fleet, "--port", "0"):
        yield directory


def placed_by_libvirt(directory: Path) -> dict[str, tuple[str | None, str | None]]:
    """Of each guest, by its title: its CPUs and its memory's nodes, from the simulated libvirt."""
    raw = json.loads((directory / "hosts" / "h1" / "hypervisor.json").read_text())
    found = {}
    for domain in raw["domains"].values():
        xml = domain["xml"]
        title = re.search(r"<title>(.*?)</title>", xml)
        cpus = re.search(r'cpuset="(.*?)"', xml)
        nodes = re.search(r'<memory mode="strict" nodeset="(.*?)"', xml)
        assert title is not None
        found[title[1]] = (cpus and cpus[1], nodes and nodes[1])
    return found


def test_guests_run_on_the_node_of_their_nic_until_it_is_full(
    directory: Path, openstack: OpenStack
) -> None:
    def admin(*args: str) -> Any:
        return openstack(directory, *args, check=True)

    admin("flavor", "create", "--vcpus", "1", "--ram", "512", "--disk", "1", "small")
    admin(
        "network", "create", "red", "--provider-network-type", "vlan",
        "--provider-physical-network", "phy2", "--provider-segment", "220",
    )  # fmt: skip
    for number in range(4):
        policy = ("--numa-policy-required",) if number < 3 else ("--numa-policy-preferred",)
        admin("port", "create", "--network", "red", "--vnic-type", "direct", *policy, f"p{number}")
    admin(
        "network", "create", "blue", "--provider-network-type", "vlan",
        "--provider-physical-network", "phy1", "--provider-segment", "120",
    )  # fmt: skip
    near = ("--vnic-type", "direct", "--numa-policy-required")
    admin("port", "create", "--network", "blue", *near, "p4")
    admin(*CREATE, "--port", "p0", "--wait", "first")
    admin(*CREATE, "--port", "p1", "--wait", "second")
    refused = openstack(directory, *CREATE, "--port", "p2", "--wait", "third")
    assert refused.returncode != 0
    admin(*CREATE, "--port", "p3", "--wait", "floating")

    confined = ("2-3", "1")
    assert placed_by_libvirt(directory) == {
        "first": confined, "second": confined, "floating": (None, None),
    }  # fmt: skip
    (node,) = json.loads(ask(directory, "host", "show", "h1", "--json"))["numa_nodes"][1:]
    assert (node["vcpus_used"], node["vcpus"], node["memory_mib_used"]) == (2, 2, 1024)
    explained = ask(directory, "explain", "--flavor", "small", "--nic", "port=p4")
    assert "It fits on host h1, confined to NUMA node 0." in explained
    shown = ask(directory, "host", "show", "h1")
    assert "socket 1, CPUs 2-3; 2 of 2 vCPUs and 1024 of 4096 MiB used" in shown
    assert re.search(r"numa node +1, which its guest", ask(directory, "server", "show", "first"))

    admin("server", "delete", "--wait", "first")
    admin("port", "set", "--numa-policy-socket", "p2")
    admin("server", "delete", "--wait", "third")
    admin(*CREATE, "--port", "p2", "--wait", "third")
    assert placed_by_libvirt(directory)["third"] == confined

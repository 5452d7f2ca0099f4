"""`trunkline up` over hosts with GPUs: asked for by a flavor, handed over, taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.clients import OpenStack
from tests.support.processes import ask, trunkline

pytestmark = pytest.mark.slow

FLEET = """
[[host]]
name = "g{1..2}"
vcpus = 8
memory_mib = 8192
disk_gib = 100

[[host.function]]
address = "0000:41:00.0"
vendor_id = "10de"
product_id = "20b0"
driver = "nvidia"

[[host.function]]
address = "0000:c1:00.0"
vendor_id = "10de"
product_id = "20b0"
driver = "nvidia"
numa_node = 1

[[host.device_spec]]
product_id = "20b0"
tags = { gpu = "a100" }
"""
ASKED_TIMES_MAX = 30  # A command takes half a second, an agent's round much less.


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    directory = tmp_path_factory.mktemp("up")
    (directory / "gpus.toml").write_text(FLEET)
    fleet = str(directory / "gpus.toml")
    with trunkline(directory, "up", "--data", ".", "--fleet", fleet, "--port", "0"):
        yield directory


def gpu_states(directory: Path) -> list[str]:
    listed = json.loads(ask(directory, "device", "list", "--kind", "plain", "--json"))
    return sorted(device["state"] for device in listed)


def gpus_in_guests(directory: Path) -> list[tuple[str, str]]:
    """What the raw files of the simulated kernels say."""
    kernels = (
        (file.parent.name, json.loads(file.read_text()))
        for file in sorted(directory.glob("hosts/*/kernel.json"))
    )
    return [
        (host, function["address"])
        for host, kernel in kernels
        for function in kernel["plain"]
        if function.get("in_guest")
    ]


def wait_for(directory: Path, states: list[str]) -> None:
    for _ in range(ASKED_TIMES_MAX):
        seen = gpu_states(directory)
        if seen == states:
            return
    raise AssertionError(f"the GPUs are {seen}, not {states}")


def test_gpus_go_to_a_guest_and_come_back_clean(directory: Path, openstack: OpenStack) -> None:
    def admin(*args: str) -> Any:
        return openstack(directory, *args, check=True)

    ask(directory, "pci-flavor", "create", "a100", "--match", "e.gpu~a1*")
    admin("flavor", "create", "--vcpus", "1", "--ram", "512", "--disk", "1", "two")
    admin("flavor", "set", "two", "--property", "pci_passthrough:pci_flavor=a100:2")
    blank = "source_type=blank,destination_type=local,boot_index=0,volume_size=1"
    create = ("server", "create", "--flavor", "two", "--block-device", blank, "--nic", "none")
    admin(*create, "--wait", "render")

    path = json.loads(ask(directory, "server", "show", "render", "--json"))
    held = [(path["host"], device["address"]) for device in path["devices"]]
    assert [address for _, address in held] == ["0000:41:00.0", "0000:c1:00.0"]
    assert gpus_in_guests(directory) == held
    assert gpu_states(directory) == ["active", "active", "free", "free"]
    shown = ask(directory, "server", "show", "render")
    assert "device 1: 10de:20b0 0000:c1:00.0, NUMA node 1" in shown

    admin("server", "delete", "--wait", "render")
    wait_for(directory, ["free"] * 4)
    assert gpus_in_guests(directory) == []

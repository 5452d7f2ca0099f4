"""What a simulated host logged of the writes to its kernel and its libvirt, in one order."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Mark:
    """How long both logs of a host were."""

    kernel: int
    hypervisor: int


def mark(hosts: Path, host: str) -> Mark:
    """Remember where the logs end now."""
    return Mark(len(_read(hosts, host, "kernel")), len(_read(hosts, host, "hypervisor")))


def commands_since(hosts: Path, host: str, since: Mark) -> list[tuple[str, str]]:
    """Return (who, command) of each write since `since`, in the order in which they took effect.

    An entry of libvirt's log says how far the kernel's log was by then. `virsh start` is written
    when it has ended, so what libvirt did meanwhile comes before it.
    """
    kernel = [((e["number"], 0, 0), e) for e in _read(hosts, host, "kernel")[since.kernel :]]
    hypervisor = [
        ((e.get("kernel_number", 0), 1, e["number"]), e)
        for e in _read(hosts, host, "hypervisor")[since.hypervisor :]
    ]
    ordered = sorted(kernel + hypervisor, key=lambda pair: pair[0])
    return [(e["by"], e["command"] + _refusal(e["result"])) for _, e in ordered]


def _refusal(result: str) -> str:
    return "" if result == "OK" else f"   -> {result}"


def _read(hosts: Path, host: str, name: str) -> list[dict[str, Any]]:
    lines = (hosts / host / f"{name}.log").read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]

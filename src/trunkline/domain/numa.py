"""NUMA nodes of hosts: the CPUs and the memory that are near each other, and near some devices."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

# Linux's own limits. Source: include/linux/numa.h, MAX_NUMNODES, which is 1 << NODES_SHIFT, at
# most 10; arch/x86/Kconfig, NR_CPUS_RANGE_END.
NODE_NUMBER_MAX: Final = 1023
CPU_NUMBER_MAX: Final = 8191

_LIST = re.compile(r"\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?)*", re.ASCII)
_LIST_CHARACTERS_MAX: Final = 5 * (CPU_NUMBER_MAX + 1)  # Every CPU by itself.


@dataclass(frozen=True, slots=True, kw_only=True)
class NumaNode:
    """One node of a host."""

    number: int
    socket: int | None = None  # None: not known.
    cpus: str  # As Linux writes lists of CPUs: "0-7,16-23". Empty: it has memory only.
    memory_mib: int

    def __post_init__(self) -> None:
        """Raise `ValueError` for what no host has; it names what is to be mended."""
        require_within("number", self.number, NODE_NUMBER_MAX)
        if self.socket is not None:
            require_within("socket", self.socket, 2**31 - 1)
        require_within("memory_mib", self.memory_mib, 2**31 - 1)
        cpu_numbers(self.cpus)

    @property
    def vcpus(self) -> int:
        """How many vCPUs guests that are confined to it can have together: one for each CPU."""
        return len(cpu_numbers(self.cpus))


@dataclass(frozen=True, slots=True)
class NumaUse:
    """What the servers that are confined to a node use of it, running or not."""

    vcpus: int
    memory_mib: int


@lru_cache(maxsize=1024)  # A fleet has few kinds of boards.
def cpu_numbers(cpus: str) -> frozenset[int]:
    """Read a list of CPUs.

    Raises:
        ValueError: It is not one, or names a CPU twice, or one that Linux can't have.
    """
    if not cpus:
        return frozenset()
    if len(cpus) > _LIST_CHARACTERS_MAX or not _LIST.fullmatch(cpus):
        raise ValueError(f"cpus {cpus[:80]!r} is no list of CPUs; write it as 0-7,16-23")
    numbers: set[int] = set()
    for part in cpus.split(","):
        first, _, last = part.partition("-")
        found = range(int(first), int(last or first) + 1)
        if not found:
            raise ValueError(f"cpus {part!r} runs backwards")
        if found[-1] > CPU_NUMBER_MAX:
            raise ValueError(f"cpus {part!r} is above {CPU_NUMBER_MAX}, the highest there can be")
        if not numbers.isdisjoint(found):
            raise ValueError(f"cpus {cpus[:80]!r} names a CPU of {part!r} twice")
        numbers.update(found)
    return frozenset(numbers)


def node_faults(nodes: Sequence[NumaNode], *, memory_mib: int) -> list[str]:
    """Say what of the nodes of one host with so much memory contradicts; nothing if all agree."""
    faults = []
    owners: dict[int, int] = {}
    numbers: set[int] = set()
    for node in nodes:
        if node.number in numbers:
            faults.append(f"NUMA node {node.number} is there twice")
        numbers.add(node.number)
        shared = sorted(cpu for cpu in cpu_numbers(node.cpus) if cpu in owners)
        if shared:
            cpu = shared[0]
            faults.append(f"CPU {cpu} is on NUMA nodes {owners[cpu]} and {node.number}")
        owners.update(dict.fromkeys(cpu_numbers(node.cpus), node.number))
    total = sum(node.memory_mib for node in nodes)
    if total > memory_mib:
        faults.append(f"NUMA nodes have {total} MiB together, and their host only {memory_mib}")
    return faults


def with_memory(nodes: Sequence[NumaNode], given: int, *, of: int) -> tuple[NumaNode, ...]:
    """The nodes of a host that gives `given` of its `of` MiB: of what it keeps, each its share."""
    if given >= of:
        return tuple(nodes)
    return tuple(replace(node, memory_mib=node.memory_mib * given // of) for node in nodes)


def require_within(name: str, number: int, most: int) -> None:
    """Raise `ValueError` unless `number` is from 0 to `most`; it names what is to be mended."""
    if not 0 <= number <= most:
        raise ValueError(f"{name} must be from 0 to {most}, not {number}")

"""Hosts: the machines that have the devices and run the servers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from trunkline.domain.ids import HostId, HostName, PhysicalNetwork
from trunkline.domain.numa import NumaNode, NumaUse, node_faults, require_within

COUNT_MAX: Final = 2**31 - 1  # A signed 32-bit column, on both databases; as for flavors.


@dataclass(frozen=True, slots=True, kw_only=True)
class HostResources:
    """What a host can give to servers. Reported by its agent."""

    vcpus: int
    memory_mib: int
    disk_gib: int
    hypervisor_type: str = "QEMU"
    hypervisor_version: int = (
        9000000  # libvirt's number: major * 1,000,000 + minor * 1,000 + patch.
    )
    address: str = "127.0.0.1"  # The IP address its operators reach it by.
    bridges: Mapping[PhysicalNetwork, str] = field(default_factory=dict)  # For `normal` ports.
    # Those of them that don't keep VLANs apart, as when the agent started.
    unfiltered_bridges: tuple[str, ...] = ()
    numa_nodes: tuple[NumaNode, ...] = ()  # Empty: it does not say.

    def __post_init__(self) -> None:
        """Raise `ValueError` for a size that can't be counted with beside those of other hosts.

        And for NUMA nodes that contradict each other, or the host.
        """
        for name in ("vcpus", "memory_mib", "disk_gib", "hypervisor_version"):
            require_count(name, getattr(self, name))
        faults = node_faults(self.numa_nodes, memory_mib=self.memory_mib)
        if faults:
            raise ValueError("; ".join(faults))

    def find_node(self, number: int) -> NumaNode | None:
        """One of its NUMA nodes, if it has it."""
        return next((node for node in self.numa_nodes if node.number == number), None)


def require_count(name: str, number: int, most: int = COUNT_MAX) -> None:
    """Raise `ValueError` unless `number` is from 0 to `most`; it names what is to be mended."""
    require_within(name, number, most)


@dataclass(frozen=True, slots=True)
class HostUse:
    """What the servers on a host use, running or not."""

    vcpus: int
    memory_mib: int
    disk_gib: int
    numa: Mapping[int, NumaUse] = field(default_factory=dict)  # By node: of those confined to it.

    def __add__(self, other: HostUse) -> HostUse:
        """What both use together; a node of which nothing is left in use is not in it."""
        none = NumaUse(0, 0)
        numa = {}
        for number in sorted(self.numa.keys() | other.numa.keys()):
            one, another = self.numa.get(number, none), other.numa.get(number, none)
            both = NumaUse(one.vcpus + another.vcpus, one.memory_mib + another.memory_mib)
            if both != none:
                numa[number] = both
        return HostUse(
            self.vcpus + other.vcpus,
            self.memory_mib + other.memory_mib,
            self.disk_gib + other.disk_gib,
            numa,
        )

    def __neg__(self) -> HostUse:
        """The difference that giving it back makes."""
        numa = {number: NumaUse(-use.vcpus, -use.memory_mib) for number, use in self.numa.items()}
        return HostUse(-self.vcpus, -self.memory_mib, -self.disk_gib, numa)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A host as the control plane knows it."""

    id: HostId
    name: HostName
    generation: int  # Orders the desired state of this host; raised by every change to it.
    resources: HostResources
    created_at: datetime
    updated_at: datetime
    enabled: bool = True  # Disabled: takes no new servers.
    disabled_reason: str | None = None
    description: str | None = None
    last_seen: datetime | None = None  # When its agent last reported.
    run_id: str = ""  # The agent process that last reported.
    former_runs: tuple[str, ...] = ()  # The runs before that one, newest last; a few are kept.
    report_number: int = 0  # The newest report taken in of that run.
    problem: str = ""  # Why its agent can't read or act on it at all; empty: it can.
    applied_generation: int = 0  # The generation its agent says it has made true.
    consoles_asked: int = 0  # How often consoles of servers on it were asked for.


RUNS_ALTERNATING: Final = 6  # A restart, or a report that was long under way, looks otherwise.


def take_turns(runs: Sequence[str]) -> bool:
    """Say whether the last of these runs, each another than the one before it, are two in turn."""
    last = runs[-RUNS_ALTERNATING:]
    return len(last) == RUNS_ALTERNATING and len(set(last)) == 2

"""HostReport: what an agent tells the control plane about its host."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from trunkline.domain.console import ConsoleFact
from trunkline.domain.device import FUNCTION_KINDS, VFS_MAX, DeviceKind, OfferedDevice
from trunkline.domain.host import HostResources, require_count
from trunkline.domain.ids import HostName, PortId, ServerId
from trunkline.domain.network_pool import is_pool_name
from trunkline.domain.pci import PciAddress


class DeviceCondition(enum.Enum):
    """What the agent found about a device that the desired configuration names."""

    READY = "ready"  # As desired, read back.
    CLEAN = "clean"  # In its original state, read back: may be freed.
    DIRTY = "dirty"  # Could not be brought back to its original state; `reason` says why.
    REFUSED = "refused"  # Can't be made as desired, by driver or hypervisor; `reason` says why.
    PENDING = "pending"  # Under way.


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFact:
    """Counts if and only if `epoch` is the device's current one."""

    address: PciAddress
    epoch: int
    condition: DeviceCondition
    reason: str = ""


class ServerCondition(enum.Enum):
    """What the agent found about a server that the desired configuration names."""

    RUNNING = "running"  # Running as defined, every NIC as desired.
    PAUSED = "paused"  # Halted as desired, every NIC as desired.
    STOPPED = "stopped"
    FAILED = "failed"  # `reason` says why; nothing of it is left running.
    PENDING = "pending"  # Under way.


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFact:
    """Counts if and only if the server is still on this host, to have this boot and this disk."""

    id: ServerId
    boot_number: int
    condition: ServerCondition
    reason: str = ""
    disk_number: int = 1  # Agents that know of no rebuilds go on with the first.


class DriftPolicy(enum.Enum):
    """What an agent does about devices of a running guest that were changed behind its back.

    It is told in either case.
    """

    REPAIR = "repair"
    REPORT = "report"  # Left as found, until the server's configuration changes or a new run.


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftFact:
    """Something that was as desired, was found otherwise, and what was done about it."""

    address: PciAddress | None  # None: it is no device but what `ifname` names.
    found: str
    repaired: bool
    ifname: str = ""  # A netdev, or a libvirt network.

    @property
    def subject(self) -> str:
        """What has drifted."""
        return self.ifname if self.address is None else str(self.address)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenFact:
    """libvirt gave a NIC another VF of its network pool than the one that was chosen for it.

    Counts if and only if `epoch` is the current one of the VF that was chosen.
    """

    chosen: PciAddress
    epoch: int
    taken: PciAddress


class GuestEvent(enum.Enum):
    """What befell a guest that is to run, and that nobody had asked the service for."""

    CRASHED = "crashed"  # Its kernel, or its QEMU.
    ENDED = "ended"  # By somebody on the host.
    VANISHED = "vanished"  # With its libvirt domain.
    SUSPENDED = "suspended"  # By somebody on the host, or by libvirt for an I/O error.

    @property
    def is_end(self) -> bool:
        """Whether the guest is gone, and not only halted."""
        return self is not GuestEvent.SUSPENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestFact:
    """Counts as a `ServerFact` does."""

    server_id: ServerId
    boot_number: int
    event: GuestEvent
    found: str  # What was seen, in words.
    done: str  # What comes of it, in words.


@dataclass(frozen=True, slots=True, kw_only=True)
class NicFact:
    """A NIC that a running guest could not be given, or does not let go of. It runs on as it was.

    Counts as a `ServerFact` does, and of a configuration that has the NIC so.
    """

    server_id: ServerId
    boot_number: int
    port_id: PortId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReport:
    """One report. Within one run of an agent, an older report than one taken in is dropped."""

    host: HostName
    run_id: str  # New at each start of the agent.
    number: int  # Counts from 1 within the run.
    generation: int  # Of the desired configuration that the facts below answer; 0 before the first.
    resources: HostResources | None = None  # Always in the first report of a run, then on change.
    inventory: tuple[OfferedDevice, ...] | None = None  # Likewise; None means unchanged.
    devices: tuple[DeviceFact, ...] = ()
    servers: tuple[ServerFact, ...] = ()
    drifts: tuple[DriftFact, ...] = ()
    taken: tuple[TakenFact, ...] = ()
    nics: tuple[NicFact, ...] = ()
    guests: tuple[GuestFact, ...] = ()
    consoles: tuple[ConsoleFact, ...] = ()
    problem: str = ""  # Why the host can't be read or acted on at all; empty: it can.
    settled: bool = False  # Everything of `generation` is true, and was read back.

    def __post_init__(self) -> None:
        """Raise `ValueError` for a number that can't be stored or counted with."""
        require_count("number", self.number)
        require_count("generation", self.generation)
        for at, offered in enumerate(self.inventory or ()):
            function = offered.function
            if function.kind not in FUNCTION_KINDS:
                raise ValueError(f"inventory[{at}].function.kind: no function is of this kind")
            _require_pool_of_vf(at, offered)
            for name, count in (
                ("vf_index", function.vf_index or 0),
                ("vf_count", function.vf_count),
                ("vf_count_max", function.vf_count_max),
            ):
                require_count(f"inventory[{at}].function.{name}", count, VFS_MAX)


def _require_pool_of_vf(at: int, offered: OfferedDevice) -> None:
    pool, network = offered.network_pool, offered.physical_network
    if pool is None:
        return
    if offered.function.kind is not DeviceKind.VF or offered.function.pf_address is None:
        raise ValueError(f"inventory[{at}].network_pool: only VFs of a PF are in network pools")
    if network is None:
        raise ValueError(f"inventory[{at}].network_pool: its device has no tag physical_network")
    if not is_pool_name(pool.name, network):
        raise ValueError(
            f"inventory[{at}].network_pool.name: {pool.name!r} names no pool of {network!r}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportAck:
    """What the control plane answers to a report that it has stored."""

    generation: int  # The host's newest; an agent that is behind fetches at once.
    send_all: bool = False  # What it knows of the host is in doubt: the next report is to be full.

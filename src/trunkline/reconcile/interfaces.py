"""Kernel, Hypervisor and HostWatch: what the agent needs of a machine. `host` implements them.

Every method may raise `HostRefused` when the machine says no. Writes are counted and logged by the
fake, outside the agent, so that quietness can be proved.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from trunkline.domain.bridge import Bridge
from trunkline.domain.device import PciFunction
from trunkline.domain.errors import ErrorKind, TrunklineError
from trunkline.domain.ether import MacAddress
from trunkline.domain.ids import ServerId
from trunkline.domain.pci import PciAddress
from trunkline.domain.vf import VfChange, VfSettings
from trunkline.reconcile.nic_steps import PlugNic, UnplugNic
from trunkline.reconcile.observed import GuestFiles, Guests, NetworkState, OriginalState
from trunkline.reconcile.steps import MakeDisk, WriteConfigDrive

# What is to be taken away is not there, or is not ours to take: the kernel says so, and the helper.
NOTHING_OF_OURS: Final = "ENOENT"


class HostRefused(TrunklineError):
    """Kernel, driver or hypervisor refused an operation."""

    code = "host.refused"
    kind = ErrorKind.CONFLICT

    def __init__(
        self,
        operation: str,
        problem: str,
        *,
        errno_name: str = "",
        transient: bool = False,
        unasked: bool = False,
    ):
        super().__init__(f"{operation}: {problem}" + (f" ({errno_name})" if errno_name else ""))
        self.operation = operation
        self.problem = problem
        self.errno_name = errno_name  # E.g. `EBUSY`; empty where there is none (libvirt).
        self.transient = transient  # Trying again unchanged may work (EAGAIN, EBUSY in a reset).
        # Whoever was to ask the kernel did not: this says nothing of what a driver can do.
        self.unasked = unasked


class NotYet(Exception):
    """What was asked for takes its time: ask again. Nothing is known to be wrong."""


class Kernel(Protocol):
    """sysfs and rtnetlink of one machine: one method an operation, no policy."""

    def boot_id(self) -> str:
        """Return what changes with each boot (/proc/sys/kernel/random/boot_id)."""
        ...

    def functions(self) -> Mapping[PciAddress, PciFunction]:
        """Read every PCI function from sysfs: PFs, their VFs, and plain ones."""
        ...

    def vf_settings(self, pf: PciAddress) -> Mapping[int, VfSettings]:
        """Read the settings of all VFs of one PF: one RTM_GETLINK with RTEXT_FILTER_VF."""
        ...

    def set_vf(self, pf: PciAddress, vf_index: int, change: VfChange) -> None:
        """Write settings of one VF in one RTM_SETLINK.

        The kernel applies them in its own fixed order and stops at the first that it refuses; the
        ones before it stay. So read back, always. Source: net/core/rtnetlink.c, do_setvfinfo().
        """
        ...

    def set_vf_count(self, pf: PciAddress, count: int) -> None:
        """Write sriov_numvfs. A non-zero count is taken only while it is 0 (else EBUSY)."""
        ...

    def rename_netdev(self, old: str, new: str) -> None:
        """Rename a netdev: set it down, rename, set it up again if it was up."""
        ...

    def set_pf_up(self, pf: PciAddress) -> None:
        """Set the netdev of a PF up: a driver that is bound anew leaves it down."""
        ...

    def netdev_mac(self, ifname: str) -> MacAddress:
        """Read the MAC of a netdev (sysfs, class/net/NAME/address)."""
        ...

    def reload_vf_driver(self, vf: PciAddress) -> None:
        """Unbind a VF from its driver and bind it again; one without a driver is bound to its own.

        Its netdev is another one afterwards, with the name that it gets here and with the MAC that
        the VF's PF has for it: some drivers of VFs take that over in no other way.
        """
        ...

    def bridges(self, names: Collection[str]) -> Mapping[str, Bridge]:
        """Read those bridges of these names that there are, with all their ports."""
        ...

    def set_port_vlan(self, ifname: str, vlan_id: int, *, untagged: bool, member: bool) -> None:
        """Let a port of a bridge carry a VLAN, or no longer; `untagged`: as its own, untagged.

        One that it carries already comes to be as told.
        """
        ...

    def pf_addresses(self, pf: PciAddress) -> frozenset[MacAddress]:
        """Read the addresses that were added to a PF's own forwarding table (`fdb … self`)."""
        ...

    def set_pf_address(self, pf_ifname: str, mac: MacAddress, *, present: bool) -> None:
        """Add an address to a PF's own forwarding table, or remove it from there."""
        ...


class Hypervisor(Protocol):
    """libvirt on one machine. Domains are ours if they carry our metadata element.

    To start and to stop a guest takes its time: up to minutes, for a large one whose memory vfio
    pins. So both are begun by a call, and under way until `guests` says otherwise, of which a
    `HostWatch` tells. What came of it is in the domain's state, or, if it failed, in the refusal of
    the next such call, which begins nothing.
    """

    def guests(self) -> Guests:
        """List all domains, running or not.

        Raises:
            NotYet: That takes its time. What comes of it is for the next call, and is news.
        """
        ...

    def define(self, xml: str) -> None:
        """Define a domain, or redefine one that is shut off."""
        ...

    def start_paused(self, server_id: ServerId) -> None:
        """Begin to start a defined domain with its CPUs paused (VIR_DOMAIN_START_PAUSED).

        libvirt detaches the host devices from their drivers and writes MAC and VLAN itself. NICs
        on networks get any device of theirs that no other guest has; without one it is refused.
        """
        ...

    def resume(self, server_id: ServerId) -> None:
        """Let a paused domain run."""
        ...

    def suspend(self, server_id: ServerId) -> None:
        """Halt a running domain's CPUs."""
        ...

    def plug(self, step: PlugNic) -> None:
        """Begin to give a running or paused domain a NIC, in its definition too.

        libvirt does with it what it does at a start. Once it is done, `guests` shows it.
        """
        ...

    def unplug(self, step: UnplugNic) -> None:
        """Begin to take a NIC from a running domain, and out of its definition.

        It is done when the guest has let go of it, and libvirt has given its device back to the
        host. What a guest does not let go of within some time is refused, and may be asked again.
        """
        ...

    def destroy(self, server_id: ServerId) -> None:
        """Begin to end a domain; libvirt gives its host devices back to the host.

        For interfaces of type hostdev it also restores the MAC and VLAN it had saved at start.
        """
        ...

    def undefine(self, server_id: ServerId) -> None:
        """Forget a domain that is shut off, and delete its disk."""
        ...

    def console(self, server_id: ServerId) -> bytes:
        """Return the end of what a server's guests have said on their serial console.

        At most `CONSOLE_BYTES_MAX` bytes; nothing if none has said anything yet.
        """
        ...

    def networks(self) -> Mapping[str, NetworkState]:
        """Return every libvirt network, ours or not, by name."""
        ...

    def define_network(self, xml: str) -> None:
        """Define a network that starts with libvirt, or change what it is from then on."""
        ...

    def start_network(self, name: str) -> None:
        """Start a defined network. libvirt then takes it for unused."""
        ...

    def destroy_network(self, name: str) -> None:
        """Stop a network; guests keep what they have of it, and libvirt forgets that they do."""
        ...

    def undefine_network(self, name: str) -> None:
        """Forget a network that is not active."""
        ...


class Storage(Protocol):
    """The files of a machine's guests.

    To make one takes its time, so it is begun by a call, as starts and stops are (`Hypervisor`).
    """

    def files(self) -> Mapping[ServerId, GuestFiles]:
        """Return what there is, and what is being made."""
        ...

    def make_disk(self, step: MakeDisk) -> None:
        """Begin to make a disk."""
        ...

    def write_config_drive(self, step: WriteConfigDrive) -> None:
        """Begin to write a config drive in place of what there is. The guest must not run."""
        ...

    def delete(self, server_id: ServerId) -> None:
        """Delete all files of a server. Its guest must be gone."""
        ...


class TrialMemory(Protocol):
    """Remembers, over the end of the process, which VFs drivers are being tried out on."""

    def begin(self, before: OriginalState) -> None:
        """Remember what a VF is like, before anything is written to it."""
        ...

    def end(self, vf: PciAddress) -> None:
        """Forget a VF that is as it was."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOutcome:
    """What came of trying drivers out."""

    learned: bool = False  # `functions` tells more from now on.
    failed: bool = False  # Of one nothing was learned, or a VF could not be put back.


class DriverTrials(Protocol):
    """Tries out what the drivers of PFs can set for VFs: each, with its firmware, once.

    Neither method raises `HostRefused`; what `memory` raises ends them.
    """

    def try_out(
        self,
        functions: Mapping[PciAddress, PciFunction],
        free: Callable[[], Collection[PciAddress]],
        memory: TrialMemory,
    ) -> TrialOutcome:
        """Try out those that were not yet, on one VF each among `free`, and leave that as it was.

        Those whose PF has no such VF, or no link, wait. `free` is asked only if there are any.
        """
        ...

    def put_back(
        self,
        functions: Mapping[PciAddress, PciFunction],
        tried: Mapping[PciAddress, OriginalState],
        memory: TrialMemory,
    ) -> TrialOutcome:
        """Bring VFs back that a process was trying drivers out on when it ended."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HostNews:
    """What a machine told by itself. It says where to look, never what is there now."""

    # PFs of which something was told: an event of their own netdev, or of a VF's; driver, carrier.
    pfs: frozenset[PciAddress] = frozenset()
    domains: bool = False  # A libvirt domain or network, or a guest's files came, went, or changed.
    bridges: bool = False  # A bridge or a port of one came, went, or treats VLANs otherwise.
    everything: bool = False  # Events were lost, or PCI functions came or went: read all again.

    @property
    def is_empty(self) -> bool:
        """Whether nothing was told."""
        return not (self.pfs or self.domains or self.bridges or self.everything)

    def __or__(self, other: HostNews) -> HostNews:
        """Return what either tells."""
        return HostNews(
            pfs=self.pfs | other.pfs,
            domains=self.domains or other.domains,
            bridges=self.bridges or other.bridges,
            everything=self.everything or other.everything,
        )


class HostWatch(Protocol):
    """Listens to one machine, from before the first `take`.

    Who implements it is given an `on_news()` at construction, and calls it from a thread of its
    own whenever `take` has something that it had not, so that the agent is woken.
    """

    @property
    def problem(self) -> str:
        """Why it hears nothing, or has just failed to; empty: it listens."""
        ...

    def take(self) -> HostNews:
        """Return what was told since last asked. Never blocks, and never raises."""
        ...

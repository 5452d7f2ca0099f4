"""HostState: what was seen on one host, with what could not be read marked as such."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from trunkline.domain.bridge import Bridge
from trunkline.domain.device import PciFunction
from trunkline.domain.ether import MacAddress
from trunkline.domain.ids import ServerId
from trunkline.domain.network_pool import PoolNetwork
from trunkline.domain.pci import PciAddress
from trunkline.domain.vf import VfSettings


class DomainPower(enum.Enum):
    """A libvirt domain's state, as far as it matters here."""

    RUNNING = "running"
    PAUSED = "paused"
    SHUT_OFF = "shut off"
    POWERED_OFF = "powered off"  # Shut off, by its own guest.
    CRASHED = "crashed"  # Shut off, because its guest crashed: our domains have on_crash=destroy.

    @property
    def has_guest(self) -> bool:
        """Whether there is a guest process, which holds its devices and can be destroyed."""
        return self in (DomainPower.RUNNING, DomainPower.PAUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainState:
    """A libvirt domain that is ours. Its definition is compared by `xml_digest`."""

    server_id: ServerId
    name: str
    power: DomainPower
    boot_number: int  # From our metadata element in its XML.
    disk_number: int = 1  # Likewise: of the disk that it is on.
    xml_digest: str  # From our metadata element: the digest of the XML it was defined with.
    # Host devices that the guest has, or may come to have by what is being done.
    devices: frozenset[PciAddress] = frozenset()
    # VF netdevs under its macvtaps, and its taps; likewise.
    ifnames: frozenset[str] = frozenset()
    # Of a NIC that is being plugged in: its guest may come to have it, and does not have it yet.
    coming: frozenset[PciAddress] = frozenset()
    # Of a guest: by where it finds a NIC, the VF it has been given, or the netdev below.
    given: Mapping[PciAddress, PciAddress | str] = field(default_factory=dict)
    networks: frozenset[str] = frozenset()  # libvirt networks that are yet to give it devices.
    doing: str = ""  # What libvirt is doing about it that takes its time; empty: nothing.
    paused_by: str = ""  # What has paused it, other than somebody's command; empty: not known.

    @property
    def may_have_guest(self) -> bool:
        """Whether there is a guest, or is about to be one, or has hardly ceased to be."""
        return self.power.has_guest or bool(self.doing)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkState:
    """A libvirt network."""

    is_ours: bool  # Carries our metadata element.
    autostarts: bool = False
    defined: PoolNetwork | None = None  # What it is from its next start on; None: no such network.
    live: PoolNetwork | None = None  # What it is now; None: it is not active, or no such network.
    is_active: bool = False
    in_use: bool = False  # libvirt counts guests on it.
    pf_ifnames: frozenset[str] = frozenset()  # PFs all of whose VFs it hands out. Not ours only.


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherDomain:
    """A libvirt domain that is not ours, as far as its devices go."""

    name: str
    is_active: bool  # False: it is only defined, and will have them when it starts.
    devices: frozenset[PciAddress] = frozenset()
    ifnames: frozenset[str] = frozenset()  # Netdevs under its macvtaps.

    def __str__(self) -> str:
        return f"libvirt domain {self.name}" + ("" if self.is_active else " (shut off)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guests:
    """All libvirt domains of a machine, running or not."""

    domains: Mapping[ServerId, DomainState]  # Ours.
    # Not ours, and with devices, or so once they start; by name.
    others: tuple[OtherDomain, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginalState:
    """What a device was like before its first use: what it is restored to.

    Of a plain function that is its driver alone.

    Can't be observed once it is overwritten, so the journal keeps it.
    """

    address: PciAddress
    settings: VfSettings | None = None  # VF only.
    ifname: str | None = None  # VF with a netdev only.
    vf_count: int | None = None  # PF given away whole: how many VFs it had.
    driver: str | None = None  # What it was bound to; None: nothing, or nobody knows.
    given_mac: MacAddress | None = None  # VF whose netdev we use: the MAC that it got from us.


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class UplinkVlan:
    """A VLAN that a bridge's uplink carries, tagged."""

    bridge: str
    ifname: str
    vlan_id: int

    def __str__(self) -> str:
        return f"VLAN {self.vlan_id} on {self.ifname}"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class PfAddress:
    """An address that a PF's embedded switch sends to the PF."""

    pf: PciAddress
    mac: MacAddress

    def __str__(self) -> str:
        return f"{self.mac} on PF {self.pf}"


# What normal ports need of the host besides their own tap; several may need the same.
Addition = UplinkVlan | PfAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """What the agent must remember because it can't be observed. Never a list of things to do."""

    boot_id: str = ""  # The boot that `originals` belong to; of another boot they say nothing.
    generation: int = 0  # The highest generation ever fetched; older ones are refused.
    epochs: Mapping[PciAddress, int] = field(default_factory=dict)  # Highest acted on, per device.
    originals: Mapping[PciAddress, OriginalState] = field(default_factory=dict)
    # Devices that were being taken back when this journal began: an earlier journal, now lost, may
    # have known their originals.
    unknown: frozenset[PciAddress] = frozenset()
    # What we added, and others did not: it goes once no server needs it.
    uplink_vlans: frozenset[UplinkVlan] = frozenset()
    pf_addresses: frozenset[PfAddress] = frozenset()
    # VFs that drivers are being tried on, as they were before. With a process that ended in the
    # middle they stay here, and are put back at the next start.
    tried: Mapping[PciAddress, OriginalState] = field(default_factory=dict)

    def of_boot(self, boot_id: str) -> Journal:
        """Return what of it is true of a boot: a reboot has made all VFs anew."""
        if self.boot_id in ("", boot_id):
            return replace(self, boot_id=boot_id)
        return Journal(boot_id=boot_id, generation=self.generation, epochs=self.epochs)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestFiles:
    """A guest's files on this host: those that are whole, and outlast a loss of power."""

    disk: int | None = None  # The number of its newest disk; None: it has none.
    config_drive: str | None = None  # Its name.
    doing: str = ""  # What is being made of them, which takes its time; empty: nothing.


@dataclass(frozen=True, slots=True, kw_only=True)
class HostState:
    """One observation of a host."""

    boot_id: str
    functions: Mapping[PciAddress, PciFunction]
    vf_settings: Mapping[PciAddress, Mapping[int, VfSettings]]  # By PF, by vf_index; only PFs read.
    unreadable_pfs: Mapping[PciAddress, str]  # PFs whose VFs could not be read, and why.
    domains: Mapping[ServerId, DomainState]
    journal: Journal
    netdev_macs: Mapping[PciAddress, MacAddress] = field(default_factory=dict)  # Of VFs in use.
    files: Mapping[ServerId, GuestFiles] | None = None  # None: guests have none here (simulated).
    # Those that servers have normal ports on, or had; by name. One that there is not is left out.
    bridges: Mapping[str, Bridge] = field(default_factory=dict)
    # Addresses by PF, of those under uplinks of these bridges.
    pf_addresses: Mapping[PciAddress, frozenset[MacAddress]] = field(default_factory=dict)
    networks: Mapping[str, NetworkState] = field(default_factory=dict)  # libvirt's, by name.
    bridges_problem: str = ""  # Why neither could be read; empty: they were.

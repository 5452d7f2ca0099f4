"""HostConfig: the whole of what should be true on one host, with its generation.

The control plane makes it, the agent on that host makes it true. It holds no commands: the agent
may be given the same value again, or a newer one at any moment, and only ever compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from trunkline.domain.console import ConsoleAsk
from trunkline.domain.device import DeviceKind
from trunkline.domain.ether import MacAddress
from trunkline.domain.ids import HostName, ImageId, NetworkId, PortId, ProjectId, ServerId
from trunkline.domain.network import HostRoute
from trunkline.domain.pci import PciAddress
from trunkline.domain.pf_identity import PfIdentity
from trunkline.domain.port import VnicType
from trunkline.domain.server import PowerState
from trunkline.domain.vf import LinkState, VlanProtocol


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldDevice:
    """A device of this host, and the epoch of the allocation that is meant."""

    address: PciAddress
    kind: DeviceKind
    epoch: int
    pf_address: PciAddress | None  # VF only.
    vf_index: int | None  # VF only; counts from 0.
    # Of the PF that is meant, with the VF or as itself: another one at its address is not. None:
    # it is not known.
    pf: PfIdentity | None = None
    managed: bool = True  # False: the operator has bound it to vfio, and libvirt is not to.


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestAddress:
    """An IP address of a NIC, with what a guest needs to use it."""

    ip_address: str
    prefix_length: int
    network_id: NetworkId
    gateway: str | None = None
    dns: tuple[str, ...] = ()
    routes: tuple[HostRoute, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NicConfig:
    """One NIC of a server. The fields below `vif_type` say what its device is programmed with."""

    port_id: PortId
    device: HeldDevice | None  # None: `normal`, a tap on `bridge`.
    vif_type: str
    vnic_type: VnicType  # With `vif_type`, which is shared by several, names how it is realised.
    mac: MacAddress
    logical_name: str  # The netdev name that is the same on every host, ≤ 15 characters.
    vlan_id: int = 0  # 1-4094; 0 leaves frames untagged.
    vlan_qos: int = 0  # 0-7.
    vlan_protocol: VlanProtocol = VlanProtocol.DOT1Q
    spoof_check: bool = True
    trust: bool = False
    # AUTO is what it is anyway where a driver can't set it; None, as older controllers say: that.
    # `normal`: with DISABLE its bridge forwards nothing from it or to it.
    link_state: LinkState | None = LinkState.AUTO
    min_tx_rate_mbps: int | None = None  # None: not asked for.
    max_tx_rate_mbps: int | None = None
    bridge: str | None = None  # `normal` only.
    mtu: int = 1500
    # What only the guest is told.
    addresses: tuple[GuestAddress, ...] = ()
    tag: str | None = None  # The owner's name for it.


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestNode:
    """The NUMA node that a guest is confined to."""

    number: int
    cpus: str  # As `NumaNode.cpus`; empty: the host does not report the node any more.


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSource:
    """What a server's disk starts from: bytes that the service has, known by their digest."""

    id: ImageId
    sha512: str  # Hexadecimal.
    size_bytes: int
    disk_format: str  # As Glance names it; `raw` and `qcow2` can be had.


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestData:
    """What a guest is told about itself."""

    hostname: str
    project_id: ProjectId
    availability_zone: str
    launch_index: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)
    user_data: str | None = None  # Base64.
    public_keys: Mapping[str, str] = field(default_factory=dict)  # SSH keys, by name.
    admin_password: str | None = field(default=None, repr=False)  # None once it has run.


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """One server that belongs on this host."""

    id: ServerId
    name: str
    vcpus: int
    memory_mib: int
    disk_gib: int
    image: ImageSource | None  # What its disk starts from; None: blank.
    power: PowerState  # Of one that is to be paused: RUNNING, see `paused`.
    boot_number: int  # A guest defined with a lower number is started afresh.
    nics: tuple[NicConfig, ...]  # In the order in which the guest sees them.
    devices: tuple[HeldDevice, ...] = ()  # Handed over as they are, besides the NICs' own.
    # Where the guest finds `nics`, and then `devices`; counts from 0. Empty: in that order.
    places: tuple[int, ...] = ()
    disk_number: int = 1  # Of a lower one its guest is told nothing any more.
    leaving: tuple[NicConfig, ...] = ()  # No NICs of it any more; its guest may still have them.
    numa_node: GuestNode | None = None  # None: it may be on any, and on several.
    guest: GuestData | None = None  # None: it gets no config drive.
    # Halted where it is. Agents of before don't know of that: there the guest runs on.
    paused: bool = False

    @property
    def wanted_power(self) -> PowerState:
        """What its guest is to do."""
        return PowerState.PAUSED if self.paused else self.power

    @property
    def held_devices(self) -> tuple[HeldDevice, ...]:
        """Every device that it has: its NICs' own, those besides, and those yet to leave it."""
        nics = (*self.nics, *self.leaving)
        return (*(nic.device for nic in nics if nic.device is not None), *self.devices)

    @property
    def placed_nics(self) -> tuple[tuple[int, NicConfig], ...]:
        """Its NICs, each with where the guest finds it."""
        return tuple(zip(self.places or range(len(self.nics)), self.nics, strict=False))

    @property
    def placed_devices(self) -> tuple[tuple[int, HeldDevice], ...]:
        """Its devices besides NICs, each with where the guest finds it."""
        count = len(self.nics)
        places = self.places[count:] or range(count, count + len(self.devices))
        return tuple(zip(places, self.devices, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class VfCount:
    """How many VFs a PF is to have, whatever a device spec says."""

    pf: PciAddress
    count: int
    identity: PfIdentity | None = None  # Of the PF that is meant; None: it is not known.


@dataclass(frozen=True, slots=True, kw_only=True)
class HostConfig:
    """What should be true on `host` as of `generation`.

    A guest of ours that is not in `servers` is to be taken away; a device in `releases` is to be
    brought back to its original state and reported clean.
    """

    host: HostName
    generation: int
    servers: tuple[ServerConfig, ...] = ()
    releases: tuple[HeldDevice, ...] = ()
    vf_counts: tuple[VfCount, ...] = ()  # PFs of which an operator has said it.
    # Asks that have no answer yet. They don't raise the generation: nothing is to be changed.
    consoles: tuple[ConsoleAsk, ...] = ()
    consoles_asked: int = 0  # The number of the host's last ask, answered or not.

    @property
    def held_devices(self) -> tuple[HeldDevice, ...]:
        """Every device that servers have, or that is on its way back from one."""
        return (*(held for each in self.servers for held in each.held_devices), *self.releases)

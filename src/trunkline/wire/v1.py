"""The JSON of trunkline/v1: what the API renders and the client parses, defined once.

Fields are added, never renamed. None means "does not apply" or, where the comment says so, "not
for this caller": what tenants may not see is absent, not empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

PREFIX: Final = "/trunkline/v1"
REPORT_BYTES_MAX: Final = 16 * 1024**2  # An inventory of 8 cards x 254 VFs is about 1 MiB.
WAIT_SECONDS_MAX: Final = 60  # One long poll; proxies commonly cut at 60 s or more.


@dataclass(frozen=True, slots=True, kw_only=True)
class NumaNodeItem:
    """A NUMA node of a host, and what servers that are confined to it use of it."""

    number: int
    socket: int | None  # None: not known.
    cpus: str  # As Linux writes lists: "0-7,16-23".
    vcpus: int
    vcpus_used: int
    memory_mib: int
    memory_mib_used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HostItem:
    """A host, its size, and how far it has followed what is desired of it."""

    id: str
    name: str
    enabled: bool
    disabled_reason: str | None
    up: bool  # Its agent was heard within the limit, and can use the host.
    problem: str | None  # Why it can't.
    last_seen: datetime | None
    generation: int
    applied_generation: int
    address: str
    vcpus: int
    vcpus_used: int
    memory_mib: int
    memory_mib_used: int
    disk_gib: int
    disk_gib_used: int
    server_count: int
    bridges: Mapping[str, str]  # By physical network.
    numa_nodes: tuple[NumaNodeItem, ...] = ()  # By number; empty: the host does not say.
    out_of_service: tuple[str, ...] = ()  # Why PFs of it are, e.g. `eth2 has no link`.


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceOwner:
    """Who holds a device. The port may be gone while the device is being taken back."""

    port_id: str | None  # None: the device is on no network.
    server_id: str | None
    since: datetime
    failure: str | None  # Why the device is quarantined.
    egress_mbps: int = 0  # Guaranteed to it by the PF.
    ingress_mbps: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PfBandwidth:
    """What a PF can guarantee in all, and what of it is owed. None: not accounted."""

    egress_mbps: int | None
    ingress_mbps: int | None
    egress_mbps_owed: int
    ingress_mbps_owed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceItem:
    """A device that a host offers, or still has to clean."""

    id: str
    host: str
    address: str
    kind: str  # pf, vf or plain.
    state: (
        str  # free, claimed, active, releasing, quarantined, reserved, blocked, out_of_service,
        # in_use, withdrawn.
    )
    physical_network: str | None
    vendor_id: str
    product_id: str
    driver: str | None  # Of the PF; of a plain function, its own.
    ifname: str | None
    numa_node: int | None
    pf_address: str | None  # VF only.
    vf_index: int | None  # VF only; counts from 0.
    vf_count: int  # PF only.
    vfs_held: int  # PF only.
    link_up: bool  # PF only.
    problem: str | None  # Why the PF is out of service, of it and its VFs; None: it is in service.
    epoch: int
    tags: Mapping[str, str]
    owner: DeviceOwner | None
    bandwidth: PfBandwidth | None = None  # PF only; None: it accounts nothing.
    used_by: str | None = None  # Who has it besides servers, in words.
    iommu_group: int | None = None
    switch_id: str | None = None  # PF only: of the switch that its netdev is a port of, in hex.
    unfit: str | None = None  # Why no guest may be given it, in words.
    managed: bool = True  # False: the operator has bound it to vfio, and libvirt is not to.
    one_time_use: bool = False
    vendor_name: str | None = None  # By the host's pci.ids; None: it does not know, or has none.
    product_name: str | None = None
    # PF only: of PCI Express, since its host booted. None: nobody counts.
    uncorrectable_errors: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VfCountBlocker:
    """A device of a PF that somebody has."""

    address: str
    state: str  # claimed, active, releasing, quarantined, reserved or in_use.
    server_id: str | None
    server: str | None  # Its name.
    used_by: str | None = None  # Of one in use: who has it, in words.


@dataclass(frozen=True, slots=True, kw_only=True)
class VfCountPlan:
    """What another count of VFs would take, or that it has been asked for."""

    host: str
    address: str
    ifname: str | None
    count: int  # Now.
    count_max: int
    wanted: int
    in_the_way: tuple[VfCountBlocker, ...]  # While there is any, nothing is changed.
    cost: str
    applied: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCounts:
    """Devices of one kind on one physical network, by state. `total` is their sum."""

    total: int = 0
    free: int = 0
    held: int = 0  # Claimed or active.
    releasing: int = 0
    quarantined: int = 0
    reserved: int = 0  # For one use, and used: kept until an operator frees them.
    blocked: int = 0  # VFs whose PF is given away whole; PFs of which VFs are held.
    out_of_service: int = 0  # Nobody's, on a PF without a link or a driver that works.


@dataclass(frozen=True, slots=True, kw_only=True)
class PhysicalNetworkItem:
    """What is cabled to one physical network."""

    name: str
    default_vnic_type: str  # Of NICs on its networks that say none.
    host_count: int
    vfs: DeviceCounts
    pfs: DeviceCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentItem:
    """A network's piece on one physical network, and how much is free there."""

    id: str
    network_type: str
    physical_network: str | None
    segmentation_id: int | None
    requirements: Mapping[str, str]  # What a device must have to reach it.
    vfs: DeviceCounts | None  # None: no physical network.
    pfs: DeviceCounts | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkItem:
    """A network; for admins with its segments and what is free on them."""

    id: str
    name: str
    project_id: str
    shared: bool
    default_vnic_type: str  # Of NICs that say none.
    segments: tuple[SegmentItem, ...] | None  # None: for admins only.


@dataclass(frozen=True, slots=True, kw_only=True)
class PathDevice:
    """A device on the path of a NIC."""

    address: str
    kind: str
    vf_index: int | None
    ifname: str | None
    driver: str | None
    vendor_id: str
    product_id: str
    numa_node: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NicPath:
    """One NIC: port, VF, PF, physical network, VLAN. What the caller may not see is None."""

    port_id: str
    port_name: str
    port_status: str
    mac: str
    vnic_type: str
    pci_flavor: str | None
    numa_policy: str | None
    fixed_ips: tuple[str, ...]
    logical_name: str  # The netdev name on whatever host.
    network_id: str
    network_name: str
    vif_type: str | None  # None: not bound.
    device: PathDevice | None  # Admins only; None for `normal`, too.
    pf: PathDevice | None  # Admins only: of a VF.
    network_type: str | None  # Admins only.
    physical_network: str | None  # Admins only.
    segmentation_id: int | None  # Admins only.


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPath:
    """A server with the way from each NIC to the wire."""

    id: str
    name: str
    status: str
    project_id: str
    host: str | None  # Admins only.
    fault: str | None
    fault_details: str | None  # Admins only.
    nics: tuple[NicPath, ...]
    rules: tuple[str, ...] = ()  # Over its NICs, as they could be asked for.
    devices: tuple[PathDevice, ...] = ()  # Besides the NICs' own. Admins only.
    device_count: int = 0  # How many it was given besides.
    numa_node: int | None = None  # Its guest is confined to it. Admins only.


@dataclass(frozen=True, slots=True, kw_only=True)
class EventItem:
    """One entry of the audit trail."""

    number: int
    at: datetime
    actor: str
    action: str
    subject: str
    request_id: str
    project_id: str | None
    host: str | None
    server_id: str | None
    port_id: str | None
    device_id: str | None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainNic:
    """One NIC that is asked about: a port, or a network with a VNIC type."""

    port: str | None = None  # ID or name.
    network: str | None = None  # ID or name.
    vnic_type: str | None = None  # With `network` only; None: `normal`.
    fixed_ip: str | None = None  # With `network` only.
    pci_flavor: str | None = None  # With either: a port that has none is taken to have it.
    numa_policy: str | None = None  # With `network` only.


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainBody:
    """A server that is not to be made, only to be thought through."""

    nics: tuple[ExplainNic, ...]
    flavor: str | None = None  # ID or name; None: size does not matter.
    hints: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # Scheduler hints.
    host: str | None = None  # Admins only: this host or none.
    availability_zone: str | None = None  # A host of this zone or none.


@dataclass(frozen=True, slots=True, kw_only=True)
class NicFit:
    """What one NIC would be given now."""

    nic: str  # Its port's ID; or `nic 0`, of one that has no port yet.
    said: str  # The same for people: the port's name with the ID, if it has one.
    device: str | None  # PCI address, for admins; None for `normal`, too.
    kind: str | None
    network_type: str | None  # Admins only.
    physical_network: str | None  # Admins only.
    segmentation_id: int | None  # Admins only.


@dataclass(frozen=True, slots=True, kw_only=True)
class NicMisfit:
    """Why one NIC does not fit on a host."""

    nic: str  # As `NicFit.nic`.
    said: str
    reason: str
    detail: str
    fitting: int  # Devices that fit the demand, free or not.
    free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EditServer:
    """A server that has something of what an edit frees."""

    server_id: str
    server: str
    amount: int  # Of the edit's devices; or of vCPUs, MiB of memory, GiB of disk.


@dataclass(frozen=True, slots=True, kw_only=True)
class EditDevice:
    """A device that has an owner, and would do if it was free."""

    device: str | None  # PCI address; None: it has an owner since a moment ago.
    state: str  # As in the list of devices.
    server_id: str | None  # None: no server has it.


@dataclass(frozen=True, slots=True, kw_only=True)
class EditItem:
    """One line of a change."""

    kind: str
    count: int  # How many edits it is.
    words: str
    needed: int  # Devices, vCPUs, MiB or GiB that servers would have to give up; 0: it is not that.
    server_count: int  # That have any of it; at most a hundred of them follow, likewise of devices.
    servers: tuple[EditServer, ...]
    device_count: int
    devices: tuple[EditDevice, ...]  # Any `needed` of them will do.


@dataclass(frozen=True, slots=True, kw_only=True)
class HostMisfit:
    """Why one host can't take the server, and what would have to change there."""

    host: str
    reasons: tuple[str, ...]
    detail: str
    missing: int  # How many more free devices would do, if that is all that lacks.
    nics: tuple[NicMisfit, ...]
    change: str = ""  # The least that would make it fit there.
    edits: tuple[EditItem, ...] = ()  # The same, edit by edit.


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainAnswer:
    """Where the server would go now, or why nowhere."""

    fits: bool
    host: str | None = None  # Admins only.
    numa_node: int | None = None  # That the guest would be confined to. Admins only.
    nics: tuple[NicFit, ...] = ()
    hosts: tuple[HostMisfit, ...] = ()  # The nearest, nearest first. Admins only.
    host_count: int | None = None  # How many refuse. Admins only.
    counts: Mapping[str, int] = field(default_factory=dict)  # Hosts that each reason stands at.
    nearest: str | None = None  # Admins only.
    nearest_is_proven: bool | None = None  # That no hosts but these are nearer. Admins only.
    smallest_change: str = ""
    asked_for: HostMisfit | None = None  # The host that was asked for, if it refuses. Admins only.
    page: tuple[HostMisfit, ...] | None = None  # By name. None: not asked for.
    next_marker: str | None = None  # Where the next page begins; None: there is none.


@dataclass(frozen=True, slots=True, kw_only=True)
class HostChange:
    """What an operator changes on a host."""

    enabled: bool
    reason: str | None = None  # Why it is disabled; kept until it is enabled.

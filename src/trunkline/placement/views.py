"""What placement is told about a host: plain values, whole, as the store or an agent knows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from trunkline.domain.device import DeviceKind
from trunkline.domain.ids import DeviceId, HostId, HostName, PhysicalNetwork


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceView:
    """One device that is on offer, or that still has an owner.

    A device taken off offer while it had an owner must stay here until its owner is gone: it
    counts in the exclusion of a PF and its VFs, and can't be chosen once it is free.
    """

    id: DeviceId
    kind: DeviceKind
    pf_id: DeviceId | None = None  # VF only: its PF, on offer or not. None: the VF is its own kin.
    vf_index: int | None = None  # VF only; counts from 0.
    address: str = ""  # The PCI address as text, for messages.
    attributes: Mapping[str, str] = field(default_factory=dict)  # As `device_attributes` gives.
    free: bool = True  # Neither held nor quarantined. A PF's VFs and a VF's PF do not count here.
    offered: bool = True  # False: taken off offer; not to be chosen, free or not.


@dataclass(frozen=True, slots=True, kw_only=True)
class HostView:
    """One host with its devices, and what it has left for servers."""

    id: HostId
    name: HostName
    generation: int = 0
    enabled: bool = True
    up: bool = True  # Its agent has been heard within the limit.
    free_vcpus: int = 0  # Negative when more was given than the host has.
    free_memory_mib: int = 0
    free_disk_gib: int = 0
    bridges: frozenset[PhysicalNetwork] = frozenset()  # Where `normal` NICs can be plugged.
    devices: tuple[DeviceView, ...] = ()

"""What placement is told about a host: plain values, whole, as the store or an agent knows them."""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.domain.device_pool import DevicePool
from trunkline.domain.ids import HostId, HostName, PhysicalNetwork


@dataclass(frozen=True, slots=True, kw_only=True)
class HostView:
    """One host with its devices, and what it has left for servers."""

    id: HostId
    name: HostName
    generation: int = 0
    enabled: bool = True
    up: bool = True  # Its agent has been heard within the limit, and can use it.
    problem: str = ""  # Why its agent can't use it; then it is not up.
    free_vcpus: int = 0  # Negative when more was given than the host has.
    free_memory_mib: int = 0
    free_disk_gib: int = 0
    bridges: frozenset[PhysicalNetwork] = frozenset()  # Where `normal` NICs can be plugged.
    pools: tuple[DevicePool, ...] = ()  # By `sort_key`.

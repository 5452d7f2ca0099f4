"""What placement is told about a host: plain values, whole, as the store or an agent knows them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from trunkline.domain.device import DeviceKind, DeviceRef
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

    @property
    def ref(self) -> DeviceRef:
        """What the index calls it."""
        if self.pf_id is None or self.vf_index is None:
            return DeviceRef(self.id)
        return DeviceRef(self.pf_id, self.vf_index)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolView:
    """Devices of one kin that no demand can tell apart: VFs of one PF, or one device alone.

    Bit i of each bitmap stands for the VF of index i; a device that is its own kin is bit 0.
    """

    kin_id: DeviceId  # The PF of the VFs; any other device itself.
    kind: DeviceKind
    attributes: Mapping[str, str]
    address: str = ""  # "" for VFs of a PF.
    alone: bool = False  # Neither a PF nor a VF of one that is known.
    members: int = 1
    offered: int = 1
    taken: int = 0  # Owned as the store says: not what decisions hold.

    @property
    def sort_key(self) -> tuple[object, ...]:
        """An order of a host's pools that depends on nothing but what they are."""
        return self.kin_id, self.kind.value, sorted(self.attributes.items())


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
    pools: tuple[PoolView, ...] = ()  # By `sort_key`.


def pools_of(devices: Iterable[DeviceView]) -> tuple[PoolView, ...]:
    """Gather devices of one host into pools."""
    pools: dict[object, PoolView] = {}
    for device in devices:
        ref = device.ref
        bit = ref.bit
        key = ref.kin_id, device.kind, frozenset(device.attributes.items())
        pool = pools.get(key)
        if pool is None:
            pool = PoolView(
                kin_id=ref.kin_id,
                kind=device.kind,
                attributes=device.attributes,
                address="" if ref.vf_index is not None else device.address,
                alone=ref.vf_index is None and device.kind is not DeviceKind.PF,
                members=0,
                offered=0,
            )
        assert not pool.members & bit, f"two devices are {ref}"
        pools[key] = replace(
            pool,
            members=pool.members | bit,
            offered=pool.offered | bit * device.offered,
            taken=pool.taken | bit * (not device.free),
        )
    return tuple(sorted(pools.values(), key=lambda pool: pool.sort_key))


def bits_of(bitmap: int) -> Iterator[int]:
    """Yield the bits that are set, lowest first."""
    while bitmap:
        lowest = bitmap & -bitmap
        yield lowest
        bitmap ^= lowest

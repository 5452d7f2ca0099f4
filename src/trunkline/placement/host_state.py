"""One host in the index: what it has left, kept so that a decision reads a few numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from trunkline.domain.ids import DeviceId, HostId, HostName, PhysicalNetwork
from trunkline.placement.pools import Family, Pool, Profile, make_families
from trunkline.placement.views import HostView


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in a structure where devices can be had: one pool of one family."""

    family: int  # Index into the host's families.
    pool: int  # Index into that family's pools.
    profile: Profile
    whole: bool  # The PF itself, which excludes its family's other slots.


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """What a host is built like, without counts: equal for most hosts of a fleet.

    Compared by identity: a fleet keeps one object for all hosts built alike, so that what a
    request can use of a structure is worked out once.
    """

    slots: tuple[Slot, ...]
    bridges: frozenset[PhysicalNetwork]

    @property
    def has_devices(self) -> bool:
        """Whether the host has any device on offer."""
        return bool(self.slots)


StructureKey = tuple[frozenset[PhysicalNetwork], tuple[tuple[bool, tuple[Profile, ...]], ...]]


class HostState:
    """A host, mutable. `usable` has one count for each slot of `structure`."""

    __slots__ = (
        "_pools",
        "_view",
        "enabled",
        "families",
        "free_disk_gib",
        "free_memory_mib",
        "free_vcpus",
        "generation",
        "generation_sets",
        "id",
        "name",
        "structure",
        "up",
        "usable",
    )

    def __init__(self, view: HostView, structures: dict[StructureKey, Structure]) -> None:
        self._view = view
        self.id: HostId = view.id
        self.name: HostName = view.name
        self.generation = view.generation
        self.generation_sets = 0  # How often the store's generation has replaced ours.
        self.enabled = view.enabled
        self.up = view.up
        self.free_vcpus = view.free_vcpus
        self.free_memory_mib = view.free_memory_mib
        self.free_disk_gib = view.free_disk_gib
        self.families = make_families(view.devices)
        self.structure = _shared_structure(view.bridges, self.families, structures)
        self._pools: dict[DeviceId, Pool] = {
            device.id: pool
            for family in self.families
            for pool in family.pools
            for device in pool.members
        }
        assert len(self._pools) == len(view.devices), "two devices of one ID"
        self.usable: tuple[int, ...] = ()
        self.count()

    def count(self) -> None:
        """Count anew, after devices changed."""
        self.usable = tuple([count for family in self.families for count in family.usable()])

    def find_pool(self, device_id: DeviceId) -> Pool | None:
        """The pool of a device, if the host has it."""
        return self._pools.get(device_id)

    def pool_at(self, slot: Slot) -> Pool:
        """The pool that a slot of the structure stands for just now."""
        return self.families[slot.family].pools[slot.pool]

    def can_give(self, device_ids: Iterable[DeviceId]) -> bool:
        """Whether these devices could all be given away together now."""
        whole: set[int] = set()
        parts: set[int] = set()
        seen: set[DeviceId] = set()
        for device_id in device_ids:
            pool = self._pools.get(device_id)
            if pool is None or device_id in seen or not pool.free & pool.bit(device_id):
                return False
            seen.add(device_id)
            family = pool.family
            is_pf = pool is family.pf
            if family.owned_vf_count if is_pf else family.pf_given_away:
                return False
            (whole if is_pf else parts).add(id(family))
        return not whole & parts

    def view(self) -> HostView:
        """The host as a value again; devices in the order in which they were put."""
        devices = tuple(
            replace(device, free=not pool.owned & pool.bit(device.id))
            for device in self._view.devices
            for pool in (self._pools[device.id],)
        )
        return replace(
            self._view,
            generation=self.generation,
            enabled=self.enabled,
            up=self.up,
            free_vcpus=self.free_vcpus,
            free_memory_mib=self.free_memory_mib,
            free_disk_gib=self.free_disk_gib,
            devices=devices,
        )


def _shared_structure(
    bridges: frozenset[PhysicalNetwork],
    families: list[Family],
    structures: dict[StructureKey, Structure],
) -> Structure:
    key = (
        bridges,
        tuple(
            (family.pf is not None, tuple(pool.profile for pool in family.pools))
            for family in families
        ),
    )
    structure = structures.get(key)
    if structure is None:
        slots = tuple(
            Slot(family=f, pool=p, profile=pool.profile, whole=pool is family.pf)
            for f, family in enumerate(families)
            for p, pool in enumerate(family.pools)
        )
        structure = structures[key] = Structure(slots=slots, bridges=bridges)
    return structure

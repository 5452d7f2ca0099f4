"""One host in the index: what it has left, kept so that a decision reads a few numbers.

Two things keep a device from being free: an owner that the store knows (`taken`), and a hold of a
decision not yet committed (`held`). Undoing a hold must not free what the store has meanwhile
given to another, so they are kept apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import copy

from trunkline.domain.bandwidth import NO_GUARANTEE, NOT_ACCOUNTED, Bandwidth, Guarantee
from trunkline.domain.device import DeviceRef
from trunkline.domain.device_pool import DevicePool
from trunkline.domain.ids import DeviceId, HostId, HostName
from trunkline.placement.asks.edits import Devices
from trunkline.placement.hosts.places import Nodes, Places
from trunkline.placement.hosts.structure import Structures
from trunkline.placement.hosts.views import HostView, NumaRoom


def rooms_of(nodes: Nodes, amounts: Sequence[int]) -> tuple[NumaRoom, ...]:
    """Put nodes and what they have left together; see `HostState.numa_amounts`."""
    return tuple(
        [
            NumaRoom(
                number=number,
                socket=socket,
                free_vcpus=amounts[2 * at],
                free_memory_mib=amounts[2 * at + 1],
            )
            for at, (number, socket) in enumerate(nodes)
        ]
    )


class HostState:
    """A host, mutable. `taken`, `held` and `usable` have one number for each slot."""

    __slots__ = (
        "_held",
        "_kin_ids",
        "_problems",
        "_taken",
        "accounted",
        "addresses",
        "enabled",
        "free_disk_gib",
        "free_memory_mib",
        "free_vcpus",
        "generation",
        "generation_sets",
        "given_away",
        "holds_made",
        "holds_undone",
        "id",
        "metadata",
        "name",
        "numa_amounts",
        "numa_nodes",
        "offered",
        "out",
        "places",
        "problem",
        "structure",
        "unconfirmed",
        "up",
        "usable",
        "zone",
    )

    def __init__(self, view: HostView, structures: Structures, places: Places) -> None:
        self.id: HostId = view.id
        self.name: HostName = view.name
        self.generation = view.generation
        self.holds_made = 0
        self.unconfirmed: tuple[int, ...] = ()  # Holds that are not in the store, by number.
        self.holds_undone = 0  # Of decisions that came to nothing.
        self.generation_sets = 0  # How often the store's generation has replaced ours.
        self.enabled = view.enabled
        self.up = view.up
        self.problem = view.problem
        self.free_vcpus = view.free_vcpus
        self.free_memory_mib = view.free_memory_mib
        self.free_disk_gib = view.free_disk_gib
        self.zone = view.zone
        self.metadata = structures.share(view.metadata)
        self.structure, families = structures.of(view.bridges, view.pools)
        self._kin_ids: tuple[DeviceId, ...] = tuple(family.kin_id for family in families)
        # [slot] Why its PF is out of service; empty where all are in it, as on most hosts.
        self._problems: tuple[str, ...] = ()
        problems = tuple([pool.problem for family in families for pool in family.pools])
        if any(problems):
            self._problems = problems
        self._count_offered()
        self.addresses = structures.share(tuple(family.address for family in families))
        # [family]; empty where nothing is accounted, as on most hosts.
        self.accounted: tuple[Bandwidth, ...] = ()
        if view.bandwidth_left:
            left = view.bandwidth_left
            self.accounted = tuple(left.get(kin, NOT_ACCOUNTED) for kin in self._kin_ids)
        self.numa_nodes = places.share(tuple((room.number, room.socket) for room in view.numa))
        # What each of these nodes has left: its vCPUs, then its memory in MiB.
        self.numa_amounts: tuple[int, ...] = tuple(
            [left for room in view.numa for left in (room.free_vcpus, room.free_memory_mib)]
        )
        self.places = places.of(self.structure, self.addresses, self.numa_nodes)
        self._taken = [pool.taken for family in families for pool in family.pools]
        self._held = [0] * len(self._taken)
        self.usable: tuple[int, ...] = ()
        self.given_away = False  # Whether any PF has an owner.
        self.count()

    def copy(self) -> HostState:
        """Return one that changes apart from this one."""
        twin = copy(self)
        twin.part()
        return twin

    def part(self) -> None:
        """Keep counts that no copy of this host shares."""
        self._taken, self._held = [*self._taken], [*self._held]

    @property
    def numa(self) -> tuple[NumaRoom, ...]:
        """What each NUMA node has left, by number; empty: the host reports none."""
        return rooms_of(self.numa_nodes, self.numa_amounts)

    def numa_left(self) -> list[tuple[int, int, int]]:
        """Each node, by number, with the vCPUs and the memory in MiB that it has left."""
        left = self.numa_amounts
        return [
            (number, left[2 * at], left[2 * at + 1])
            for at, (number, _) in enumerate(self.numa_nodes)
        ]

    def give(
        self, *, vcpus: int, memory_mib: int, disk_gib: int, numa_node: int | None = None
    ) -> None:
        """Add to what the host has free, and to a node of it; a node not reported has no room."""
        self.free_vcpus += vcpus
        self.free_memory_mib += memory_mib
        self.free_disk_gib += disk_gib
        if numa_node is None:
            return
        left = list(self.numa_amounts)
        for at, (number, _) in enumerate(self.numa_nodes):
            if number == numa_node:
                left[2 * at] += vcpus
                left[2 * at + 1] += memory_mib
        self.numa_amounts = tuple(left)

    def problem_of(self, slot: int) -> str:
        """Why the PF of a slot's devices is out of service; empty: it is in it."""
        return self._problems[slot] if self._problems else ""

    def set_problem(self, kin_id: DeviceId, problem: str) -> None:
        """Take a PF out of service with its VFs, or back into it (empty); `count` after that."""
        if kin_id not in self._kin_ids:
            return
        of_kin = self._kin_ids.index(kin_id)
        before = self._problems or ("",) * len(self.structure.slots)
        problems = tuple(
            problem if family == of_kin else was
            for family, was in zip(self.structure.family, before, strict=True)
        )
        self._problems = problems if any(problems) else ()
        self._count_offered()

    def _count_offered(self) -> None:
        # [slot] How many devices are offered by PFs in service, and by those out of it; the latter
        # empty where all are in service.
        counts, problems = self.structure.offered, self._problems
        self.offered: tuple[int, ...] = counts
        self.out: tuple[int, ...] = ()
        if problems:
            both = list(zip(counts, problems, strict=True))
            self.offered = tuple([0 if problem else count for count, problem in both])
            self.out = tuple([count if problem else 0 for count, problem in both])

    def choosable(self, slot: int) -> int:
        """The bitmap of a slot's devices on offer and in service, with an owner or without."""
        return 0 if self.problem_of(slot) else self.structure.slots[slot].offered

    def count(self) -> None:
        """Count anew how many devices of each slot could be chosen, after devices changed."""
        usable: list[int] = []
        slots, taken, held = self.structure.slots, self._taken, self._held
        self.given_away = False
        for family in self.structure.families:
            whole, parts = family.whole, family.parts
            if whole is not None:
                if taken[whole] or held[whole]:
                    self.given_away = True
                    usable += [0] * (1 + len(parts))
                    continue
                vfs_owned = any(taken[part] or held[part] for part in parts)
                usable.append(0 if vfs_owned else slots[whole].offered)
            for part in parts:
                usable.append((slots[part].offered & ~(taken[part] | held[part])).bit_count())
        if self.out:
            usable = [n if there else 0 for n, there in zip(usable, self.offered, strict=True)]
        self.usable = tuple(usable)

    def free(self, slot: int) -> int:
        """The bitmap of a slot's devices that are choosable and without an owner."""
        return self.choosable(slot) & ~(self._taken[slot] | self._held[slot])

    def owned(self, slot: int) -> int:
        """The bitmap of a slot's devices that have owners, on offer or not."""
        return self._taken[slot] | self._held[slot]

    def owned_counts(self) -> tuple[int, ...]:
        """[slot] How many devices have owners, on offer or not."""
        pairs = zip(self._taken, self._held, strict=True)
        return tuple([(taken | held).bit_count() for taken, held in pairs])

    def ref(self, slot: int, bit: int) -> DeviceRef:
        """Name the device of a slot that a bit stands for."""
        found = self.structure.slots[slot]
        kin_id = self._kin_ids[found.family]
        family = self.structure.families[found.family]
        if found.whole or family.alone:
            return DeviceRef(kin_id)
        return DeviceRef(kin_id, bit.bit_length() - 1)

    def refs(self, some: Iterable[tuple[int, int]]) -> Devices:
        """Name the devices that bitmaps of some slots stand for."""
        found: list[tuple[DeviceId, int | None]] = []
        for number, bitmap in some:
            if bitmap:
                slot = self.structure.slots[number]
                is_vf = not slot.whole and not self.structure.families[slot.family].alone
                found.append((self._kin_ids[slot.family], bitmap if is_vf else None))
        return Devices(tuple(found))

    def find_slot(self, device: DeviceRef) -> int | None:
        """The slot that a device is in, if the host has it."""
        if device.kin_id not in self._kin_ids:
            return None
        family = self.structure.families[self._kin_ids.index(device.kin_id)]
        if device.vf_index is None:
            return family.parts[0] if family.alone else family.whole
        bit, slots = device.bit, self.structure.slots
        return next((part for part in family.parts if slots[part].members & bit), None)

    def bandwidth_left(self) -> tuple[Bandwidth, ...]:
        """What each family can still guarantee; below 0 if it has less than it owes."""
        return self.accounted or (NOT_ACCOUNTED,) * len(self._kin_ids)

    def owe(self, kin_id: DeviceId, guarantee: Guarantee) -> None:
        """Take a guarantee from what a PF has left (or give it back, if negative)."""
        if self.accounted and kin_id in self._kin_ids:
            left, family = self.accounted, self._kin_ids.index(kin_id)
            changed = left[family].less(guarantee)
            self.accounted = (*left[:family], changed, *left[family + 1 :])

    def can_owe(self, guarantees: Iterable[tuple[DeviceId, Guarantee]]) -> bool:
        """Whether the PFs have all these left together."""
        owed: dict[DeviceId, Guarantee] = {}
        for kin_id, guarantee in guarantees:
            owed[kin_id] = owed.get(kin_id, NO_GUARANTEE) + guarantee
        left = dict(zip(self._kin_ids, self.bandwidth_left(), strict=True))
        return all(left.get(kin, NOT_ACCOUNTED).covers(owed[kin]) for kin in owed)

    def can_give(self, devices: Iterable[DeviceRef]) -> bool:
        """Whether these devices could all be given away together now."""
        whole: set[int] = set()
        parts: set[int] = set()
        seen: set[DeviceRef] = set()
        for device in devices:
            slot = self.find_slot(device)
            if slot is None or device in seen or not self.usable[slot]:
                return False
            if not self.free(slot) & device.bit:
                return False
            seen.add(device)
            found = self.structure.slots[slot]
            (whole if found.whole else parts).add(found.family)
        return not whole & parts

    def take(self, device: DeviceRef) -> bool:
        """The store says that it has an owner; return whether it was without, and not held."""
        slot = self._slot(device)
        was_owned = self.owned(slot) & device.bit
        self._taken[slot] |= device.bit
        return not was_owned

    def confirm(self, number: int) -> None:
        """A hold is in the store, or undone: nobody has to wait for it."""
        self.unconfirmed = tuple([each for each in self.unconfirmed if each != number])

    def hold(self, device: DeviceRef) -> None:
        """A decision not yet committed wants it."""
        self._held[self._slot(device)] |= device.bit

    def unhold(self, device: DeviceRef) -> None:
        """That decision came to nothing; an owner that the store knows stays."""
        self._held[self._slot(device)] &= ~device.bit

    def release(self, device: DeviceRef) -> None:
        """The store says that it has no owner any more."""
        slot = self._slot(device)
        self._taken[slot] &= ~device.bit
        self._held[slot] &= ~device.bit

    def view(self) -> HostView:
        """The host as a value again; what decisions hold counts as taken."""
        return HostView(
            id=self.id,
            name=self.name,
            generation=self.generation,
            enabled=self.enabled,
            up=self.up,
            problem=self.problem,
            free_vcpus=self.free_vcpus,
            free_memory_mib=self.free_memory_mib,
            free_disk_gib=self.free_disk_gib,
            bridges=self.structure.bridges,
            pools=tuple(sorted(self._pools(), key=lambda pool: pool.sort_key)),
            bandwidth_left={
                kin: left
                for kin, left in zip(self._kin_ids, self.accounted, strict=False)
                if left.is_accounted
            },
            numa=self.numa,
            zone=self.zone,
            metadata=self.metadata,
        )

    def _pools(self) -> Iterator[DevicePool]:
        for number, slot in enumerate(self.structure.slots):
            family = self.structure.families[slot.family]
            yield DevicePool(
                kin_id=self._kin_ids[slot.family],
                kind=slot.profile.kind,
                attributes=dict(slot.profile.attributes),
                address=self.addresses[slot.family] if slot.whole or family.alone else "",
                alone=family.alone,
                members=slot.members,
                offered=slot.offered,
                taken=self._taken[number] | self._held[number],
                problem=self.problem_of(number),
            )

    def _slot(self, device: DeviceRef) -> int:
        slot = self.find_slot(device)
        assert slot is not None, f"host {self.name} has no device {device}"
        return slot

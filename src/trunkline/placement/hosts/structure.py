"""What a host is built like, without counts: most hosts of a fleet share one structure.

A host's devices fall into families: a PF and its VFs, or a device that is alone. A family has one
slot for each pool of devices that no demand can tell apart. The index keeps a few numbers for each
slot of each host; all else is here, once for all hosts built alike.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from trunkline.domain.device import DeviceKind
from trunkline.domain.device_pool import DevicePool
from trunkline.domain.ids import DeviceId, PhysicalNetwork
from trunkline.placement.hosts.bits import union

T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True)
class Profile:
    """What a demand can see of a device. Devices of one profile differ only in where they are."""

    kind: DeviceKind
    attributes: frozenset[tuple[str, str]]

    @cached_property
    def values(self) -> dict[str, str]:
        """The attributes by their names."""
        return dict(self.attributes)

    @cached_property
    def sort_key(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """An order that doesn't depend on which host was seen first."""
        return self.kind.value, tuple(sorted(self.attributes))

    @cached_property
    def spare_tags(self) -> frozenset[tuple[str, str]]:
        """The tags that make it worth leaving to those who ask for them."""
        return spare_tags(self.attributes)


def spare_tags(attributes: Iterable[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """Return the tags that make a device worth leaving to those who ask for them.

    Facts of the hardware are no rarity, and a tag that says `false` offers nothing.
    """
    return frozenset((k, v) for k, v in attributes if k.startswith("e.") and v != "false")


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in a structure where devices can be had."""

    family: int
    profile: Profile
    members: int  # Bitmaps of device numbers, as in `DevicePool`.
    offered: int
    whole: bool  # The PF itself, which excludes its family's other slots.


@dataclass(frozen=True, slots=True)
class Family:
    """The slots of one kin."""

    whole: int | None  # The slot of the PF itself; None: it is not on offer, or there is none.
    parts: tuple[int, ...]  # The other slots: VFs of the PF, or the device that is alone.
    alone: bool


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """Compared by identity: what a request can use of a structure is worked out once."""

    slots: tuple[Slot, ...]
    families: tuple[Family, ...]
    bridges: frozenset[PhysicalNetwork]
    profile_numbers: tuple[int, ...]  # [slot] as the fleet counts profiles.
    family: tuple[int, ...]  # [slot]
    whole: tuple[bool, ...]  # [slot]
    offered: tuple[int, ...]  # [slot] How many devices, whoever owns them.
    idle: tuple[int, ...]  # Slots with no device on offer.

    @property
    def has_devices(self) -> bool:
        """Whether the host has any device on offer."""
        return any(slot.offered for slot in self.slots)


class BySlot:
    """A bitmap of each slot of a structure; worked out once for slots whose devices are alike."""

    def __init__(self, make: Callable[[Profile], int], known: dict[int, int] | None = None) -> None:
        """Begin, knowing some bitmaps already, by the profile's number."""
        self._make = make
        self._known = {} if known is None else known

    def of(self, structure: Structure) -> tuple[int, ...]:
        """[slot] What `make` says of its profile."""
        known = self._known
        try:
            return tuple(map(known.__getitem__, structure.profile_numbers))
        except KeyError:
            for number, slot in zip(structure.profile_numbers, structure.slots, strict=True):
                if number not in known:
                    known[number] = self._make(slot.profile)
            return self.of(structure)


@dataclass(frozen=True)
class KinPools:
    """The pools of one kin, in the order of the family's slots."""

    kin_id: DeviceId
    address: str  # Of the PF, or of the device alone; "" if it is not known.
    pools: tuple[DevicePool, ...]
    profiles: tuple[Profile, ...]

    @cached_property
    def build(self) -> tuple[object, ...]:
        """What families are equal in that are interchangeable."""
        return tuple(
            (profile.sort_key, pool.members, pool.offered, pool.alone)
            for profile, pool in zip(self.profiles, self.pools, strict=True)
        )


class Structures:
    """Every structure, profile and text of a fleet, each once.

    Where each card has tags of its own, most hosts have a structure of their own too; but even
    those are made of the same few slots and families.
    """

    def __init__(self) -> None:
        self._structures: dict[object, Structure] = {}
        self.profiles: list[Profile] = []  # By their numbers.
        self._numbers: dict[Profile, int] = {}
        self._with: dict[tuple[str, str], int] = {}  # Bitmap of the profiles with an attribute.
        self._of_kind: dict[DeviceKind, int] = {}  # The same of a kind.
        self._build_numbers: dict[object, int] = {}
        self._shared: dict[Hashable, Any] = {}

    def of(
        self, bridges: frozenset[PhysicalNetwork], pools: Iterable[DevicePool]
    ) -> tuple[Structure, list[KinPools]]:
        """Return the structure of a host, and its pools family by family.

        Neither the order of devices nor where they sit decides the order of unlike families, so
        that hosts with like cards in unlike places are built alike; like families are in order of
        their addresses.
        """
        kin: dict[DeviceId, list[DevicePool]] = {}
        for pool in pools:
            kin.setdefault(pool.kin_id, []).append(pool)
        families = [self._family(kin_id, of_kin) for kin_id, of_kin in kin.items()]
        families.sort(key=lambda family: (family.build, family.address, family.kin_id))
        numbers = self._build_numbers
        builds = [numbers.setdefault(family.build, len(numbers)) for family in families]
        key = bridges, *builds
        structure = self._structures.get(key)
        if structure is None:
            structure = self._structures[key] = self._make(bridges, families)
        return structure, families

    def profiles_of(self, kinds: Iterable[DeviceKind]) -> int:
        """Return the profiles of devices of these kinds, as bits."""
        return union(self._of_kind.get(kind, 0) for kind in kinds)

    def profiles_with(self, ways: Iterable[Iterable[tuple[str, str]]]) -> int:
        """Return the profiles that have all attributes of one of the ways, as bits."""
        found = 0
        for way in ways:
            having = (1 << len(self.profiles)) - 1
            for attribute in way:
                having &= self._with.get(attribute, 0)
            found |= having
        return found

    def share(self, value: T) -> T:
        """Return the one object of those equal to this, whoever asks."""
        shared: T = self._shared.setdefault((type(value), value), value)
        return shared

    def _family(self, kin_id: DeviceId, pools: list[DevicePool]) -> KinPools:
        pairs = [(self._profile(pool), pool) for pool in pools]
        # The PF first, then its VFs.
        pairs.sort(key=lambda pair: (pair[1].kind is not DeviceKind.PF, pair[0].sort_key))
        return KinPools(
            kin_id,
            next((pool.address for pool in pools if pool.address), ""),
            tuple(pool for _, pool in pairs),
            tuple(profile for profile, _ in pairs),
        )

    def _profile(self, pool: DevicePool) -> Profile:
        profile = Profile(pool.kind, frozenset(pool.attributes.items()))
        number = self._numbers.setdefault(profile, len(self.profiles))
        if number == len(self.profiles):
            self.profiles.append(profile)
            self._of_kind[profile.kind] = self._of_kind.get(profile.kind, 0) | 1 << number
            for attribute in profile.attributes:
                self._with[attribute] = self._with.get(attribute, 0) | 1 << number
        return self.profiles[number]

    def _make(self, bridges: frozenset[PhysicalNetwork], families: list[KinPools]) -> Structure:
        slots, found = self._slots(families)
        numbers = tuple([self._numbers[slot.profile] for slot in slots])
        by_slot = (
            tuple([slot.family for slot in slots]),
            tuple([slot.whole for slot in slots]),
            tuple([slot.offered.bit_count() for slot in slots]),
        )
        idle = tuple([number for number, slot in enumerate(slots) if not slot.offered])
        return Structure(slots, found, bridges, numbers, *self.share(by_slot), self.share(idle))

    def _slots(self, families: list[KinPools]) -> tuple[tuple[Slot, ...], tuple[Family, ...]]:
        slots: list[Slot] = []
        found: list[Family] = []
        for f, family in enumerate(families):
            first = len(slots)
            for profile, pool in zip(family.profiles, family.pools, strict=True):
                whole = pool.kind is DeviceKind.PF
                slots.append(self.share(Slot(f, profile, pool.members, pool.offered, whole)))
            numbers = range(first, len(slots))
            found.append(
                Family(
                    next((number for number in numbers if slots[number].whole), None),
                    tuple(number for number in numbers if not slots[number].whole),
                    family.pools[0].alone,
                )
            )
        return tuple(slots), self.share(tuple(found))

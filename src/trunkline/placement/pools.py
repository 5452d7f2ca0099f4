"""Devices that are interchangeable, grouped, with the free ones as bits of a number.

A host's devices fall into families: a PF and its VFs, which exclude each other. A family's VFs
fall into pools of equal attributes. All that a decision needs of a host is then one small number
a pool, whatever the count of VFs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from trunkline.domain.device import DeviceKind
from trunkline.domain.ids import DeviceId
from trunkline.placement.views import DeviceView


@dataclass(frozen=True, slots=True)
class Profile:
    """What a demand can see of a device. Devices of one profile differ only in where they are."""

    kind: DeviceKind
    attributes: frozenset[tuple[str, str]]

    @property
    def sort_key(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """An order that doesn't depend on which host was seen first."""
        return self.kind.value, tuple(sorted(self.attributes))

    @property
    def spare_tags(self) -> frozenset[tuple[str, str]]:
        """The tags that make it worth leaving to those who ask for them.

        Facts of the hardware are no rarity, and a tag that says `false` offers nothing.
        """
        return frozenset((k, v) for k, v in self.attributes if k.startswith("e.") and v != "false")


class Pool:
    """Interchangeable devices of one family; `free` has bit i set when member i is free.

    Two things keep a device from being free: an owner that the store knows (`taken`), and a hold
    of a decision not yet committed (`held`). Undoing a hold must not free what the store has
    meanwhile given to another, so they are kept apart.
    """

    __slots__ = ("family", "free", "held", "members", "offered", "profile", "taken")

    def __init__(self, profile: Profile, members: Iterable[DeviceView]) -> None:
        self.profile = profile
        self.members = tuple(members)
        self.offered = sum(1 << i for i, device in enumerate(self.members) if device.offered)
        self.taken = sum(1 << i for i, device in enumerate(self.members) if not device.free)
        self.held = 0
        self.free = self.offered & ~self.taken
        self.family: Family  # Set by the family.

    def bit(self, device_id: DeviceId) -> int:
        """The bit of one member."""
        return 1 << next(i for i, device in enumerate(self.members) if device.id == device_id)

    def take(self, bit: int) -> None:
        """The store says that it has an owner."""
        self.taken |= bit
        self.free &= ~bit

    def hold(self, bit: int) -> None:
        """A decision not yet committed wants it."""
        self.held |= bit
        self.free &= ~bit

    def unhold(self, bit: int) -> None:
        """That decision came to nothing; an owner that the store knows stays."""
        self.held &= ~bit
        self.free = self.offered & ~self.owned

    def release(self, bit: int) -> None:
        """The store says that it has no owner any more."""
        self.taken &= ~bit
        self.unhold(bit)

    @property
    def owned(self) -> int:
        """The members that have owners or are held, on offer or not."""
        return self.taken | self.held

    @property
    def free_count(self) -> int:
        """How many members are on offer and have no owner."""
        return self.free.bit_count()

    @property
    def offered_count(self) -> int:
        """How many members are on offer."""
        return self.offered.bit_count()


class Family:
    """A PF and its VFs: the PF can be given away whole only while no VF is, and the reverse."""

    __slots__ = ("_pools", "pf", "vfs")

    def __init__(self, pf: Pool | None, vfs: tuple[Pool, ...]) -> None:
        self.pf = pf  # None: the PF itself is not on offer.
        self.vfs = vfs
        self._pools = vfs if pf is None else (pf, *vfs)
        for pool in self._pools:
            pool.family = self

    @property
    def pools(self) -> tuple[Pool, ...]:
        """The PF's own pool, if it is on offer, then those of its VFs."""
        return self._pools

    @property
    def pf_given_away(self) -> bool:
        """Whether the PF has an owner, which leaves its VFs to nobody."""
        return self.pf is not None and self.pf.owned != 0

    @property
    def owned_vf_count(self) -> int:
        """How many VFs have owners; any keeps the PF from being given away."""
        return sum(pool.owned.bit_count() for pool in self.vfs)

    def usable(self) -> list[int]:
        """How many devices of each pool could be chosen now, in the order of `pools`."""
        if self.pf_given_away:
            return [0] * len(self.pools)
        counts = [pool.free.bit_count() for pool in self.pools]
        if self.pf is not None and any(pool.taken or pool.held for pool in self.vfs):
            counts[0] = 0
        return counts

    @property
    def first_address(self) -> tuple[str, str]:
        """Where the family begins on the bus."""
        return min((device.address, device.id) for pool in self.pools for device in pool.members)


def make_families(devices: Iterable[DeviceView]) -> list[Family]:
    """Group a host's devices.

    Neither their order nor where they sit decides the order of unlike families, so that hosts
    with like cards in unlike places are built alike; like families are in order of addresses.
    """
    pfs: dict[DeviceId, DeviceView] = {}
    kin: dict[DeviceId, dict[Profile, list[DeviceView]]] = {}
    for device in devices:
        profile = Profile(device.kind, frozenset(device.attributes.items()))
        if device.kind is DeviceKind.PF:
            pfs[device.id] = device
            kin.setdefault(device.id, {})
        else:
            vfs = kin.setdefault(device.pf_id or device.id, {})
            vfs.setdefault(profile, []).append(device)

    families = [_make_family(pfs.get(pf_id), vfs) for pf_id, vfs in kin.items()]
    families.sort(key=lambda family: (_structure(family), family.first_address))
    return families


def _make_family(pf: DeviceView | None, vfs: dict[Profile, list[DeviceView]]) -> Family:
    pf_pool = None
    if pf is not None:
        pf_pool = Pool(Profile(pf.kind, frozenset(pf.attributes.items())), (pf,))
    pools = (Pool(profile, sorted(vfs[profile], key=_place_on_pf)) for profile in vfs)
    return Family(pf_pool, tuple(sorted(pools, key=lambda pool: pool.profile.sort_key)))


def _place_on_pf(device: DeviceView) -> tuple[int, str, str]:
    return (-1 if device.vf_index is None else device.vf_index, device.address, device.id)


def _structure(family: Family) -> tuple[object, ...]:
    return (family.pf is not None, *(pool.profile.sort_key for pool in family.pools))

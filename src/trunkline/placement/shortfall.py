"""How far a host's devices are from taking a demand: what would have to be free, or on offer.

The same exact match as a decision's, over more: devices with owners can be had too, at the price
of freeing them, and at a price beyond all of these, devices that do not exist. The cheapest
assignment then says what the least change is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from trunkline.domain.device import DeviceKind
from trunkline.placement.demand import NicClass
from trunkline.placement.host_state import FamilyCount, PoolCount
from trunkline.placement.matching import Problem, Solution, solve

_NOT_ON_OFFER = 1_000_000  # Dearer than freeing all devices of any host.

# On a host with more given-away PFs than this, only small sets of them, and all of them, are
# tried: the change told there is sufficient, yet perhaps not the least.
_ALL_SETS_MAX = 8
_SET_SIZE_MAX = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that would have to change; indexes into the families given."""

    class_index: int | None  # For which class of NICs; None: for several.
    family: int | None  # None: any, as the devices would have to be put on offer first.
    device_kind: DeviceKind
    count: int  # Devices that would have to be free, or be there.


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """The least change by which the devices would do."""

    to_free: int = 0  # Devices with owners that would have to be free.
    to_offer: int = 0  # Devices that would have to be there at all.
    changes: tuple[Change, ...] = ()

    @property
    def size(self) -> int:
        """For comparing: whatever can be freed is nearer than what is not there."""
        return self.to_free + _NOT_ON_OFFER * self.to_offer


@dataclass(slots=True)
class _Slot:
    family: int
    pool: PoolCount | None  # None: stands for devices that do not exist.
    free: int
    price: int  # For each device.
    whole: bool = False


def find_shortfall(
    classes: Sequence[tuple[NicClass, int]], families: Sequence[FamilyCount]
) -> Shortfall:
    """Work out the least change; an empty one means that the devices do as they are.

    A PF with an owner shuts all its VFs, at one price for all of them, which no flow expresses:
    sets of such PFs to be freed are tried, smallest first.
    """
    if not classes:
        return Shortfall()
    given_away = tuple(
        f
        for f, family in enumerate(families)
        if family.is_given_away
        and any(_fits(one, pool) for pool in family.parts for one, _ in classes)
    )
    slots = list(_slots(classes, families, given_away))
    solution = _solve(classes, slots)
    least = solution.cost  # With all of them open, without the price of opening.
    best = (least + len(given_away), solution, slots, given_away)
    tried_max = len(given_away) if len(given_away) <= _ALL_SETS_MAX else _SET_SIZE_MAX
    for count in range(tried_max):
        if best[0] <= least + count:
            break
        for opened in combinations(given_away, count):
            slots = list(_slots(classes, families, opened))
            solution = _solve(classes, slots)
            if solution.cost + count < best[0]:
                best = (solution.cost + count, solution, slots, opened)
    size, solution, slots, opened = best
    return Shortfall(
        to_free=size % _NOT_ON_OFFER,
        to_offer=size // _NOT_ON_OFFER,
        changes=tuple(_changes(classes, solution, slots, opened)),
    )


def _slots(
    classes: Sequence[tuple[NicClass, int]],
    families: Sequence[FamilyCount],
    opened: tuple[int, ...],
) -> Iterator[_Slot]:
    for f, family in enumerate(families):
        shut = family.is_given_away and f not in opened
        if family.whole is not None and family.whole.offered:
            price = family.owned_vf_count + shut
            yield _Slot(f, family.whole, 1, price, whole=True)
        for pool in family.parts:
            if not shut:
                yield _Slot(f, pool, pool.free, 0)
                yield _Slot(f, pool, pool.offered - pool.free, 1)
    yield _Slot(-1, None, sum(count for _, count in classes), _NOT_ON_OFFER)


def _solve(classes: Sequence[tuple[NicClass, int]], slots: Sequence[_Slot]) -> Solution:
    solution = solve(
        Problem(
            counts=tuple(count for _, count in classes),
            costs=tuple(
                tuple(
                    slot.price if slot.pool is None or _fits(one, slot.pool) else None
                    for slot in slots
                )
                for one, _ in classes
            ),
            free=tuple(slot.free for slot in slots),
            family=tuple(slot.family for slot in slots),
            whole=tuple(slot.whole for slot in slots),
        )
    )
    assert solution is not None, "devices that do not exist are always to be had"
    return solution


def _fits(one: NicClass, pool: PoolCount) -> bool:
    return one.fits(pool.profile.kind, pool.profile.attributes)


def _changes(
    classes: Sequence[tuple[NicClass, int]],
    solution: Solution,
    slots: Sequence[_Slot],
    opened: tuple[int, ...],
) -> Iterator[Change]:
    for family in opened:
        yield Change(class_index=None, family=family, device_kind=DeviceKind.PF, count=1)
    for c, (one, _) in enumerate(classes):
        assert one.kind is not None
        not_there = 0
        freed: dict[int, int] = {}  # [family]
        for slot, count in zip(slots, solution.taken[c], strict=True):
            if not count or not slot.price:
                continue
            if slot.pool is None:
                not_there += count
            elif slot.whole:
                kind = DeviceKind.PF if slot.pool.owned else DeviceKind.VF
                yield Change(class_index=c, family=slot.family, device_kind=kind, count=slot.price)
            else:
                freed[slot.family] = freed.get(slot.family, 0) + count
        for family, count in freed.items():
            yield Change(class_index=c, family=family, device_kind=one.kind, count=count)
        if not_there:
            yield Change(class_index=c, family=None, device_kind=one.kind, count=not_there)

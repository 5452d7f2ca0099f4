"""How far a host's devices are from taking a demand: what would have to be free, or on offer.

The same exact match as a decision's, over more: devices with owners can be had too, at the price
of freeing them, and at a price beyond all of these, devices that do not exist. The cheapest
assignment then says what the least change is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trunkline.placement.matching.match import Costs, Problem, Solution, solve
from trunkline.placement.reasons.stocks import FamilyStock, Wanted

_NOT_ON_OFFER = 1_000_000  # Dearer than freeing all devices of any host.
_NOWHERE = -1  # The family of devices that do not exist.


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that would have to change; indexes into the families given."""

    class_index: int | None  # For which class of NICs; None: for several.
    family: int | None  # None: whichever.
    count: int  # Devices that would have to be free, or be there.
    empties: bool = False  # All owners of a PF's VFs would have to go, since it is wanted whole.
    is_offer: bool = False  # The devices would have to be put on offer first.


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """The least change by which the devices would do."""

    to_free: int = 0  # Devices with owners that would have to be free.
    to_offer: int = 0  # Devices that would have to be there at all.
    changes: tuple[Change, ...] = ()
    wholes: frozenset[int] = frozenset()  # The families whose PF a NIC would have.


@dataclass(slots=True)
class PricedSlot:
    """Devices that can be had at a price: with owners, or without."""

    family: int  # Below 0: these devices do not exist.
    fits: int  # Classes, as bits.
    free: int
    price: int  # For each device.
    whole: bool = False
    empties: bool = False  # It is a PF, and VFs of it have owners.


def find_shortfall(wanted: Wanted, families: Sequence[FamilyStock]) -> Shortfall:
    """Work out the least change; an empty one means that the devices do as they are.

    A PF with an owner shuts all its VFs, at one price for all of them, which no flow expresses:
    sets of such PFs to be freed are tried, smallest first, PFs that are alike but once.
    """
    if not wanted.classes:
        return Shortfall()
    shut = shut_for(families)
    slots = _slots(wanted, families, shut)
    solution = _solve(wanted, slots)
    least = solution.cost  # With all of them open, without the price of opening.
    best = (least + len(shut), solution, slots, shut)
    kinds: dict[FamilyStock, list[int]] = {}
    for f in shut:
        kinds.setdefault(families[f], []).append(f)
    for count in range(len(shut)):
        if best[0] <= least + count:
            break
        for opened in _choices(list(kinds.values()), count):
            slots = _slots(wanted, families, opened)
            solution = _solve(wanted, slots)
            if solution.cost + count < best[0]:
                best = (solution.cost + count, solution, slots, opened)
    size, solution, slots, opened = best
    return shortfall_of(
        solution.taken,
        slots,
        to_free=size % _NOT_ON_OFFER,
        to_offer=size // _NOT_ON_OFFER,
        changes=tuple(changes_of(solution.taken, slots, opened, by_family=False)),
    )


def shortfall_of(
    taken: Sequence[Sequence[int]],
    slots: Sequence[PricedSlot],
    *,
    to_free: int,
    to_offer: int,
    changes: tuple[Change, ...],
) -> Shortfall:
    """Make a shortfall of an assignment and of what it costs."""
    return Shortfall(
        to_free=to_free,
        to_offer=to_offer,
        changes=changes,
        wholes=frozenset(
            slot.family
            for s, slot in enumerate(slots)
            if slot.whole and any(of_class[s] for of_class in taken)
        ),
    )


def shut_for(families: Sequence[FamilyStock]) -> list[int]:
    """Find the families whose PF has an owner, and whose VFs are wanted."""
    return [f for f, family in enumerate(families) if family.is_shut and family.parts]


def _choices(kinds: Sequence[Sequence[int]], count: int) -> Iterator[list[int]]:
    """Yield the ways to choose so many, which of a kind being no matter."""
    if not count:
        yield []
        return
    if not kinds:
        return
    first, *rest = kinds
    for of_first in range(min(count, len(first)), -1, -1):
        for others in _choices(rest, count - of_first):
            yield [*first[:of_first], *others]


def _slots(
    wanted: Wanted, families: Sequence[FamilyStock], opened: Sequence[int]
) -> list[PricedSlot]:
    anything = (1 << len(wanted.classes)) - 1
    unlimited = PricedSlot(_NOWHERE, anything, wanted.nic_count, _NOT_ON_OFFER)
    return [*priced_slots(families, opened), unlimited]


def priced_slots(families: Sequence[FamilyStock], opened: Sequence[int]) -> list[PricedSlot]:
    """List what can be had if the PFs of some families lose their owners."""
    slots: list[PricedSlot] = []
    for f, family in enumerate(families):
        shut = family.is_shut and f not in opened
        if family.whole:
            vfs = family.vfs_owned
            slots.append(PricedSlot(f, family.whole, 1, vfs + shut, whole=True, empties=vfs > 0))
        for stock in () if shut else family.parts:
            if stock.free:
                slots.append(PricedSlot(f, stock.fits, stock.free, 0))
            if stock.owned:
                slots.append(PricedSlot(f, stock.fits, stock.owned, 1))
    return slots


def _solve(wanted: Wanted, slots: Sequence[PricedSlot]) -> Solution:
    solution = solve(
        Problem(
            counts=tuple(count for _, count in wanted.classes),
            costs=prices(slots, range(len(wanted.classes))),
            free=tuple(slot.free for slot in slots),
            family=tuple(slot.family for slot in slots),
            whole=tuple(slot.whole for slot in slots),
        )
    )
    assert solution is not None, "devices that do not exist are always to be had"
    return solution


def prices(slots: Sequence[PricedSlot], classes: Sequence[int]) -> Costs:
    """What devices cost each of some classes."""
    return tuple(
        tuple([slot.price if slot.fits >> c & 1 else None for slot in slots]) for c in classes
    )


def changes_of(
    taken: Sequence[Sequence[int]],
    slots: Sequence[PricedSlot],
    opened: Sequence[int],
    *,
    by_family: bool,
) -> Iterator[Change]:
    """Say what would have to change for an assignment.

    Args:
        taken: [class][slot] Devices.
        slots: Where they are from.
        opened: Families whose PF would lose its owner.
        by_family: It matters of which PF the devices are that would have to be free.
    """
    for family in opened:
        yield Change(class_index=None, family=family, count=1)
    for c, of_class in enumerate(taken):
        not_there = 0
        freed: dict[int | None, int] = {}  # [family]
        for slot, count in zip(slots, of_class, strict=True):
            if not count or not slot.price:
                continue
            if slot.family == _NOWHERE:
                not_there += count
            elif slot.whole and slot.empties:
                yield Change(class_index=c, family=slot.family, count=slot.price, empties=True)
            else:
                of_family = slot.family if by_family else None
                freed[of_family] = freed.get(of_family, 0) + count
        for of_family, count in freed.items():
            yield Change(class_index=c, family=of_family, count=count)
        if not_there:
            yield Change(class_index=c, family=None, count=not_there, is_offer=True)

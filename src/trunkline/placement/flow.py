"""The part of a match that a flow expresses: which slot each NIC's device comes from.

Classes of NICs flow through slots and families. Each device costs its price, and after prices
counts balance: of each device taken, how far its family was from the fullest one. That grows with
each device of a family, so that successive shortest paths give the least of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trunkline.placement.problem import Row


@dataclass(frozen=True, slots=True)
class Flow:
    """An assignment; none has a lower price, nor, at this price, a lower imbalance."""

    taken: list[list[int]]  # [row][slot]
    price: int
    imbalance: int


def rooms(free: Sequence[int], family: Sequence[int]) -> dict[int, int]:
    """How many devices each family has left."""
    room: dict[int, int] = {}
    for slot, count in enumerate(free):
        room[family[slot]] = room.get(family[slot], 0) + count
    return room


def assign(
    rows: Sequence[Row], counts: Sequence[int], free: Sequence[int], family: Sequence[int]
) -> Flow | None:
    """Assign `counts[r]` devices to each row, or None: there is no assignment at all.

    One device after another along a cheapest augmenting path: an earlier one moves to another slot
    when that lets a later one in. One that can't be let in so can't be at all (Berge).
    """
    left = list(free)
    room = rooms(free, family)
    fullest = max(room.values(), default=0)
    taken = [[0] * len(left) for _ in rows]
    price = imbalance = 0
    for r, count in enumerate(counts):
        for _ in range(count):
            path = _direct(rows, r, left, family, room, taken) or _cheapest_path(
                rows, r, free, left, family, room, taken
            )
            if path is None:
                return None
            more, hops, end = path
            price += more
            imbalance += fullest - room[family[end]]
            for taker, slot, change in hops:
                taken[taker][slot] += change
                left[slot] -= change
                room[family[slot]] -= change
    return Flow(taken, price, imbalance)


_Hop = tuple[int, int, int]  # Row, slot, +1 or -1.
_Path = tuple[int, list[_Hop], int]  # What it adds to the price, the hops, the slot it ends at.


def _direct(
    rows: Sequence[Row],
    r: int,
    left: Sequence[int],
    family: Sequence[int],
    room: dict[int, int],
    taken: Sequence[Sequence[int]],
) -> _Path | None:
    """The row's cheapest slot, if something is left there and no detour could be better."""
    row = rows[r]
    cheapest = None
    best = -1
    for slot, cost in enumerate(row):
        if cost is None or (cheapest is not None and cost > cheapest):
            continue
        if cheapest is None or cost < cheapest:
            cheapest, best = cost, -1
        if left[slot] and (best < 0 or room[family[slot]] > room[family[best]]):
            best = slot
    if cheapest is None or best < 0:
        return None
    if r and any(room[f] > room[family[best]] for f in _within_reach(rows, r, family, taken)):
        return None
    return cheapest, [(r, best, 1)], best


def _within_reach(
    rows: Sequence[Row], r: int, family: Sequence[int], taken: Sequence[Sequence[int]]
) -> set[int]:
    """Families that a detour of the row can end in: its own, and those that others can move to."""
    reach = {family[slot] for slot, cost in enumerate(rows[r]) if cost is not None}
    waiting = list(range(r))
    grown = True
    while grown:
        grown = False
        for other in waiting:
            if any(count and family[slot] in reach for slot, count in enumerate(taken[other])):
                reach.update(
                    f for f, cost in zip(family, rows[other], strict=True) if cost is not None
                )
                waiting.remove(other)
                grown = True
                break
    return reach


def _cheapest_path(
    rows: Sequence[Row],
    start: int,
    free: Sequence[int],
    left: Sequence[int],
    family: Sequence[int],
    room: dict[int, int],
    taken: Sequence[Sequence[int]],
) -> _Path | None:
    """Bellman-Ford over rows and slots.

    A row reaches its slots. A slot reaches the rows that have devices of it, and could give one up.
    A slot with something left reaches the other slots of its family too: taking one device here and
    giving one back there leaves the family as it was.
    """
    to_row: dict[int, int] = {start: 0}
    to_slot: dict[int, int] = {}
    via: dict[int, tuple[bool, int]] = {}  # [slot] the row, or else the slot, it was reached from.
    via_slot: dict[int, int] = {}  # [row] the slot whose device it would give up.
    used = [slot for slot, count in enumerate(free) if count > left[slot]]
    changed = True
    while changed:
        changed = False
        for r in range(start + 1):
            if r not in to_row:
                continue
            for slot, cost in enumerate(rows[r]):
                if cost is not None and to_row[r] + cost < to_slot.get(slot, _FAR):
                    to_slot[slot], via[slot], changed = to_row[r] + cost, (True, r), True
        for slot, so_far in list(to_slot.items()):
            if left[slot]:
                for other in used:
                    if family[other] == family[slot] and so_far < to_slot.get(other, _FAR):
                        to_slot[other], via[other], changed = so_far, (False, slot), True
        for slot in used:
            so_far = to_slot.get(slot, _FAR)
            for r in range(start + 1):
                cost = rows[r][slot]
                if cost is not None and taken[r][slot] and so_far - cost < to_row.get(r, _FAR):
                    to_row[r], via_slot[r], changed = so_far - cost, slot, True

    ends = [slot for slot in to_slot if left[slot]]
    if not ends:
        return None
    end = min(ends, key=lambda s: (to_slot[s], -room[family[s]], s))
    return to_slot[end], _hops(start, end, via, via_slot), end


def _hops(
    start: int, end: int, via: dict[int, tuple[bool, int]], via_slot: dict[int, int]
) -> list[_Hop]:
    """Walk a path back from its end."""
    hops: list[_Hop] = []
    slot = end
    while True:
        from_row, source = via[slot]
        if not from_row:
            slot = source
            continue
        hops.append((source, slot, 1))
        if source == start:
            return hops
        slot = via_slot[source]
        hops.append((source, slot, -1))


_FAR = 1 << 60

"""The part of a match that a flow expresses: which slot each NIC's device comes from.

Classes of NICs flow through slots and families. Each device costs its price, and after prices
counts balance: of each device taken, how far its family was from the fullest one. That grows with
each device of a family, so that successive shortest paths give the least of both.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from trunkline.placement.matching.problem import Row


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
    # Those with least choice first: what comes later then rarely needs them moved.
    choice = [len(row) - row.count(None) for row in rows]
    order = sorted(range(len(rows)), key=choice.__getitem__)
    for at, r in enumerate(order):
        cheapest, slots = _cheapest_slots(rows[r])
        reach: Collection[int] | None = None
        for _ in range(counts[r]):
            end = _roomiest(slots, left, family, room)
            if end is not None and at and (here := room[family[end]]) < max(room.values()):
                reach = reach or _within_reach(slots, rows, order[:at], family, taken)
                if any(room[f] > here for f in reach):
                    end = None
            if end is not None:
                price += cheapest
                taken[r][end] += 1
                left[end] -= 1
            else:
                path = _cheapest_path(rows, order[: at + 1], free, left, family, room, taken)
                if path is None:
                    return None
                more, hops, end = path
                price += more
                for taker, slot, change in hops:
                    taken[taker][slot] += change
                    left[slot] -= change
                reach = None
            imbalance += fullest - room[family[end]]
            room[family[end]] -= 1
    return Flow(taken, price, imbalance)


_Hop = tuple[int, int, int]  # Row, slot, +1 or -1.
_Path = tuple[int, list[_Hop], int]  # What it adds to the price, the hops, the slot it ends at.


def _cheapest_slots(row: Row) -> tuple[int, list[int]]:
    """The lowest cost of a row, and the slots that cost so much."""
    cheapest = _FAR
    slots: list[int] = []
    for slot, cost in enumerate(row):
        if cost is None or cost > cheapest:
            continue
        if cost < cheapest:
            cheapest = cost
            slots.clear()
        slots.append(slot)
    return cheapest, slots


def _roomiest(
    slots: Sequence[int], left: Sequence[int], family: Sequence[int], room: Mapping[int, int]
) -> int | None:
    """Of some slots the first one of the family with most room, if there is anything left.

    A row's cheapest slots are where its next device comes from, as long as no detour could end in
    a family with more room.
    """
    best, most = None, -1
    for slot in slots:
        if left[slot] and room[family[slot]] > most:
            best, most = slot, room[family[slot]]
    return best


def _within_reach(
    slots: Sequence[int],
    rows: Sequence[Row],
    others: Sequence[int],
    family: Sequence[int],
    taken: Sequence[Sequence[int]],
) -> set[int]:
    """Families that a detour over a row's cheapest slots can end in, as other rows move away.

    One over a slot that costs the row more can't be better: as the others have the least price,
    none of their moves makes up for it.
    """
    reach = {family[slot] for slot in slots}
    waiting = list(others)
    grown = True
    while grown:
        grown = False
        for other in waiting:
            if any(count and f in reach for f, count in zip(family, taken[other], strict=True)):
                reach.update(
                    f for f, cost in zip(family, rows[other], strict=True) if cost is not None
                )
                waiting.remove(other)
                grown = True
                break
    return reach


def _cheapest_path(
    rows: Sequence[Row],
    order: Sequence[int],
    free: Sequence[int],
    left: Sequence[int],
    family: Sequence[int],
    room: dict[int, int],
    taken: Sequence[Sequence[int]],
) -> _Path | None:
    """Bellman-Ford over rows and slots, from the last row.

    A row reaches its slots. A slot reaches the rows that have devices of it, and could give one up.
    A slot with something left reaches the other slots of its family too: taking one device here and
    giving one back there leaves the family as it was.
    """
    start = order[-1]
    to_row: dict[int, int] = {start: 0}
    to_slot: dict[int, int] = {}
    via: dict[int, tuple[bool, int]] = {}  # [slot] the row, or else the slot, it was reached from.
    via_slot: dict[int, int] = {}  # [row] the slot whose device it would give up.
    used = [slot for slot, count in enumerate(free) if count > left[slot]]
    changed = True
    while changed:
        changed = False
        for r in order:
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
            for r in order:
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

"""Whether servers that must leave where they are can all be placed elsewhere, and where.

Placing many servers at best is hard; here they are placed one by one, the most demanding first. If
all are placed, that is a proof that they can be. If not, what each shape could have at most by
itself bounds how many can be, and says whether the answer is known to be the best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from trunkline.placement.asks.demand import make_demand
from trunkline.placement.asks.fellows import Fellows
from trunkline.placement.asks.request import Placed, PlacementRequest
from trunkline.placement.index.fleet import Fleet, Hold
from trunkline.placement.place import find_placement
from trunkline.placement.planning.capacity import Unlimited, capacity, rows_of
from trunkline.placement.planning.residents import Resident

ROUNDS_MAX: Final = 4  # Orders tried: after each, those that found no place come first.


@dataclass(frozen=True, slots=True)
class Move:
    """A server, and where it would go."""

    resident: Resident
    placed: Placed


@dataclass(frozen=True, slots=True)
class Resettled:
    """Where servers would go, in the order in which they were placed, and which found no place."""

    moves: tuple[Move, ...]
    stuck: tuple[Resident, ...]
    at_most: int  # Of all of them, more can't be placed, in whatever order.

    @property
    def is_proven(self) -> bool:
        """Whether it is known that no more of them can be placed."""
        return len(self.moves) == self.at_most


def resettle(residents: Sequence[Resident], fleet: Fleet, *, spread_key: str = "") -> Resettled:
    """Place servers that hold nothing, in a fleet that is the caller's to try things on.

    What is placed stays held in the fleet.
    """
    residents = _apart_from_fellows(residents)
    order = sorted(residents, key=_hardest_first)
    bound = None
    best: tuple[list[Move], list[Resident]] | None = None
    for _ in range(ROUNDS_MAX):
        moves: list[Move] = []
        stuck: list[Resident] = []
        holds: list[Hold] = []
        for resident in order:
            request = _beside(resident.request, moves)
            placed = find_placement(request, fleet, spread_key=spread_key)
            if placed is None:
                stuck.append(resident)
            else:
                moves.append(Move(resident, placed))
                holds.append(fleet.hold(placed, request))
        if best is None or len(stuck) < len(best[1]):
            best = moves, stuck
        for hold in reversed(holds):
            fleet.undo(hold)
        if stuck and bound is None:
            bound = _at_most(residents, fleet)
        if not stuck or len(best[0]) == bound:
            break
        failed = {resident.server_id for resident in stuck}
        order = stuck + [each for each in order if each.server_id not in failed]
    moves, stuck = best or ([], [])
    for move in moves:
        fleet.hold(move.placed, move.resident.request)
    stuck = [replace(each, request=_beside(each.request, moves)) for each in stuck]
    return Resettled(tuple(moves), tuple(stuck), len(residents) if bound is None else bound)


def _apart_from_fellows(residents: Sequence[Resident]) -> list[Resident]:
    """Say of each where its fellows are that stay: those that move with it are nowhere yet."""
    found = []
    for resident in residents:
        fellows = resident.request.fellows
        if fellows is not None:
            for other in residents:
                if other.server_id != resident.server_id and _are_fellows(other.request, fellows):
                    fellows = fellows.and_on(other.host_id, -1)
        found.append(replace(resident, request=replace(resident.request, fellows=fellows)))
    return found


def _beside(request: PlacementRequest, moves: Sequence[Move]) -> PlacementRequest:
    """What a server asks for once others are where they would go."""
    fellows = request.fellows
    if fellows is None:
        return request
    for move in moves:
        if _are_fellows(move.resident.request, fellows):
            fellows = fellows.and_on(move.placed.host_id)
    return replace(request, fellows=fellows)


def _are_fellows(request: PlacementRequest, fellows: Fellows) -> bool:
    return request.fellows is not None and request.fellows.group_id == fellows.group_id


def _hardest_first(resident: Resident) -> tuple[object, ...]:
    request = resident.request
    devices = [nic for nic in request.nics if nic.kind is not None]
    return (
        -len(devices),
        -len(request.rules) - sum(nic.numa is not None for nic in devices),
        -request.vcpus,
        -request.memory_mib,
        -request.disk_gib,
        resident.name,
        resident.server_id,
    )


def _at_most(residents: Sequence[Resident], fleet: Fleet) -> int:
    """Add up what each shape could have at most, had it the fleet to itself."""
    shapes: dict[object, list[PlacementRequest]] = {}
    for resident in residents:
        request = resident.request
        sizes = request.vcpus, request.memory_mib, request.disk_gib
        group = None if request.fellows is None else request.fellows.group_id
        named = request.only_host, request.zone, request.metadata, group
        key = make_demand(request), sizes, request.excluded_hosts, named
        shapes.setdefault(key, []).append(request)
    return sum(min(len(alike), _most(alike[0], fleet)) for alike in shapes.values())


def _most(request: PlacementRequest, fleet: Fleet) -> int:
    try:
        return capacity(request, rows_of(fleet.hosts())).most
    except Unlimited:  # Of no size, with no device.
        return 0 if find_placement(request, fleet) is None else 1 << 30

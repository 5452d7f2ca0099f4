"""Bounds of a plan: the fewest moves that could be enough, and what they cost at the least."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from trunkline.domain.ids import HostId
from trunkline.placement.asks.demand import nic_class
from trunkline.placement.asks.request import PlacementRequest
from trunkline.placement.hosts.views import HostView
from trunkline.placement.planning.defrag_goal import Cover, Mover
from trunkline.placement.planning.defrag_grounds import Grounds, Visit, is_ruled, shape_of

_DEVICE_COST: Final = 1 << 50  # One device more outweighs all memory, in MiB.


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """A server that could be moved, were it the only one."""

    mover: Mover
    refit_cost: int | None  # None: it can't be re-fitted.
    go_cost: int
    hosts: tuple[HostId, ...]  # Other hosts that it could go to, best first; perhaps not all.
    kind: object  # What candidates are equal in that are interchangeable.

    @property
    def gain(self) -> int:
        """Devices of the goal that its move frees."""
        return self.mover.gain

    @property
    def least_cost(self) -> int:
        """Of its move."""
        return self.go_cost if self.refit_cost is None else min(self.refit_cost, self.go_cost)


class Bounds:
    """The candidates of a cover, best first, and what any number of them can and must do."""

    def __init__(self, cover: Cover, grounds: Grounds, *, moves_max: int) -> None:
        found: list[Candidate] = []
        self.stuck: list[Mover] = []  # Servers that can go nowhere.
        for mover in cover.movers:
            candidate = _candidate(mover, grounds)
            if candidate is None:
                self.stuck.append(mover)
            else:
                found.append(candidate)
        first: dict[object, int] = {}
        for number, candidate in enumerate(found):
            first.setdefault(candidate.kind, number)
        found.sort(key=lambda one: (-one.gain, one.least_cost, first[one.kind]))
        self.candidates: Sequence[Candidate] = found
        self._seats = _seats(found, grounds, enough=min(moves_max, len(found)))
        self._gains: dict[int, list[int]] = {}
        self._costs = _cheapest(found, moves_max)

    def at_least(self, need: int) -> int | None:
        """How many moves it takes at the least; None: all of them are not enough."""
        gains = self._gains_from(0)
        return next((count for count, gain in enumerate(gains) if gain >= need), None)

    @property
    def gain_max(self) -> int:
        """No more than this can be gained."""
        return self._gains_from(0)[-1]

    def gain(self, start: int, count: int) -> int:
        """The most that so many candidates from `start` on can gain."""
        gains = self._gains_from(start)
        return gains[min(count, len(gains) - 1)]

    def cost(self, start: int, count: int) -> int:
        """The least that so many candidates from `start` on can cost."""
        costs = self._costs[start]
        return costs[min(count, len(costs) - 1)]

    def _gains_from(self, start: int) -> list[int]:
        """[count] The most that so many can gain that find seats, counted host by host.

        Candidates that can be seated together are the independent sets of a transversal matroid,
        so that to take whoever gains most and still finds a seat gains the most.
        """
        gains = self._gains.get(start)
        if gains is None:
            seating = _Seating(self._seats)
            gains = [0]
            for one in self.candidates[start:]:
                if seating.add(one):
                    gains.append(gains[-1] + one.gain)
            self._gains[start] = gains
        return gains


_Place = tuple[HostId, bool]  # A host, for those that come to it or for those that stay.


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seats:
    """How many servers there is room for at the most, counted in each resource by itself."""

    places: dict[Candidate, tuple[_Place, ...]]  # Of those that are not sure of a host.
    counts: dict[_Place, int]


def _seats(found: Sequence[Candidate], grounds: Grounds, *, enough: int) -> _Seats:
    places: dict[Candidate, tuple[_Place, ...]] = {}
    guests: dict[_Place, list[Candidate]] = {}
    for one in found:
        if len(one.hosts) >= enough:
            continue
        own = one.mover.resident.host_id
        stays = [(own, True)] if one.refit_cost is not None else []
        places[one] = (*stays, *((host_id, False) for host_id in one.hosts))
        for place in places[one]:
            guests.setdefault(place, []).append(one)
    counts = {}
    for place, of_place in guests.items():
        host_id, stays_there = place
        host = grounds.hosts[host_id]
        if stays_there:
            counts[place] = _fitting(_free_devices(host), [len(o.mover.nics) for o in of_place])
        else:
            counts[place] = _room(host, [one.mover.resident.request for one in of_place])
    return _Seats(places=places, counts=counts)


class _Seating:
    """Candidates on seats, moved on from one to another as others need theirs."""

    def __init__(self, seats: _Seats) -> None:
        self._seats = seats
        self._at: dict[_Place, list[Candidate]] = {place: [] for place in seats.counts}

    def add(self, one: Candidate) -> bool:
        """Seat one more, if that can be done."""
        return one not in self._seats.places or self._seat(one, set())

    def _seat(self, one: Candidate, tried: set[_Place]) -> bool:
        for place in self._seats.places[one]:
            if place in tried:
                continue
            tried.add(place)
            seated = self._at[place]
            if len(seated) < self._seats.counts[place]:
                seated.append(one)
                return True
            for number, other in enumerate(seated):
                if self._seat(other, tried):
                    seated[number] = one
                    return True
        return False


def _room(host: HostView, requests: Sequence[PlacementRequest]) -> int:
    return min(
        _fitting(host.free_vcpus, [request.vcpus for request in requests]),
        _fitting(host.free_memory_mib, [request.memory_mib for request in requests]),
        _fitting(host.free_disk_gib, [request.disk_gib for request in requests]),
        _fitting(
            _free_devices(host),
            [sum(nic.kind is not None for nic in request.nics) for request in requests],
        ),
    )


def _fitting(free: int, wanted: Sequence[int]) -> int:
    """How many of these fit at the most: the smallest."""
    return sum(total <= free for total in accumulate(sorted(wanted)))


def _free_devices(host: HostView) -> int:
    return sum((pool.choosable & ~pool.taken).bit_count() for pool in host.pools)


def _candidate(mover: Mover, grounds: Grounds) -> Candidate | None:
    request, own = mover.resident.request, mover.resident.host_id
    hosts = grounds.reach(mover)
    can_refit = grounds.join(None, Visit(mover, is_refit=True), own) is not None
    if not hosts and not can_refit:
        return None
    if is_ruled(request):
        leaving: object = mover.resident.server_id  # Where its other devices are makes it unlike.
    else:
        classes = (repr(nic_class(nic).sort_key) for nic in request.nics if nic.nic in mover.nics)
        leaving = tuple(sorted(classes))
    return Candidate(
        mover=mover,
        refit_cost=len(mover.nics) * _DEVICE_COST if can_refit else None,
        go_cost=mover.device_count * _DEVICE_COST + request.memory_mib,
        hosts=hosts,
        kind=(shape_of(request), own, mover.gain, mover.device_count, can_refit, leaving),
    )


def _cheapest(found: Sequence[Candidate], count_max: int) -> list[list[int]]:
    """[start][count] The sum of the lowest costs among the candidates from `start` on."""
    lowest: list[int] = []
    rows: list[list[int]] = [[0]]
    for one in reversed(found):
        insort(lowest, one.least_cost)
        del lowest[count_max:]
        rows.append([0, *accumulate(lowest)])
    rows.reverse()
    return rows

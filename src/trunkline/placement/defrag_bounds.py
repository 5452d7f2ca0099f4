"""Bounds of a plan: the fewest moves that could be enough, and what they cost at the least."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from trunkline.domain.ids import HostId
from trunkline.placement.defrag_goal import Cover, Mover
from trunkline.placement.defrag_grounds import Grounds, Visit, is_ruled, shape_of
from trunkline.placement.demand import nic_class
from trunkline.placement.views import HostView

_DEVICE_COST: Final = 1 << 50  # One device more outweighs all memory, in MiB.


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """A server that could be moved, were it the only one."""

    mover: Mover
    refit_cost: int | None  # None: it can't be re-fitted.
    go_cost: int
    hosts: tuple[HostId, ...]  # Other hosts that it could go to, best first; perhaps not all.
    kind: object  # What candidates are equal in that are interchangeable.
    group: int  # Candidates with the same places to go to.

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
        groups: dict[object, int] = {}
        for mover in cover.movers:
            candidate = _candidate(mover, grounds, groups)
            if candidate is None:
                self.stuck.append(mover)
            else:
                found.append(candidate)
        first: dict[object, int] = {}
        for number, candidate in enumerate(found):
            first.setdefault(candidate.kind, number)
        found.sort(key=lambda one: (-one.gain, one.least_cost, first[one.kind]))
        self.candidates: Sequence[Candidate] = found
        self.caps = _caps(found, grounds, moves_max=moves_max)
        self._gains = [0, *accumulate(one.gain for one in found)]
        self._costs = _cheapest(found, moves_max)

    def at_least(self, need: int) -> int | None:
        """How many moves it takes at the least; None: all of them are not enough."""
        gain = 0
        for number, one in enumerate(self._uncrowded()):
            if gain >= need:
                return number
            gain += one.gain
        return sum(1 for _ in self._uncrowded()) if gain >= need else None

    @property
    def gain_max(self) -> int:
        """No more than this can be gained."""
        return sum(one.gain for one in self._uncrowded())

    def gain(self, start: int, count: int) -> int:
        """The most that so many candidates from `start` on can gain."""
        end = min(start + count, len(self.candidates))
        return self._gains[end] - self._gains[start]

    def cost(self, start: int, count: int) -> int:
        """The least that so many candidates from `start` on can cost."""
        return self._costs[start][count]

    def _uncrowded(self) -> Iterable[Candidate]:
        """The candidates that gain most, no more of a group than there is room for."""
        counts: Counter[int] = Counter()
        for one in self.candidates:
            counts[one.group] += 1
            if counts[one.group] <= self.caps[one.group]:
                yield one


def _candidate(mover: Mover, grounds: Grounds, groups: dict[object, int]) -> Candidate | None:
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
        group=groups.setdefault((hosts, own if can_refit else None), len(groups)),
    )


def _caps(found: Sequence[Candidate], grounds: Grounds, *, moves_max: int) -> list[int]:
    """How many of each group there is room for, counted in each resource by itself."""
    groups: dict[int, list[Candidate]] = {}
    for one in found:
        groups.setdefault(one.group, []).append(one)
    caps = []
    for number in range(len(groups)):
        of_group = groups[number]
        hosts = of_group[0].hosts
        if len(hosts) >= min(moves_max, len(found)):  # Perhaps there are more, not told here.
            caps.append(len(found))
            continue
        cap = sum(_room(grounds.hosts[host_id], of_group) for host_id in hosts)
        if of_group[0].refit_cost is not None:
            fewest = min(len(one.mover.nics) for one in of_group)
            cap += _free_devices(grounds.hosts[of_group[0].mover.resident.host_id]) // fewest
        caps.append(cap)
    return caps


def _room(host: HostView, guests: Sequence[Candidate]) -> int:
    requests = [one.mover.resident.request for one in guests]
    devices = min(sum(nic.kind is not None for nic in request.nics) for request in requests)
    rooms = [
        _times(host.free_vcpus, min(request.vcpus for request in requests)),
        _times(host.free_memory_mib, min(request.memory_mib for request in requests)),
        _times(host.free_disk_gib, min(request.disk_gib for request in requests)),
        _times(_free_devices(host), devices),
    ]
    return min([len(guests), *(room for room in rooms if room is not None)])


def _times(free: int, wanted: int) -> int | None:
    return free // wanted if wanted else None


def _free_devices(host: HostView) -> int:
    return sum((pool.offered & ~pool.taken).bit_count() for pool in host.pools)


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

"""What a decision reads of a fleet: one column of bits for each fact, a bit for each host.

Places are in the order of host names, so that the lowest bit is the first name. Columns follow
single changes of hosts; adding or removing a host makes them anew.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from trunkline.domain.ids import HostId, HostName, PhysicalNetwork
from trunkline.placement.bits import Numbers, bitmap_of
from trunkline.placement.demand import NicClass
from trunkline.placement.feasibility import wasted_tags
from trunkline.placement.host_state import HostState
from trunkline.placement.request import PlacementRequest
from trunkline.placement.structure import Profile, Structure, Structures

# Columns of a class take some 1 KB for each 1,000 hosts. Classes repeat (flavors times networks);
# a tenant who invents new ones evicts, and can't exhaust.
CLASSES_KEPT_MAX: Final = 512
COUNT_MAX: Final = 16  # More devices of one slot are as good as so many.


class ClassColumns:
    """Which hosts have how many devices for NICs of one class, and how well these suit it.

    A cost is how many tags of a device nobody would use. `at(count)` has one column for each cost
    that the class meets, cheapest first: the hosts with at least `count` devices of that cost or
    less.
    """

    def __init__(
        self, one: NicClass, profiles: Sequence[Profile], hosts: Sequence[HostState]
    ) -> None:
        found = {p: wasted_tags(one, profile) for p, profile in enumerate(profiles)}
        costs = {p: cost for p, cost in found.items() if cost is not None}
        self.costs = sorted(set(costs.values()))
        self.profiles = sum(1 << p for p in costs)  # Bitmap of the profiles that fit.
        self.changed: set[int] = set()  # Places of hosts whose devices for it have changed.
        self._cost = costs
        self._level = {p: self.costs.index(cost) for p, cost in costs.items()}
        self._hosts = hosts
        self._columns: dict[int, list[int]] = {}  # [count][level]

    def at(self, count: int) -> list[int]:
        """Return the columns for a count, up to date; none if nothing anywhere fits."""
        self._catch_up()
        count = min(count, COUNT_MAX)
        columns = self._columns.get(count)
        if columns is None:
            columns = self._columns[count] = self._make(count)
        return columns

    def costs_on(self, structure: Structure) -> tuple[int | None, ...]:
        """Return the cost of a device of each slot; None: it does not fit."""
        return tuple([self._cost.get(number) for number in structure.profile_numbers])

    def _make(self, count: int) -> list[int]:
        places: list[list[int]] = [[] for _ in self.costs]
        for place, host in enumerate(self._hosts):
            if not host.structure.profiles & self.profiles:
                continue
            for level, total in enumerate(self._totals(host)):
                if total >= count:
                    places[level].append(place)
        return [bitmap_of(each, len(self._hosts)) for each in places]

    def _catch_up(self) -> None:
        if not self.changed:
            return
        for place in self.changed:
            totals, bit = self._totals(self._hosts[place]), 1 << place
            for count, columns in self._columns.items():
                for level, total in enumerate(totals):
                    if (total >= count) != bool(columns[level] & bit):
                        columns[level] ^= bit
        self.changed.clear()

    def _totals(self, host: HostState) -> list[int]:
        """Count a host's devices of each cost or less."""
        totals = [0] * len(self.costs)
        level_of = self._level
        for profile, usable in zip(host.structure.profile_numbers, host.usable, strict=True):
            if usable and (level := level_of.get(profile)) is not None:
                totals[level] += usable
        for level in range(1, len(totals)):
            totals[level] += totals[level - 1]
        return totals


class Columns:
    """All columns of one set of hosts."""

    def __init__(self, hosts: Iterable[HostState], structures: Structures) -> None:
        self.hosts = sorted(hosts, key=lambda host: (host.name, host.id))
        self.places: dict[HostId, int] = {host.id: place for place, host in enumerate(self.hosts)}
        self._structures = structures
        self._profile_count = len(structures.profiles)
        self._classes: OrderedDict[NicClass, ClassColumns] = OrderedDict()
        self._usable = [host.usable for host in self.hosts]  # As the classes know it.
        self.in_service = self._where(lambda host: host.enabled and host.up)
        self.with_devices = self._where(lambda host: host.structure.has_devices)
        self.free_devices = Numbers(sum(host.usable) for host in self.hosts)
        self.free_vcpus = Numbers(host.free_vcpus for host in self.hosts)
        self.free_memory = Numbers(host.free_memory_mib for host in self.hosts)
        self.free_disk = Numbers(host.free_disk_gib for host in self.hosts)
        self._bridges: dict[PhysicalNetwork, int] = {}

    def update(self, host: HostState) -> None:
        """Follow a change of one host's numbers."""
        place, bit = self.places[host.id], 1 << self.places[host.id]
        if (host.enabled and host.up) != bool(self.in_service & bit):
            self.in_service ^= bit
        self.free_vcpus.put(place, host.free_vcpus)
        self.free_memory.put(place, host.free_memory_mib)
        self.free_disk.put(place, host.free_disk_gib)
        before = self._usable[place]
        if before is not host.usable and before != host.usable:
            self._usable[place] = host.usable
            self.free_devices.put(place, sum(host.usable))
            self._mark(place, _changed_profiles(host, before))

    def replace(self, host: HostState) -> None:
        """Follow a host that was put anew: nothing of it may be as it was."""
        place, bit = self.places[host.id], 1 << self.places[host.id]
        self.hosts[place] = host
        self._usable[place] = host.usable
        self.free_devices.put(place, sum(host.usable))
        if host.structure.has_devices != bool(self.with_devices & bit):
            self.with_devices ^= bit
        for name, column in self._bridges.items():
            if (name in host.structure.bridges) != bool(column & bit):
                self._bridges[name] ^= bit
        self._mark(place, -1)
        self.update(host)

    def of_class(self, one: NicClass) -> ClassColumns:
        """Return the columns of a class, made if it is new."""
        if self._profile_count != len(self._structures.profiles):
            self._profile_count = len(self._structures.profiles)
            self._classes.clear()
        columns = self._classes.get(one)
        if columns is None:
            columns = ClassColumns(one, self._structures.profiles, self.hosts)
            self._classes[one] = columns
            if len(self._classes) > CLASSES_KEPT_MAX:
                self._classes.popitem(last=False)
        else:
            self._classes.move_to_end(one)
        return columns

    def with_bridge(self, name: PhysicalNetwork) -> int:
        """Return the hosts with a bridge on a physical network."""
        column = self._bridges.get(name)
        if column is None:
            column = self._where(lambda host: name in host.structure.bridges)
            self._bridges[name] = column
        return column

    def named(self, name: HostName) -> int:
        """Return the host of a name (or several, if whoever put them let that happen)."""
        first = bisect_left(self.hosts, name, key=lambda host: host.name)
        last = bisect_right(self.hosts, name, key=lambda host: host.name)
        return (1 << last) - (1 << first)

    def with_room(self, request: PlacementRequest) -> int:
        """Return the hosts in service that a server of this size fits on."""
        found = self.free_memory.at_least(request.memory_mib, self.in_service)
        found = self.free_vcpus.at_least(request.vcpus, found)
        return self.free_disk.at_least(request.disk_gib, found)

    def _where(self, holds: Callable[[HostState], bool]) -> int:
        return bitmap_of(
            (place for place, host in enumerate(self.hosts) if holds(host)), len(self.hosts)
        )

    def _mark(self, place: int, profiles: int) -> None:
        for columns in self._classes.values():
            if columns.profiles & profiles:
                columns.changed.add(place)


def _changed_profiles(host: HostState, before: Sequence[int]) -> int:
    """Return the profiles of which a host has more or fewer devices, as far as that counts."""
    return sum(
        {
            1 << profile
            for profile, now, then in zip(
                host.structure.profile_numbers, host.usable, before, strict=True
            )
            if now != then and (now < COUNT_MAX or then < COUNT_MAX)
        }
    )

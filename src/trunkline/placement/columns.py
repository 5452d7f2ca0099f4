"""What a decision reads of a fleet: one column of bits for each fact, a bit for each host.

Places are in the order of host names, so that the lowest bit is the first name. Columns follow
single changes of hosts; adding or removing a host makes them anew.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Final

from trunkline.domain.ids import HostId, HostName, PhysicalNetwork
from trunkline.placement.bits import EVERYWHERE, Counter, Numbers, bitmap_of, bits_of
from trunkline.placement.demand import NicClass
from trunkline.placement.feasibility import wasted_tags
from trunkline.placement.host_state import HostState
from trunkline.placement.offers import Offers
from trunkline.placement.request import PlacementRequest
from trunkline.placement.structure import Profile, Structure, Structures

# Columns of a class take some 1 KB for each 1,000 hosts. Classes repeat (flavors times networks);
# a tenant who invents new ones evicts, and can't exhaust.
CLASSES_KEPT_MAX: Final = 512
LOG_MAX: Final = 8192  # Changes remembered; a class that was not asked for longer is made anew.


class ClassColumns:
    """Which hosts have how many devices for NICs of one class, and how well these suit it.

    A cost is how many tags of a device nobody would use. `at(count)` has one column for each cost
    that the class meets, cheapest first: the hosts with at least `count` devices of that cost or
    less.
    """

    def __init__(self, one: NicClass, structures: Structures, fleet: Columns) -> None:
        self._fleet = fleet
        self._cost: dict[int, int] = {}  # [profile] of those that fit.
        for profile in structures.profiles_with(one.ways):
            cost = wasted_tags(one, structures.profiles[profile])
            if cost is not None:
                self._cost[profile] = cost
        self.costs = sorted(set(self._cost.values()))
        self.profiles = sum(1 << profile for profile in self._cost)
        self._level = {profile: self.costs.index(cost) for profile, cost in self._cost.items()}
        self._columns: dict[int, list[int]] = {}  # [count][level]
        self._fitting: Counter | None = None
        self._read = fleet.log_end  # Up to where the columns follow the fleet's log.

    def at(self, count: int) -> list[int]:
        """Return the columns for a count, up to date; none if nothing anywhere fits."""
        self._catch_up()
        columns = self._columns.get(count)
        if columns is None:
            columns = self._columns[count] = self._make(count)
        return columns

    def fitting(self) -> Counter:
        """Return how many devices for this class each host could give."""
        self._catch_up()
        if self._fitting is None:
            self._fitting = self._add_up(len(self.costs))
        return self._fitting

    def costs_on(self, structure: Structure) -> tuple[int | None, ...]:
        """Return the cost of a device of each slot; None: it does not fit."""
        return tuple([self._cost.get(number) for number in structure.profile_numbers])

    def _make(self, count: int) -> list[int]:
        levels = range(1, len(self.costs) + 1)
        return [self._add_up(level).at_least(count, EVERYWHERE) for level in levels]

    def _add_up(self, levels: int) -> Counter:
        """Add up what hosts have of each profile of the cheapest levels, for all hosts at once."""
        total = Counter()
        for profile, level in self._level.items():
            if level < levels:
                total.add(self._fleet.usable_of(profile))
        return total

    def _catch_up(self) -> None:
        if self._read == self._fleet.log_end:
            return
        places = self._fleet.changed_since(self._read, self.profiles)
        self._read = self._fleet.log_end
        if places is None:
            self._columns.clear()
            self._fitting = None
            return
        for place in places:
            totals, bit = self._totals(self._fleet.hosts[place]), 1 << place
            if self._fitting is not None and totals:
                self._fitting.put(place, totals[-1])
            for count, columns in self._columns.items():
                for level, total in enumerate(totals):
                    if (total >= count) != bool(columns[level] & bit):
                        columns[level] ^= bit

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
        self._of_profile: dict[int, Counter] = {}
        self._log: list[tuple[int, int]] = []  # Place, and bitmap of its profiles that changed.
        self._log_start = 0  # How many entries of the log have been forgotten.
        self.enabled = self._where(lambda host: host.enabled)
        self.up = self._where(lambda host: host.up)
        self.stuck = self._where(lambda host: bool(host.problem))
        self.with_devices = self._where(lambda host: host.structure.has_devices)
        self.free_vcpus = Numbers(host.free_vcpus for host in self.hosts)
        self.free_memory = Numbers(host.free_memory_mib for host in self.hosts)
        self.free_disk = Numbers(host.free_disk_gib for host in self.hosts)
        self._bridges: dict[PhysicalNetwork, int] = {}
        self._offers: Offers | None = None  # None: nothing has been explained yet.

    def update(self, host: HostState) -> None:
        """Follow a change of one host's numbers."""
        place, bit = self.places[host.id], 1 << self.places[host.id]
        if host.enabled != bool(self.enabled & bit):
            self.enabled ^= bit
        if host.up != bool(self.up & bit):
            self.up ^= bit
        if bool(host.problem) != bool(self.stuck & bit):
            self.stuck ^= bit
        self.free_vcpus.put(place, host.free_vcpus)
        self.free_memory.put(place, host.free_memory_mib)
        self.free_disk.put(place, host.free_disk_gib)
        before = self._usable[place]
        if self._offers is not None and before is not host.usable:
            self._offers.follow(place, host)
        if before is not host.usable and before != host.usable:
            self._usable[place] = host.usable
            changed = _changed_profiles(host, before)
            if changed:
                self._note(place, changed)

    def replace(self, host: HostState) -> None:
        """Follow a host that was put anew: nothing of it may be as it was."""
        place, bit = self.places[host.id], 1 << self.places[host.id]
        if self._offers is not None:
            self._offers.replace(place, self.hosts[place].structure, host.structure)
        self.hosts[place] = host
        if self._offers is not None:
            self._offers.follow(place, host)
        self._usable[place] = host.usable
        if host.structure.has_devices != bool(self.with_devices & bit):
            self.with_devices ^= bit
        for name, column in self._bridges.items():
            if (name in host.structure.bridges) != bool(column & bit):
                self._bridges[name] ^= bit
        for profile, counter in self._of_profile.items():
            counter.put(place, _usable_of(host, profile))
        self._note(place, -1)
        self.update(host)

    def of_class(self, one: NicClass) -> ClassColumns:
        """Return the columns of a class, made if it is new; where devices are is not in them."""
        if one.rules or one.numa or one.egress_mbps or one.ingress_mbps:
            one = replace(one, rules=frozenset(), numa=None, egress_mbps=0, ingress_mbps=0)
        if self._profile_count != len(self._structures.profiles):
            self._profile_count = len(self._structures.profiles)
            self._classes.clear()
        columns = self._classes.get(one)
        if columns is None:
            columns = ClassColumns(one, self._structures, self)
            self._classes[one] = columns
            if len(self._classes) > CLASSES_KEPT_MAX:
                self._classes.popitem(last=False)
        else:
            self._classes.move_to_end(one)
        return columns

    def offers(self) -> Offers:
        """Return what hosts have on offer, whoever owns it."""
        if self._offers is None:
            self._offers = Offers(self.hosts)
        return self._offers

    def profiles_where(self, holds: Callable[[Profile], bool]) -> int:
        """Return the profiles of which this holds, as bits."""
        every = self._structures.profiles
        return sum(1 << number for number, profile in enumerate(every) if holds(profile))

    def profiles_with(self, ways: Iterable[Iterable[tuple[str, str]]]) -> int:
        """Return the profiles that have all attributes of one of the ways, as bits."""
        return sum(1 << number for number in self._structures.profiles_with(ways))

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
        return (1 << self.count_up_to(name)) - (1 << first)

    def all_but(self, host_ids: Collection[HostId]) -> int:
        """Return all hosts but some."""
        found = (1 << len(self.hosts)) - 1
        for host_id in host_ids:
            if host_id in self.places:
                found &= ~(1 << self.places[host_id])
        return found

    def count_up_to(self, name: HostName) -> int:
        """Count the hosts with this name or an earlier one."""
        return bisect_right(self.hosts, name, key=lambda host: host.name)

    def with_room(self, request: PlacementRequest) -> int:
        """Return the hosts in service that a server of this size fits on."""
        found = self.free_memory.at_least(request.memory_mib, self.enabled & self.up)
        found = self.free_vcpus.at_least(request.vcpus, found)
        return self.free_disk.at_least(request.disk_gib, found)

    def _where(self, holds: Callable[[HostState], bool]) -> int:
        return bitmap_of(
            (place for place, host in enumerate(self.hosts) if holds(host)), len(self.hosts)
        )

    @property
    def log_end(self) -> int:
        """How many changes there have been."""
        return self._log_start + len(self._log)

    def changed_since(self, read: int, profiles: int) -> set[int] | None:
        """Return the places whose devices of some profiles changed; None: too long ago to tell."""
        if read < self._log_start:
            return None
        entries = self._log[read - self._log_start :]
        return {place for place, changed in entries if changed & profiles}

    def usable_of(self, profile: int) -> Counter:
        """Return how many devices of a profile each host could give."""
        counter = self._of_profile.get(profile)
        if counter is None:
            counter = self._of_profile[profile] = Counter(
                {
                    bit.bit_length() - 1: _usable_of(self.hosts[bit.bit_length() - 1], profile)
                    for bit in bits_of(self.offers().having(1 << profile))
                },
                len(self.hosts),
            )
        return counter

    def _note(self, place: int, profiles: int) -> None:
        host = self.hosts[place]
        for profile in set(host.structure.profile_numbers):
            if profiles >> profile & 1 and profile in self._of_profile:
                self._of_profile[profile].put(place, _usable_of(host, profile))
        self._log.append((place, profiles))
        if len(self._log) > LOG_MAX:
            self._log_start += LOG_MAX // 2
            del self._log[: LOG_MAX // 2]


def _usable_of(host: HostState, profile: int) -> int:
    numbers = host.structure.profile_numbers
    return sum([n for p, n in zip(numbers, host.usable, strict=True) if p == profile])


def _changed_profiles(host: HostState, before: Sequence[int]) -> int:
    """Return the profiles of which a host could give more or fewer devices than before."""
    return sum(
        {
            1 << profile
            for profile, now, then in zip(
                host.structure.profile_numbers, host.usable, before, strict=True
            )
            if now != then
        }
    )

"""What a decision reads of a fleet: one column of bits for each fact, a bit for each host.

Places are in the order of host names, so that the lowest bit is the first name. Columns follow
single changes of hosts; adding or removing a host makes them anew.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from operator import sub
from typing import Final

from trunkline.domain.ids import HostId, HostName, PhysicalNetwork
from trunkline.placement.asks.demand import NicClass
from trunkline.placement.asks.request import PlacementRequest
from trunkline.placement.hosts.bits import Counter, Numbers, bitmap_of
from trunkline.placement.hosts.feasibility import wasted_tags
from trunkline.placement.hosts.host_state import HostState
from trunkline.placement.hosts.structure import Profile, Structure, Structures
from trunkline.placement.index.lanes import Lanes
from trunkline.placement.index.offers import Offers
from trunkline.placement.matching.problem import Row

# Columns of a class take some 1 KB for each 1,000 hosts. Classes repeat (flavors times networks);
# a tenant who invents new ones evicts, and can't exhaust.
CLASSES_KEPT_MAX: Final = 512
LOG_MAX: Final = 8192  # Changes remembered; a class that was not asked for longer is made anew.


# Where, the profiles as a bitmap, and how many more of each a host there could give than before.
_Change = tuple[int, int, list[tuple[int, int]]]


class ClassColumns:
    """Which hosts have how many devices for NICs of one class, and how well these suit it.

    A cost is how many tags of a device nobody would use. Whoever reads columns brings them up to
    date before, by `follow`.
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
        self._with: dict[int, list[int]] = {}  # [count][level]
        self._fitting: Counter | None = None
        self.last_asked = 0
        self._read = fleet.log_end  # Up to where the columns follow the fleet's log.

    def follow(self) -> None:
        """Take in what has changed since the last time."""
        changes = self._fleet.changes_since(self._read)
        self._read = self._fleet.log_end
        if changes is None:
            self._with.clear()
            self._fitting = None
            return
        more: dict[int, list[int]] = {}  # [place][level]
        level_of = self._level
        for place, profiles, differences in changes:
            if profiles & self.profiles:
                of_place = more.setdefault(place, [0] * len(self.costs))
                for profile, difference in differences:
                    if profile in level_of:
                        of_place[level_of[profile]] += difference
        for place, of_place in more.items():
            self._change(place, accumulate(of_place))

    def by_cost(self, count: int) -> list[int]:
        """Part the hosts that have so many devices by what the worst of the best ones costs.

        One column for each of `costs`; each host is in one of them at most.
        """
        found = self._with.get(count)
        if found is None:
            found = self._with[count] = []
            cheaper, everywhere = 0, self._fleet.everywhere
            for up_to in self._add_up():
                enough = up_to.at_least(count, everywhere)
                found.append(enough ^ cheaper)
                cheaper = enough
        return found

    def fitting(self) -> Counter:
        """Return how many devices for this class each host could give."""
        if self._fitting is None:
            self._fitting = Counter()
            for up_to in self._add_up():
                self._fitting = up_to
        return self._fitting

    def costs_on(self, structure: Structure) -> Row:
        """Return the cost of a device of each slot; None: it does not fit."""
        return tuple(map(self._cost.get, structure.profile_numbers))

    def _add_up(self) -> Iterator[Counter]:
        """Count what hosts have of each cost or less, the last time of all: all hosts at once."""
        total = Counter()
        for level in range(len(self.costs)):
            for profile, of_profile in self._level.items():
                if of_profile == level:
                    total.add(self._fleet.usable_of(profile))
            yield total

    def _change(self, place: int, more: Iterable[int]) -> None:
        """Follow what a host has more of each cost or less."""
        after = self._totals(self._fleet.hosts[place])
        before = list(map(sub, after, more))
        if before == after:
            return
        if self._fitting is not None:
            self._fitting.change(place, before[-1], after[-1])
        for count, columns in self._with.items():
            # The level at which there are so many; beyond the last one: there are fewer.
            was, is_now = bisect_left(before, count), bisect_left(after, count)
            if was != is_now:
                for level in (was, is_now):
                    if level < len(columns):
                        columns[level] ^= 1 << place

    def _totals(self, host: HostState) -> list[int]:
        """Count a host's devices of each cost or less."""
        totals = [0] * len(self.costs)
        levels = map(self._level.get, host.structure.profile_numbers)
        for level, count in zip(levels, host.usable, strict=True):
            if count and level is not None:
                totals[level] += count
        return list(accumulate(totals))


class Columns:
    """All columns of one set of hosts."""

    def __init__(self, hosts: Iterable[HostState], structures: Structures) -> None:
        self.hosts = sorted(hosts, key=lambda host: (host.name, host.id))
        self.places: dict[HostId, int] = {host.id: place for place, host in enumerate(self.hosts)}
        self.everywhere = (1 << len(self.hosts)) - 1
        self._structures = structures
        self._profile_count = len(structures.profiles)
        self._classes: dict[NicClass, ClassColumns] = {}
        self._asked = 0  # How often, for a class.
        self._usable = [host.usable for host in self.hosts]  # As the log has them.
        self._of_profile = self._by_profile()
        self._log: list[_Change] = []
        self._log_start = 0  # How many changes have been forgotten.
        self.enabled = self._where(lambda host: host.enabled)
        self.up = self._where(lambda host: host.up)
        self.stuck = self._where(lambda host: bool(host.problem))
        self.with_devices = self._where(lambda host: host.structure.has_devices)
        self.free_vcpus = Numbers(host.free_vcpus for host in self.hosts)
        self.free_memory = Numbers(host.free_memory_mib for host in self.hosts)
        self.free_disk = Numbers(host.free_disk_gib for host in self.hosts)
        self._bridges: dict[PhysicalNetwork, int] = {}
        self._lanes: Lanes | None = None  # None: no request had rules yet.
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
        if self._lanes is not None:
            self._lanes.follow(place)
        before = self._usable[place]
        if self._offers is not None and before is not host.usable:
            self._offers.follow(place, host)
        if before is not host.usable and before != host.usable:
            self._note(place, host.structure)

    def replace(self, host: HostState) -> None:
        """Follow a host that was put anew: nothing of it may be as it was."""
        place, bit = self.places[host.id], 1 << self.places[host.id]
        if self._offers is not None:
            self._offers.replace(place, self.hosts[place].structure, host.structure)
        had = self.hosts[place].structure
        self.hosts[place] = host
        if self._lanes is not None:
            self._lanes.replace(place, host)
        if self._offers is not None:
            self._offers.follow(place, host)
        if host.structure.has_devices != bool(self.with_devices & bit):
            self.with_devices ^= bit
        for name, column in self._bridges.items():
            if (name in host.structure.bridges) != bool(column & bit):
                self._bridges[name] ^= bit
        while len(self._of_profile) < len(self._structures.profiles):
            self._of_profile.append(Counter())
        self._note(place, had)
        self.update(host)

    def lanes(self) -> Lanes:
        """Return what hosts have slot by slot, up to date."""
        if self._lanes is None:
            self._lanes = Lanes(self.hosts)
        return self._lanes

    def of_class(self, one: NicClass) -> ClassColumns:
        """Return the columns of a class, made if it is new, up to date.

        Where devices are is not in them.
        """
        if one.is_placed:
            one = replace(
                one, rules=frozenset(), numa=None, egress_mbps=0, ingress_mbps=0, packs=False
            )
        if self._profile_count != len(self._structures.profiles):
            self._profile_count = len(self._structures.profiles)
            self._classes.clear()
        columns = self._classes.get(one)
        if columns is None:
            if len(self._classes) >= CLASSES_KEPT_MAX:
                del self._classes[min(self._classes, key=lambda k: self._classes[k].last_asked)]
            columns = self._classes[one] = ClassColumns(one, self._structures, self)
        self._asked += 1
        columns.last_asked = self._asked
        columns.follow()
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

    def changes_since(self, read: int) -> Sequence[_Change] | None:
        """Return what has changed; None: too long ago to tell."""
        return None if read < self._log_start else self._log[read - self._log_start :]

    def usable_of(self, profile: int) -> Counter:
        """Return how many devices of a profile each host could give."""
        return self._of_profile[profile]

    def _by_profile(self) -> list[Counter]:
        numbers: list[dict[int, int]] = [{} for _ in self._structures.profiles]
        for place, host in enumerate(self.hosts):
            for profile, usable in _summed(host.structure, host.usable).items():
                numbers[profile][place] = usable
        return [Counter(of_profile, len(self.hosts)) for of_profile in numbers]

    def _note(self, place: int, before: Structure) -> None:
        """Take in that a host, before of this structure, can give other numbers of devices."""
        host = self.hosts[place]
        differences = []
        had, has = _summed(before, self._usable[place]), _summed(host.structure, host.usable)
        self._usable[place] = host.usable
        for profile in had.keys() | has.keys():
            was, is_now = had.get(profile, 0), has.get(profile, 0)
            if was != is_now:
                differences.append((profile, is_now - was))
                self._of_profile[profile].change(place, was, is_now)
        profiles = sum(1 << profile for profile, _ in differences)
        self._log.append((place, profiles, differences))
        if len(self._log) > LOG_MAX:
            self._log_start += LOG_MAX // 2
            del self._log[: LOG_MAX // 2]


def _summed(structure: Structure, usable: Sequence[int]) -> dict[int, int]:
    """Add up what there is of each profile."""
    total: dict[int, int] = {}
    for profile, count in zip(structure.profile_numbers, usable, strict=True):
        total[profile] = total.get(profile, 0) + count
    return total

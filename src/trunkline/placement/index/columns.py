"""What a decision reads of a fleet: one column of bits for each fact, a bit for each host.

Places are in the order of host names, so that the lowest bit is the first name. Columns follow
single changes of hosts; adding or removing a host makes them anew.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from trunkline.domain.aggregate import MetadataDemand
from trunkline.domain.device import DeviceKind
from trunkline.domain.ids import HostId, HostName, PhysicalNetwork, ZoneName
from trunkline.placement.asks.demand import NicClass
from trunkline.placement.asks.request import PlacementRequest
from trunkline.placement.hosts.bits import (
    Counter,
    Kept,
    Numbers,
    at_least_together,
    bitmap_of,
    minus,
    numbers_in,
    union,
)
from trunkline.placement.hosts.feasibility import wasted_tags
from trunkline.placement.hosts.fitting import Fitting
from trunkline.placement.hosts.host_state import HostState
from trunkline.placement.hosts.structure import Structure, Structures, spare_tags
from trunkline.placement.index.lanes import Fits, Lanes
from trunkline.placement.index.offers import Offers
from trunkline.placement.matching.problem import Row

# What is kept of a class takes some 1 KB for each 1,000 hosts. Classes repeat (flavors times
# networks); a tenant who invents new ones evicts, and can't exhaust.
CLASSES_KEPT_MAX: Final = 512
DEMANDS_KEPT_MAX: Final = 512  # Of metadata; each takes as much.

K = TypeVar("K", bound=Hashable)


class ClassColumns:
    """Which hosts have how many devices for NICs of one class, and how well these suit it.

    A cost is how many tags of a device nobody would use. Only which slots fit is kept, and that
    changes when a host is put anew with other devices; how many there are is read from the lanes.
    """

    def __init__(self, one: NicClass, structures: Structures, lanes: Lanes) -> None:
        self.cost_of = _costs(one, structures)  # [profile] Only those are in it that fit.
        self.costs = sorted(set(self.cost_of.values()))
        profiles: dict[int, list[int]] = {cost: [] for cost in self.costs}
        for profile, cost in self.cost_of.items():
            profiles[cost].append(profile)
        self.profiles = 0
        self.fits: Fits = {}  # At whatever cost.
        self._up_to: list[list[tuple[Kept, int]]] = []  # [cost] At that or less: lanes, with hosts.
        for of_cost in profiles.values():
            self.profiles |= sum(1 << profile for profile in of_cost)
            more = lanes.fitting(of_cost)
            self.fits = {
                slot: self.fits.get(slot, 0) | more.get(slot, 0) for slot in self.fits | more
            }
            self._up_to.append(lanes.parts(self.fits))

    def having(self, count: int, among: int) -> int:
        """Return the hosts that have so many devices."""
        return at_least_together(self._up_to[-1], count, among) if self._up_to else 0

    def by_cost(self, count: int, among: int) -> list[int]:
        """Part the hosts that have so many devices by what the worst of the best ones costs.

        One column for each of `costs`, none for those at the end that no host needs.
        """
        found, left = [], among
        for parts in self._up_to:
            if not left:
                break
            enough = at_least_together(parts, count, left)
            found.append(enough)
            left ^= enough
        return found

    def add_fitting(self, total: Counter, among: int) -> None:
        """Add how many devices for this class each host could give."""
        for usable, hosts in self._up_to[-1] if self._up_to else ():
            total.add(usable, hosts & among)

    def costs_on(self, structure: Structure) -> Row:
        """Return the cost of a device of each slot; None: it does not fit."""
        return tuple(map(self.cost_of.get, structure.profile_numbers))


def _costs(one: NicClass, structures: Structures) -> dict[int, int]:
    """[profile] The tags that a NIC of this class would waste; only those are in it that fit."""
    found = {}
    of_kind = structures.profiles_of(one.kinds)
    numbers = numbers_in(of_kind & structures.profiles_with(one.ways))
    if len(one.ways) == 1 and not one.match:  # Most classes: what they use is used everywhere.
        (way,) = one.ways
        used = len(spare_tags(way))
        return {n: len(structures.profiles[n].spare_tags) - used for n in numbers}
    for number in numbers:
        cost = wasted_tags(one, structures.profiles[number])
        if cost is not None:
            found[number] = cost
    return found


class Columns:
    """All columns of one set of hosts."""

    def __init__(self, hosts: Iterable[HostState], structures: Structures) -> None:
        self.hosts = sorted(hosts, key=lambda host: (host.name, host.id))
        self.places: dict[HostId, int] = {host.id: place for place, host in enumerate(self.hosts)}
        self.everywhere = (1 << len(self.hosts)) - 1
        self._structures = structures
        self._classes: dict[NicClass, ClassColumns] = {}  # The one asked for last comes last.
        self._lanes = Lanes(self.hosts)
        self.enabled = self._where(lambda host: host.enabled)
        self.up = self._where(lambda host: host.up)
        self.stuck = self._where(lambda host: bool(host.problem))
        self.with_devices = self._where(lambda host: host.structure.has_devices)
        self.free_vcpus = Numbers(host.free_vcpus for host in self.hosts)
        self.free_memory = Numbers(host.free_memory_mib for host in self.hosts)
        self.free_disk = Numbers(host.free_disk_gib for host in self.hosts)
        self._bridges: dict[PhysicalNetwork, int] = {}
        self._zones = self._parted(lambda host: host.zone)
        self._metadata = self._parted(lambda host: host.metadata)
        self._meeting: dict[tuple[MetadataDemand, ...], int] = {}
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
        if self._lanes.follow(place) and self._offers is not None:
            self._offers.follow(place, host)

    def replace(self, host: HostState) -> None:
        """Follow a host that was put anew: nothing of it may be as it was."""
        place, bit = self.places[host.id], 1 << self.places[host.id]
        before = self.hosts[place]
        if host.structure is not before.structure:
            self._classes.clear()
        if host.zone != before.zone:
            _move(self._zones, bit, before.zone, host.zone)
        if host.metadata != before.metadata:
            _move(self._metadata, bit, before.metadata, host.metadata)
            self._meeting.clear()
        self.hosts[place] = host
        self._lanes.replace(place, host)
        if self._offers is not None:
            self._offers.replace(place, host)
        if host.structure.has_devices != bool(self.with_devices & bit):
            self.with_devices ^= bit
        for name, column in self._bridges.items():
            if (name in host.structure.bridges) != bool(column & bit):
                self._bridges[name] ^= bit
        self.update(host)

    def lanes(self) -> Lanes:
        """Return what hosts have slot by slot."""
        return self._lanes

    def of_class(self, one: NicClass) -> ClassColumns:
        """Return the columns of a class, made if it is new.

        Where devices are is not in them.
        """
        if one.is_placed:
            one = replace(
                one, rules=frozenset(), numa=None, egress_mbps=0, ingress_mbps=0, packs=False
            )
        columns = self._classes.pop(one, None)
        if columns is None:
            if len(self._classes) >= CLASSES_KEPT_MAX:
                del self._classes[next(iter(self._classes))]
            columns = ClassColumns(one, self._structures, self._lanes)
        self._classes[one] = columns
        return columns

    def fitting(self, classes: Sequence[NicClass]) -> Fitting:
        """Say which of these classes the devices of hosts fit."""
        known = dict.fromkeys(range(len(self._structures.profiles)), 0)
        for c, one in enumerate(classes):
            for profile in self.of_class(one).cost_of:
                known[profile] |= 1 << c
        return Fitting(classes, known)

    def offers(self) -> Offers:
        """Return what hosts have on offer, whoever owns it."""
        if self._offers is None:
            self._offers = Offers(self.hosts, self._lanes)
        return self._offers

    def profiles_of(self, kinds: Iterable[DeviceKind]) -> int:
        """Return the profiles of devices of these kinds, as bits."""
        return self._structures.profiles_of(kinds)

    def with_bridge(self, name: PhysicalNetwork) -> int:
        """Return the hosts with a bridge on a physical network."""
        column = self._bridges.get(name)
        if column is None:
            column = self._where(lambda host: name in host.structure.bridges)
            self._bridges[name] = column
        return column

    def zones(self) -> Mapping[ZoneName, int]:
        """Return the hosts of each availability zone that has any."""
        return self._zones

    def in_zone(self, zone: ZoneName) -> int:
        """Return the hosts of an availability zone."""
        return self._zones.get(zone, 0)

    def meeting(self, demands: tuple[MetadataDemand, ...]) -> int:
        """Return the hosts whose aggregates meet all that is demanded of them."""
        found = self._meeting.get(demands)
        if found is None:
            if len(self._meeting) >= DEMANDS_KEPT_MAX:
                self._meeting.clear()
            found = self._meeting[demands] = union(
                hosts
                for metadata, hosts in self._metadata.items()
                if all(demand.holds(metadata) for demand in demands)
            )
        return found

    def those(self, host_ids: Iterable[HostId]) -> int:
        """Return these hosts, those that are not here left out."""
        places = (self.places.get(host_id) for host_id in host_ids)
        return bitmap_of([place for place in places if place is not None], len(self.hosts))

    def named(self, name: HostName) -> int:
        """Return the host of a name (or several, if whoever put them let that happen)."""
        first = bisect_left(self.hosts, name, key=lambda host: host.name)
        return (1 << self.count_up_to(name)) - (1 << first)

    def all_but(self, host_ids: Collection[HostId]) -> int:
        """Return all hosts but some."""
        found = (1 << len(self.hosts)) - 1
        for host_id in host_ids:
            if host_id in self.places:
                found = minus(found, 1 << self.places[host_id])
        return found

    def count_up_to(self, name: HostName) -> int:
        """Count the hosts with this name or an earlier one."""
        return bisect_right(self.hosts, name, key=lambda host: host.name)

    def with_room(self, request: PlacementRequest) -> int:
        """Return the hosts in service that a server of this size fits on."""
        in_service = self.up if request.even_disabled else self.enabled & self.up
        found = self.free_memory.at_least(request.memory_mib, in_service)
        found = self.free_vcpus.at_least(request.vcpus, found)
        return self.free_disk.at_least(request.disk_gib, found)

    def _parted(self, fact: Callable[[HostState], K]) -> dict[K, int]:
        """[fact] The hosts of which it is one."""
        parts: dict[K, list[int]] = {}
        for place, host in enumerate(self.hosts):
            parts.setdefault(fact(host), []).append(place)
        return {key: bitmap_of(places, len(self.hosts)) for key, places in parts.items()}

    def _where(self, holds: Callable[[HostState], bool]) -> int:
        return bitmap_of(
            (place for place, host in enumerate(self.hosts) if holds(host)), len(self.hosts)
        )


def _move(parts: dict[K, int], bit: int, before: K, after: K) -> None:
    """Follow that a fact of one host has changed."""
    parts[before] ^= bit
    if not parts[before]:
        del parts[before]
    parts[after] = parts.get(after, 0) | bit

"""What hosts have slot by slot, PF by PF and node by node: all hosts at once.

A lane is one slot number of all hosts, or one family number. From lanes it is counted, for all
hosts together, how many devices for a class of NICs there are, on the host or in each place that a
rule is about. A fleet has few slot numbers, however many kinds of devices are in them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Final

from trunkline.domain.nic_rules import Scope
from trunkline.placement.hosts.bits import Counter, Kept, Numbers, bitmap_of
from trunkline.placement.hosts.host_state import HostState

SCOPES: Final = tuple(Scope)
_NOTHING: Final = (0, 0)

Fits = Mapping[int, int]  # [slot] The hosts whose slot fits.


class SlotLane:
    """One slot of all hosts that have it."""

    def __init__(self, usable: Sequence[int] = (), offered: Sequence[int] = ()) -> None:
        self.usable = Kept(usable)
        self.offered = Counter(offered)  # By PFs in service, whoever owns them.
        # [scope] Hosts, by the place of the slot's family; below 0: one that is not known.
        self.at: list[dict[int, int]] = [{} for _ in SCOPES]


class PairLane:
    """Two numbers of one family, or of one NUMA node, of all hosts."""

    def __init__(self, pairs: Iterable[tuple[int, int]]) -> None:
        first, second = zip(*pairs, strict=True)
        self.first = Numbers(first)
        self.second = Numbers(second)

    def put(self, place: int, pair: tuple[int, int]) -> None:
        """Change them for one host."""
        self.first.put(place, pair[0])
        self.second.put(place, pair[1])


class Lanes:
    """The lanes of all hosts; they follow each change."""

    def __init__(self, hosts: Sequence[HostState]) -> None:
        self.slots: list[SlotLane] = []
        # Egress and ingress that can be guaranteed still; 0 where that is not accounted.
        self.families: dict[int, PairLane] = {}
        # vCPUs and memory: 1 is nothing left; 0: there is no such node, or it owes some.
        self.nodes: dict[int, PairLane] = {}
        self.with_nodes = 0  # Hosts that report NUMA nodes.
        self._hosts = list(hosts)
        self._usable = [host.usable for host in hosts]  # As the lanes have them.
        self._offered = [host.offered for host in hosts]
        self._of_profile: dict[int, dict[int, int]] = {}  # [profile][slot] Hosts.
        self._lay_slots()
        self._lay_places()
        self.families = _pair_lanes([_bandwidth(host) for host in hosts])
        self.nodes = _pair_lanes([_rooms(host) for host in hosts])

    def fitting(self, profiles: Iterable[int]) -> dict[int, int]:
        """Return the slots with devices of some profiles, each with the hosts where it has."""
        found: dict[int, int] = defaultdict(int)
        for profile in profiles:
            for slot, hosts in self._of_profile.get(profile, {}).items():
                found[slot] |= hosts
        return found

    def parts(self, fits: Fits) -> list[tuple[Kept, int]]:
        """Return what can be chosen of the slots that fit, with the hosts where they do."""
        return [(self.slots[slot].usable, hosts) for slot, hosts in fits.items()]

    def with_room(self, node: int, vcpus: int, memory_mib: int, among: int) -> int:
        """Return the hosts that report a NUMA node and have so much left there."""
        lane = self.nodes.get(node)
        if lane is None:
            return 0
        return lane.first.at_least(vcpus + 1, lane.second.at_least(memory_mib + 1, among))

    def follow(self, place: int) -> bool:
        """Take in what has changed of a host; return whether its devices were counted anew."""
        host, before = self._hosts[place], self._usable[place]
        usable = self._usable[place] = host.usable
        if usable is not before:
            for lane, was, is_now in zip(self.slots, before, usable, strict=False):
                if was != is_now:
                    lane.usable.change(place, was, is_now)
        if host.offered is not self._offered[place]:
            self._put_offered(place, host.offered)
        self._put_pairs(self.families, place, _bandwidth(host))
        self._put_pairs(self.nodes, place, _rooms(host))
        return usable is not before

    def replace(self, place: int, host: HostState) -> None:
        """Take in a host that was put anew."""
        before = self._hosts[place]
        self._hosts[place] = host
        self._change_slots(place, host)
        self._flip(place, before)
        self._flip(place, host)
        for lane in (*self.families.values(), *self.nodes.values()):
            lane.put(place, _NOTHING)
        if bool(host.numa_nodes) != bool(before.numa_nodes):
            self.with_nodes ^= 1 << place
        self.follow(place)

    def _lay_slots(self) -> None:
        """Make the lanes of slots, each at once, since a bit at a time takes long."""
        having: dict[int, dict[int, list[int]]] = {}  # [profile][slot] Hosts.
        for place, host in enumerate(self._hosts):
            for slot, profile in enumerate(host.structure.profile_numbers):
                having.setdefault(profile, {}).setdefault(slot, []).append(place)
        size = len(self._hosts)
        self._of_profile = {
            profile: {slot: bitmap_of(places, size) for slot, places in of_profile.items()}
            for profile, of_profile in having.items()
        }
        usable_by_slot = zip_longest(*self._usable, fillvalue=0)
        offered_by_slot = zip_longest(*self._offered, fillvalue=0)
        self.slots = [SlotLane(*both) for both in zip(usable_by_slot, offered_by_slot, strict=True)]

    def _lay_places(self) -> None:
        alike: dict[tuple[object, int], list[int]] = {}
        for place, host in enumerate(self._hosts):
            # Equal places are one object on most hosts; to compare them by value takes long.
            key = host.structure.family, id(host.places)
            alike.setdefault(key, []).append(place)
            if host.numa_nodes:
                self.with_nodes |= 1 << place
        for places in alike.values():
            self._flip_places(self._hosts[places[0]], bitmap_of(places, len(self._hosts)))

    def _flip(self, place: int, host: HostState) -> None:
        """Take what is fixed of a host out of the lanes of slots, or put it in."""
        here = 1 << place
        for slot, profile in enumerate(host.structure.profile_numbers):
            of_profile = self._of_profile.setdefault(profile, {})
            of_profile[slot] = of_profile.get(slot, 0) ^ here
        self._flip_places(host, here)

    def _flip_places(self, host: HostState, places: int) -> None:
        for slot, family in enumerate(host.structure.family):
            for of_scope, spot in zip(self.slots[slot].at, _spots(host, family), strict=True):
                of_scope[spot] = of_scope.get(spot, 0) ^ places

    def _change_slots(self, place: int, host: HostState) -> None:
        """Take in the numbers of a host that may have other slots than before."""
        while len(self.slots) < len(host.usable):
            self.slots.append(SlotLane())
        pairs = zip_longest(self._usable[place], host.usable, fillvalue=0)
        self._usable[place] = host.usable
        for lane, (was, is_now) in zip(self.slots, pairs, strict=False):
            lane.usable.change(place, was, is_now)
        self._put_offered(place, host.offered)

    def _put_offered(self, place: int, offered: tuple[int, ...]) -> None:
        self._offered[place] = offered
        for slot, lane in enumerate(self.slots):
            lane.offered.put(place, offered[slot] if slot < len(offered) else 0)

    def _put_pairs(
        self, lanes: dict[int, PairLane], place: int, pairs: Mapping[int, tuple[int, int]]
    ) -> None:
        for number, pair in pairs.items():
            if number not in lanes:
                lanes[number] = PairLane([_NOTHING] * len(self._hosts))
            lanes[number].put(place, pair)


def _pair_lanes(of_hosts: Sequence[Mapping[int, tuple[int, int]]]) -> dict[int, PairLane]:
    numbers = {number for of_host in of_hosts for number in of_host}
    return {
        number: PairLane(of_host.get(number, _NOTHING) for of_host in of_hosts)
        for number in sorted(numbers)
    }


def _bandwidth(host: HostState) -> dict[int, tuple[int, int]]:
    """[family] What is accounted and left."""
    return {
        family: (max(left.egress_mbps or 0, 0), max(left.ingress_mbps or 0, 0))
        for family, left in enumerate(host.accounted)
        if left.is_accounted
    }


def _rooms(host: HostState) -> dict[int, tuple[int, int]]:
    """[NUMA node] What is left, and 1."""
    return {
        number: (max(vcpus + 1, 0), max(memory_mib + 1, 0))
        for number, vcpus, memory_mib in host.numa_left()
    }


def _spots(host: HostState, family: int) -> list[int]:
    """[scope] Where a family is."""
    place = host.places[family]
    known = [None if scope is Scope.PF else place.at(scope) for scope in SCOPES]
    unknown = -1 - family
    spots = [unknown if at is None else at for at in known]
    spots[SCOPES.index(Scope.PF)] = family
    return spots

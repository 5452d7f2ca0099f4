"""What hosts have slot by slot, PF by PF and node by node: all hosts at once.

A lane is one slot number of all hosts, or one family number. From lanes it is counted, for all
hosts together, how many devices for a class of NICs there are in each place, which is what rules
are about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from trunkline.domain.bandwidth import Bandwidth
from trunkline.domain.nic_rules import Scope
from trunkline.placement.hosts.bits import Counter, bitmap_of
from trunkline.placement.hosts.host_state import HostState
from trunkline.placement.hosts.views import NumaRoom

SCOPES: Final = tuple(Scope)


class SlotLane:
    """One slot of all hosts that have it."""

    def __init__(self) -> None:
        self.usable = Counter()
        self.of_profile: dict[int, int] = {}  # Hosts whose slot has the profile.
        # [scope] Hosts, by the place of the slot's family; below 0: one that is not known.
        self.at: list[dict[int, int]] = [{} for _ in SCOPES]


class FamilyLane:
    """What one family of all hosts can guarantee still."""

    def __init__(self) -> None:
        self.egress = Counter()
        self.ingress = Counter()


class NodeLane:
    """What one NUMA node of all hosts that report it has left."""

    def __init__(self) -> None:
        self.vcpus = Counter()
        self.memory = Counter()


@dataclass(frozen=True, slots=True)
class _Seen:
    """What of a host is in the lanes, of all that changes."""

    usable: tuple[int, ...]
    bandwidth: tuple[Bandwidth, ...]
    numa: tuple[NumaRoom, ...]


class Lanes:
    """The lanes of all hosts; they follow each change."""

    def __init__(self, hosts: Sequence[HostState]) -> None:
        self.slots: list[SlotLane] = []
        self.families: dict[int, FamilyLane] = {}
        self.nodes: dict[int, NodeLane] = {}
        self.with_nodes = 0  # Hosts that report NUMA nodes.
        self._hosts = list(hosts)
        self._seen = [_Seen((), (), ()) for _ in hosts]
        self._lay_slots(hosts)
        for place, host in enumerate(hosts):
            self._seen[place] = _Seen(host.usable, (), ())
            self.follow(place)

    def follow(self, place: int) -> None:
        """Take in what has changed of a host."""
        host, seen = self._hosts[place], self._seen[place]
        now = _Seen(host.usable, host.bandwidth_left(), host.numa)
        if now.usable != seen.usable:
            for lane, was, is_now in zip(self.slots, seen.usable, now.usable, strict=False):
                if was != is_now:
                    lane.usable.change(place, was, is_now)
        if now.bandwidth != seen.bandwidth:
            self._change_bandwidth(place, seen.bandwidth, now.bandwidth)
        if now.numa != seen.numa:
            self._change_nodes(place, seen.numa, now.numa)
        self._seen[place] = now

    def replace(self, place: int, host: HostState) -> None:
        """Take in a host that was put anew."""
        seen = self._seen[place]
        self._flip(place, self._hosts[place], seen.usable)
        self._change_bandwidth(place, seen.bandwidth, ())
        self._change_nodes(place, seen.numa, ())
        self._hosts[place] = host
        self._seen[place] = _Seen(host.usable, (), ())
        self._flip(place, host, host.usable)
        self.follow(place)

    def _lay_slots(self, hosts: Sequence[HostState]) -> None:
        """Make the lanes of slots, each at once, since a bit at a time takes long."""
        for slot in range(max((len(host.usable) for host in hosts), default=0)):
            lane = SlotLane()
            usable: dict[int, int] = {}
            of_profile: dict[int, list[int]] = {}
            at: list[dict[int, list[int]]] = [{} for _ in SCOPES]
            for place, host in enumerate(hosts):
                if slot < len(host.usable):
                    usable[place] = host.usable[slot]
                    profile = host.structure.profile_numbers[slot]
                    of_profile.setdefault(profile, []).append(place)
                    for of_scope, spot in zip(at, _spots(host, slot), strict=True):
                        of_scope.setdefault(spot, []).append(place)
            lane.usable = Counter(usable, len(hosts))
            lane.of_profile = _bitmaps(of_profile, len(hosts))
            lane.at = [_bitmaps(of_scope, len(hosts)) for of_scope in at]
            self.slots.append(lane)

    def _flip(self, place: int, host: HostState, usable: Sequence[int]) -> None:
        """Take a host with these numbers out of the lanes of slots, or put it in."""
        here = 1 << place
        while len(self.slots) < len(usable):
            self.slots.append(SlotLane())
        for slot, count in enumerate(usable):
            lane = self.slots[slot]
            lane.usable.change(place, count, 0)
            profile = host.structure.profile_numbers[slot]
            lane.of_profile[profile] = lane.of_profile.get(profile, 0) ^ here
            for of_scope, spot in zip(lane.at, _spots(host, slot), strict=True):
                of_scope[spot] = of_scope.get(spot, 0) ^ here

    def _change_bandwidth(
        self, place: int, before: Sequence[Bandwidth], after: Sequence[Bandwidth]
    ) -> None:
        for bandwidth, is_out in (
            *((b, True) for b in enumerate(before)),
            *((b, False) for b in enumerate(after)),
        ):
            family, left = bandwidth
            if left.is_accounted:
                lane = self.families.setdefault(family, FamilyLane())
                for counter, mbps in (
                    (lane.egress, left.egress_mbps),
                    (lane.ingress, left.ingress_mbps),
                ):
                    number = max(mbps or 0, 0)
                    counter.change(place, *((number, 0) if is_out else (0, number)))

    def _change_nodes(
        self, place: int, before: Sequence[NumaRoom], after: Sequence[NumaRoom]
    ) -> None:
        if bool(before) != bool(after):
            self.with_nodes ^= 1 << place
        for rooms, is_out in ((before, True), (after, False)):
            for room in rooms:
                lane = self.nodes.setdefault(room.number, NodeLane())
                for counter, free in (
                    (lane.vcpus, room.free_vcpus),
                    (lane.memory, room.free_memory_mib),
                ):
                    # 0 is for hosts without such a node, and what is owed counts as that.
                    number = max(free + 1, 0)
                    counter.change(place, *((number, 0) if is_out else (0, number)))


def _bitmaps(places: Mapping[int, Iterable[int]], size: int) -> dict[int, int]:
    return {key: bitmap_of(of_key, size) for key, of_key in places.items()}


def _spots(host: HostState, slot: int) -> list[int]:
    """[scope] Where a slot's family is."""
    family = host.structure.family[slot]
    place = host.places[family]
    known = [None if scope is Scope.PF else place.at(scope) for scope in SCOPES]
    unknown = -1 - family
    spots = [unknown if at is None else at for at in known]
    spots[SCOPES.index(Scope.PF)] = family
    return spots

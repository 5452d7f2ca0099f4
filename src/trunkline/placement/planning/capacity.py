"""How many more servers of one shape fit, on each host and in all.

A server is on one host, so the whole is the sum over hosts. Per host it is exact wherever that
can be proven; see `copies`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Final, NamedTuple

from trunkline.domain.aggregate import HostMetadata
from trunkline.domain.bandwidth import Bandwidth
from trunkline.domain.device import DeviceKind
from trunkline.domain.ids import HostId, HostName, ZoneName
from trunkline.placement.asks.demand import make_demand, nic_class
from trunkline.placement.asks.request import PlacementRequest, Reason
from trunkline.placement.hosts.bits import union
from trunkline.placement.hosts.feasibility import Fit, Site, make_site, reason_of
from trunkline.placement.hosts.fitting import Fits, Fitting
from trunkline.placement.hosts.host_state import HostState
from trunkline.placement.hosts.places import Nodes
from trunkline.placement.hosts.structure import BySlot, Profile, Structure
from trunkline.placement.matching.problem import Place
from trunkline.placement.planning.copies import STEPS_MAX, Copies, Count
from trunkline.placement.planning.flow_cuts import FlowCuts
from trunkline.placement.planning.patterns import Exchanges
from trunkline.placement.planning.resources import Seats, Share, Supply
from trunkline.placement.reasons.nic_reasons import WHY, nearness, reach_of

# Of all hosts together, bounds looked at by searches: about a second. Only hosts on which rules
# cross each other need any, and those in like states share one.
FLEET_STEPS_MAX: Final = 100_000


class Unlimited(Exception):
    """Nothing limits how many servers of the shape fit: it has neither a size nor devices."""


_ROOM: Final = (Reason.NO_VCPUS, Reason.NO_MEMORY, Reason.NO_DISK)


class HostRow(NamedTuple):
    """What is counted of a host, as it was at one moment."""

    id: HostId
    name: HostName
    enabled: bool
    up: bool
    is_stuck: bool  # Its agent says that it can't use it.
    free_vcpus: int
    free_memory_mib: int
    free_disk_gib: int
    structure: Structure
    usable: tuple[int, ...]  # [slot]
    out: tuple[int, ...]  # [slot] As `HostState` has it.
    places: tuple[Place, ...]  # [family]
    accounted: tuple[Bandwidth, ...]  # [family]; empty where nothing is.
    numa_nodes: Nodes
    numa_amounts: tuple[int, ...]
    zone: ZoneName
    metadata: HostMetadata


class HostCapacity(NamedTuple):
    """How many more servers fit on one host, and what stands against one more."""

    id: HostId
    name: HostName
    least: int  # Known to fit.
    most: int  # More are known not to fit; equal to `least` where the number is exact.
    limit: Reason


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many more servers of a shape fit."""

    hosts: tuple[HostCapacity, ...]  # By name.
    least: int
    most: int
    limits: Mapping[Reason, int]  # How many hosts each stands at.


def rows_of(hosts: Iterable[HostState]) -> list[HostRow]:
    """Take down what `capacity` counts: quick, so that whoever owns the hosts can go on."""
    return [
        HostRow(
            host.id, host.name, host.enabled, host.up, bool(host.problem),
            host.free_vcpus, host.free_memory_mib, host.free_disk_gib,
            host.structure, host.usable, host.out, host.places, host.accounted,
            host.numa_nodes, host.numa_amounts, host.zone, host.metadata,
        )
        for host in hosts
    ]  # fmt: skip


def capacity(request: PlacementRequest, rows: Iterable[HostRow]) -> Capacity:
    """Count how many more servers like `request` fit on each host, or on the one it names.

    Raises:
        Unlimited: It asks for nothing that could run out.
    """
    counter = Counter(request)
    fellows = request.fellows
    # Members that must be on one host fit on any one, and not on all of them together.
    total = max if fellows is not None and fellows.must_gather else sum
    wanted = [row for row in rows if request.only_host in (None, row.name)]
    hosts = [counter.host(row) for row in sorted(wanted, key=attrgetter("name", "id"))]
    limits = [host.limit for host in hosts]
    return Capacity(
        tuple(hosts),
        total([host.least for host in hosts] or [0]),
        total([host.most for host in hosts] or [0]),
        {reason: count for reason in Reason if (count := limits.count(reason))},
    )


class Counter:
    """A shape, with all that is worked out of it once for hosts that are alike to it."""

    def __init__(self, request: PlacementRequest, *, steps_max: int = FLEET_STEPS_MAX) -> None:
        """Begin.

        Args:
            request: Of one server of the shape.
            steps_max: Of all searches together.

        Raises:
            Unlimited: It asks for nothing that could run out.
        """
        self._request = request
        self._demand = make_demand(request)
        self._sizes = (request.vcpus, request.memory_mib, request.disk_gib)
        if not self._demand.device_classes and not any(self._sizes):
            raise Unlimited
        self._fitting = Fitting([one for one, _ in self._demand.device_classes])
        self._flows = FlowCuts(self._demand) if self._is_flow else None
        self._is_choosy = bool(
            request.excluded_hosts
            or self._demand.bridge_classes
            or request.zone
            or request.metadata
            or request.fellows
        )
        self._every = (1 << len(self._demand.device_classes)) - 1  # Classes, as bits.
        self._lacking: dict[Fits, bool] = {}  # Whether a class has no device at all.
        self._copies: dict[object, tuple[Copies, object]] = {}
        self._counts: dict[object, Count] = {}
        self._exchanges = Exchanges()
        with_devices = [nic for nic in request.nics if nic.kind is not None]
        self._wanted = [*dict.fromkeys((reach_of(nic), nic_class(nic)) for nic in with_devices)]
        self._near = BySlot(self._nearness)
        self._why: dict[tuple[tuple[int, ...], ...], Reason] = {}
        self._steps_left = steps_max
        self._is_ruled, self._is_confined = request.is_ruled, request.is_confined
        self._is_guaranteed = any(nic.egress_mbps or nic.ingress_mbps for nic in request.nics)

    @property
    def _is_flow(self) -> bool:
        """Whether cuts alone tell how many devices suffice for."""
        classes = [one for one, _ in self._demand.device_classes]
        kinds = {kind for one in classes for kind in one.kinds}
        is_ruled = self._demand.rules or any(
            one.numa or one.egress_mbps or one.ingress_mbps for one in classes
        )
        # A PF taken whole takes its VFs from the others.
        return not is_ruled and not {DeviceKind.PF, DeviceKind.VF} <= kinds

    def host(self, row: HostRow) -> HostCapacity:
        """Count the servers that fit on one host."""
        if self._is_choosy or not (row.enabled and row.up):
            refusal = self._refusal(row)
            if refusal is not None:
                return HostCapacity(row.id, row.name, 0, 0, refusal)
        room, limit = self._room(row)
        fellows = self._request.fellows
        allowed = None if fellows is None else fellows.room_on(row.id)
        if fellows is not None and allowed is not None and allowed < room:
            room, limit = allowed, reason_of(fellows)
        if not room or not self._demand.device_classes:
            return HostCapacity(row.id, row.name, room, room, limit)
        fits = self._fitting.of(row.structure)
        if self._is_lacking(fits):
            reason = self._why_none_matches(row)
            return HostCapacity(row.id, row.name, 0, 0, reason)
        cuts = None if self._flows is None else self._flows.of(fits)
        if cuts is None:
            count = self._count(row, fits, room)
        else:
            usable = row.usable
            most = min([sum([usable[slot] for slot in slots]) // least for slots, least in cuts])
            count = Count(most, most) if most < room else Count(room, room)
        if not count.most:
            limit = self._lack(row, fits)
        elif count.least < room:
            limit = self._limit_of_devices(row, fits, self._every)
        return HostCapacity(row.id, row.name, count.least, count.most, limit)

    def _refusal(self, row: HostRow) -> Reason | None:
        request = self._request
        if row.id in request.excluded_hosts:
            return Reason.EXCLUDED
        if not (row.enabled or request.even_disabled):
            return Reason.DISABLED
        if not row.up:
            return Reason.STUCK if row.is_stuck else Reason.DOWN
        if request.zone not in (None, row.zone):
            return Reason.NOT_IN_ZONE
        if not all(demand.holds(row.metadata) for demand in request.metadata):
            return Reason.AGGREGATE_METADATA
        if request.fellows is not None and not request.fellows.allow(row.id):
            return reason_of(request.fellows)
        for one in self._demand.bridge_classes:
            if not one.bridges & row.structure.bridges:
                return Reason.NO_BRIDGE
        return None

    def _is_lacking(self, fits: Fits) -> bool:
        known = self._lacking.get(fits)
        if known is None:
            known = self._lacking[fits] = union(fits) != self._every
        return known

    def _lack(self, row: HostRow, fits: Fits) -> Reason:
        """Why devices suffice for no server at all, though there are some for each class."""
        free = 0
        for usable, mask in zip(row.usable, fits, strict=True):
            if usable:
                free |= mask
        if free == self._every:
            return Reason.TOO_FEW_TOGETHER
        return self._limit_of_devices(row, fits, self._every ^ free)

    def _limit_of_devices(self, row: HostRow, fits: Fits, lacking: int) -> Reason:
        """What lacks for these classes: devices without owners, or with a PF in service."""
        if row.out and any(mask & lacking and out for out, mask in zip(row.out, fits, strict=True)):
            return Reason.OUT_OF_SERVICE
        return Reason.NO_FREE_DEVICE

    def _why_none_matches(self, row: HostRow) -> Reason:
        """Why the first NIC without any device has none; what is out of service is not there."""
        structure = row.structure
        out = tuple([slot for slot, count in enumerate(row.out) if count])
        key = self._near.of(structure), structure.idle, out
        found = self._why.get(key)
        if found is None:
            count = len(self._wanted)
            by_slot = {slot: bits for slot, bits in enumerate(key[0]) if slot not in structure.idle}
            without = ~(union(by_slot.values()) >> 2 * count)
            first = without & -without
            near = union(bits for slot, bits in by_slot.items() if slot not in out)
            found = self._why[key] = WHY[bool(near & first) + bool(near >> count & first)]
        return found

    def _nearness(self, profile: Profile) -> int:
        """Which NICs want its kind; above these bits, its cabling, too; above those, it fits."""
        count = len(self._wanted)
        found = [nearness(reach, one, profile) for reach, one in self._wanted]
        return sum(1 << n + step * count for n, near in enumerate(found) for step in range(near))

    def _room(self, row: HostRow) -> tuple[int, Reason]:
        """How many servers the host has room for, devices aside, and what limits that."""
        vcpus, memory_mib, disk_gib = self._sizes
        have = row.free_vcpus, row.free_memory_mib, row.free_disk_gib
        if min(have) < 0:  # More was given than there is: not even a server of no size is taken.
            return 0, next(r for r, left in zip(_ROOM, have, strict=True) if left < 0)
        room, limit = (have[0] // vcpus if vcpus else None), Reason.NO_VCPUS
        if memory_mib and (room is None or have[1] // memory_mib < room):
            room, limit = have[1] // memory_mib, Reason.NO_MEMORY
        if disk_gib and (room is None or have[2] // disk_gib < room):
            room, limit = have[2] // disk_gib, Reason.NO_DISK
        return (1 + sum(row.usable) if room is None else room), limit

    def _count(self, row: HostRow, fits: Fits, room: int) -> Count:
        copies = self._copies_of(row, fits)
        seats = self._seats(row)
        most = copies.count_by_sums(row.usable, seats)
        if most is not None:
            return Count(min(most, room), min(most, room))
        supply = self._supply(row, seats)
        state = copies, supply, room
        count = self._counts.get(state)
        if count is None:
            before = copies.steps_used
            steps_max = max(0, min(STEPS_MAX, self._steps_left))
            count = copies.count(supply, enough=room, steps_max=steps_max)
            self._steps_left -= copies.steps_used - before
            self._counts[state] = count
        return count

    def choose(self, row: HostRow, number: int) -> list[Share]:
        """Choose what so many servers take of a host; fewer, if so many are not found to fit.

        Args:
            row: Of a host that has room for them, devices aside.
            number: No more than `host` says may fit.
        """
        copies = self._copies_of(row, self._fitting.of(row.structure))
        supply = self._supply(row, self._seats(row))
        before = copies.steps_used
        steps_max = max(0, min(STEPS_MAX, self._steps_left))
        chosen = copies.choose(supply, number=number, steps_max=steps_max)
        self._steps_left -= copies.steps_used - before
        return [copies.ground.share(amounts) for amounts in chosen]

    def _copies_of(self, row: HostRow, fits: Fits) -> Copies:
        """What hosts share that differ in no more than what they have left."""
        structure = row.structure
        where = (id(row.places), row.numa_nodes) if self._is_ruled else None
        key = fits, structure.family, structure.whole, where
        found = self._copies.get(key)
        if found is None:
            plan = Fit(self._demand, structure, self._fitting.costs(fits))
            site = None if where is None else _site(row)
            # The places are kept, so that no others come to have their number.
            found = self._copies[key] = Copies(plan.problem((), site), self._exchanges), row.places
        return found[0]

    def _supply(self, row: HostRow, seats: Seats) -> Supply:
        if not self._is_guaranteed:
            return Supply(row.usable, seats=seats)
        site = make_site(row.places, row.accounted, (), self._request)
        return Supply(row.usable, site.egress_left, site.ingress_left, seats)

    def _seats(self, row: HostRow) -> Seats:
        """How many servers each NUMA node has room for; those that are not confined need none."""
        if not self._is_confined:
            return ()
        (vcpus, memory_mib, _), left = self._sizes, row.numa_amounts
        found = []
        for at, (number, _) in enumerate(row.numa_nodes):
            have_vcpus, have_memory_mib = left[2 * at], left[2 * at + 1]
            if have_vcpus < vcpus or have_memory_mib < memory_mib:
                found.append((number, 0))
                continue
            seats = have_vcpus // vcpus if vcpus else sum(row.usable)
            if memory_mib:
                seats = min(seats, have_memory_mib // memory_mib)
            found.append((number, seats))
        return tuple(found)


def _site(row: HostRow) -> Site:
    """Where devices and nodes are; how much there is of what, each host has of its own."""
    nodes = sorted(row.numa_nodes, key=itemgetter(0))
    return Site(
        places=row.places,
        numa_nodes=tuple([number for number, _ in nodes]) if nodes else None,
        numa_sockets=tuple([socket for _, socket in nodes]),
    )

"""Where a server goes, and on which devices. The module to read first.

`place` is the whole answer, with the reasons when there is none. `find_placement` and
`candidates` leave the reasons out, and cost no more when nothing fits than when something does;
`explain` (in `explanation`) reads every host.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from trunkline.domain.ids import DeviceId, HostId
from trunkline.placement.demand import NicClass, fits, make_demand, nic_class
from trunkline.placement.explanation import explain
from trunkline.placement.feasibility import Fit, has_room
from trunkline.placement.fleet import Fleet
from trunkline.placement.host_state import HostState
from trunkline.placement.matching import Solution
from trunkline.placement.ranking import Ranking
from trunkline.placement.request import (
    NicChoice,
    NicDemand,
    NotPlaced,
    Placed,
    PlacementRequest,
)


def place(request: PlacementRequest, fleet: Fleet, *, spread_key: str = "") -> Placed | NotPlaced:
    """Choose the host, and the very devices, for all NICs of a server together.

    Placed if and only if some host in service has room and some assignment of its free devices
    gives every NIC one that it can use, a PF and its VFs never both. Nothing is held by it.

    Args:
        request: What the server needs.
        fleet: What there is.
        spread_key: Permutes hosts that rank equal. Replicas with keys of their own then don't all
            choose one host at the same moment; the same key gives the same answer.
    """
    placed = find_placement(request, fleet, spread_key=spread_key)
    return NotPlaced(explanation=explain(request, fleet)) if placed is None else placed


def find_placement(
    request: PlacementRequest, fleet: Fleet, *, spread_key: str = ""
) -> Placed | None:
    """Like `place`, without the reasons."""
    ranking = fleet.ranking(make_demand(request))
    failed: list[HostId] = []
    placed = None
    for host in _eligible(request, fleet, _order(request, fleet, ranking, spread_key)):
        placed = _place_on(request, host, ranking)
        if placed is not None:
            break
        failed.append(host.id)
    ranking.drop(failed)
    return placed


def candidates(
    request: PlacementRequest, fleet: Fleet, *, spread_key: str = ""
) -> Iterator[Placed]:
    """All hosts that can take the server, each with its best devices, best host first.

    The fleet may change between two candidates: each is decided from its host as it is then, and
    hosts that did not fit at the start are not looked at again.
    """
    demand = make_demand(request)
    order = list(_order(request, fleet, fleet.ranking(demand), spread_key))
    for host_id in order:
        ranking = fleet.ranking(demand)
        for host in _eligible(request, fleet, [host_id]):
            placed = _place_on(request, host, ranking)
            if placed is not None:
                yield placed


def _order(
    request: PlacementRequest, fleet: Fleet, ranking: Ranking, spread_key: str
) -> Iterable[HostId]:
    """Hosts in the order in which to try them: all in the ranking, or the one asked for."""
    if request.only_host is None:
        return ranking.in_order(spread_key)
    return [host.id for host in fleet.hosts_named(request.only_host)]


def _eligible(
    request: PlacementRequest, fleet: Fleet, order: Iterable[HostId]
) -> Iterator[HostState]:
    """Of some hosts, those in service that have room and have not refused, in the same order."""
    for host_id in order:
        host = fleet.find_host(host_id)
        if (
            host is not None
            and has_room(request, host)
            and host.enabled
            and host.up
            and host_id not in request.excluded_hosts
        ):
            yield host


def _place_on(request: PlacementRequest, host: HostState, ranking: Ranking) -> Placed | None:
    plan = ranking.fit(host)
    if plan is None:
        return None
    solution = plan.solve(host.usable)
    if solution is None:
        return None
    devices = _pick_devices(host, plan, solution)
    classes = [one for one, _ in ranking.demand.device_classes]
    return Placed(
        host_id=host.id,
        seen_generation=host.generation,
        choices=tuple(_choice(nic, host, classes, devices) for nic in request.nics),
    )


def _pick_devices(host: HostState, plan: Fit, solution: Solution) -> list[list[DeviceId]]:
    """Name the devices of each class: the lowest free ones of each slot."""
    free: dict[int, int] = {}
    picked: list[list[DeviceId]] = [[] for _ in plan.counts]
    for c, row in enumerate(solution.taken):
        for slot, count in enumerate(row):
            pool = host.pool_at(host.structure.slots[slot])
            for _ in range(count):
                bits = free.get(slot, pool.free)
                lowest = bits & -bits
                free[slot] = bits ^ lowest
                picked[c].append(pool.members[lowest.bit_length() - 1].id)
    return picked


def _choice(
    nic: NicDemand, host: HostState, classes: list[NicClass], devices: list[list[DeviceId]]
) -> NicChoice:
    """Give a NIC the next device of its class, and the first of its segments that this reaches."""
    if nic.kind is None:
        segment_id = next(
            option.segment_id
            for option in nic.options
            if option.physical_network in host.structure.bridges
        )
        return NicChoice(nic=nic.nic, segment_id=segment_id, device_id=None)
    device_id = devices[classes.index(nic_class(nic))].pop(0)
    pool = host.find_pool(device_id)
    assert pool is not None
    attributes = dict(pool.profile.attributes)
    assert fits(attributes, nic.attributes)
    segment_id = None  # Of a device on no network.
    if nic.options:
        segment_id = next(
            option.segment_id for option in nic.options if fits(attributes, option.attributes)
        )
    return NicChoice(nic=nic.nic, segment_id=segment_id, device_id=device_id)

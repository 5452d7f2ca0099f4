"""Where a server goes, and on which devices. The module to read first.

`place` is the whole answer, with the reasons when there is none. `find_placement` and
`candidates` leave the reasons out, and cost no more when nothing fits than when something does;
`explain` (in `explanation`) reads every host.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trunkline.placement.bits import bits_of
from trunkline.placement.columns import ClassColumns, Columns
from trunkline.placement.demand import Demand, NicClass, classes_and_rules, demand_of, fits
from trunkline.placement.explanation import explain
from trunkline.placement.feasibility import Fit, fit_at_costs, host_reasons, site_of
from trunkline.placement.fleet import Fleet
from trunkline.placement.host_state import HostState
from trunkline.placement.matching import Solution
from trunkline.placement.ranking import in_order
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
    sought = _Sought.of(request, fleet.columns())
    found = (sought.place_on(host) for host in sought.hosts(spread_key))
    return next((placed for placed in found if placed is not None), None)


def candidates(
    request: PlacementRequest, fleet: Fleet, *, spread_key: str = ""
) -> Iterator[Placed]:
    """All hosts that can take the server, each with its best devices, best host first.

    The fleet may change between two candidates: each is decided from its host as it is then, and
    hosts that did not fit at the start are not looked at again.
    """
    sought = _Sought.of(request, fleet.columns())
    for host in list(sought.hosts(spread_key)):
        placed = sought.place_on(host) if fleet.find_host(host.id) is host else None
        if placed is not None:
            yield placed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sought:
    """A request with all that is worked out of it once, before any host is looked at."""

    request: PlacementRequest
    nic_classes: Sequence[NicClass]  # In the order of the request's NICs.
    demand: Demand
    columns: Columns
    device_columns: Sequence[tuple[ClassColumns, int]]  # As `Demand.device_classes`.

    @classmethod
    def of(cls, request: PlacementRequest, columns: Columns) -> _Sought:
        classes, rules = classes_and_rules(request)
        demand = demand_of(classes, rules)
        return cls(
            request=request,
            nic_classes=classes,
            demand=demand,
            columns=columns,
            device_columns=[(columns.of_class(one), n) for one, n in demand.device_classes],
        )

    def hosts(self, spread_key: str) -> Iterator[HostState]:
        """Yield the hosts to try, best first."""
        return in_order(
            self.request, self.demand, self.device_columns, self.columns, spread_key=spread_key
        )

    def place_on(self, host: HostState) -> Placed | None:
        """Decide on one host, as it is now."""
        if host_reasons(self.request, host):  # Columns know no numbers below 0.
            return None
        costs = tuple(each.costs_on(host.structure) for each, _ in self.device_columns)
        plan = fit_at_costs(self.demand, host.structure, costs)
        solution = plan.solve(host.usable, site_of(host, self.request) if plan.is_ruled else None)
        if solution is None:
            return None
        devices = _pick_devices(host, plan, solution)
        return Placed(
            host_id=host.id,
            seen_generation=host.generation,
            choices=tuple(self._choices(host, devices)),
            numa_node=solution.numa_node if host.numa and self.request.is_confined else None,
        )

    def _choices(self, host: HostState, devices: list[list[_Picked]]) -> Iterator[NicChoice]:
        """Give each NIC the next device of its class, or a bridge."""
        number = {one: c for c, (one, _) in enumerate(self.demand.device_classes)}
        for nic, one in zip(self.request.nics, self.nic_classes, strict=True):
            if nic.kind is None:
                yield _choice_of_bridge(nic, host)
            else:
                yield _choice_of_device(nic, host, devices[number[one]].pop(0))


_Picked = tuple[int, int]  # A slot, and a bit of it.


def _pick_devices(host: HostState, plan: Fit, solution: Solution) -> list[list[_Picked]]:
    """Name the devices of each class: the lowest free ones of each slot."""
    free: dict[int, Iterator[int]] = {}
    picked: list[list[_Picked]] = [[] for _ in plan.counts]
    for c, row in enumerate(solution.taken):
        for slot, count in enumerate(row):
            if count:
                bits = free.setdefault(slot, bits_of(host.free(slot)))
                picked[c] += [(slot, next(bits)) for _ in range(count)]
    return picked


def _choice_of_bridge(nic: NicDemand, host: HostState) -> NicChoice:
    segment_id = next(
        option.segment_id
        for option in nic.options
        if option.physical_network in host.structure.bridges
    )
    return NicChoice(nic=nic.nic, segment_id=segment_id, device=None)


def _choice_of_device(nic: NicDemand, host: HostState, picked: _Picked) -> NicChoice:
    """Choose the first of the NIC's segments that the device reaches."""
    slot, bit = picked
    attributes = dict(host.structure.slots[slot].profile.attributes)
    assert fits(attributes, nic.attributes)
    segment_id = None  # Of a device on no network.
    if nic.options:
        segment_id = next(
            option.segment_id for option in nic.options if fits(attributes, option.attributes)
        )
    return NicChoice(nic=nic.nic, segment_id=segment_id, device=host.ref(slot, bit))

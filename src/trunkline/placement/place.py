"""Where a server goes, and on which devices. The module to read first.

`place` is the whole answer, with the reasons when there is none. `find_placement` and
`candidates` leave the reasons out, and cost no more when nothing fits than when something does;
`explain` (in `explanation`) reads every host.
"""

from __future__ import annotations

from collections.abc import Iterator

from trunkline.domain.ids import HostId
from trunkline.placement.asks.demand import demand_and_classes, fits
from trunkline.placement.asks.request import (
    NicChoice,
    NicDemand,
    NotPlaced,
    Placed,
    PlacementRequest,
)
from trunkline.placement.hosts.bits import bits_of
from trunkline.placement.hosts.feasibility import Fit, Site, host_reasons, site_of
from trunkline.placement.hosts.host_state import HostState
from trunkline.placement.index.fleet import Fleet
from trunkline.placement.index.ranking import in_order
from trunkline.placement.matching.problem import Solution
from trunkline.placement.reasons.explanation import explain


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
    sought = _Sought(request, fleet)
    found = (sought.place_on(host) for host in sought.hosts(spread_key))
    return next((placed for placed in found if placed is not None), None)


def candidates(
    request: PlacementRequest, fleet: Fleet, *, spread_key: str = ""
) -> Iterator[Placed]:
    """All hosts that can take the server, each with its best devices, best host first.

    The fleet may change between two candidates: each is decided from its host as it is then, and
    hosts that did not fit at the start are not looked at again.
    """
    sought = _Sought(request, fleet)
    for host in list(sought.hosts(spread_key)):
        placed = sought.place_on(host) if fleet.find_host(host.id) is host else None
        if placed is not None:
            yield placed


def hosts_in_order(
    request: PlacementRequest, fleet: Fleet, *, spread_key: str = ""
) -> Iterator[HostState]:
    """Yield the hosts that may take the server, by counts alone, best first.

    Whether one does, an exact match has to say. The fleet must not change meanwhile.
    """
    return _Sought(request, fleet).hosts(spread_key)


def place_within(
    request: PlacementRequest,
    fleet: Fleet,
    host_id: HostId,
    *,
    usable: tuple[int, ...],
    site: Site,
) -> Placed | None:
    """Like `find_placement` on one host, of which no more is to be used than is given here.

    Args:
        request: What the server needs.
        fleet: Where the host is.
        host_id: The host.
        usable: [slot] Devices that may be used, no more than there are.
        site: Where its devices are, and what their PFs may be made to owe.
    """
    host = fleet.find_host(host_id)
    return None if host is None else _Sought(request, fleet).place_on(host, usable, site)


class _Sought:
    """A request with all that is worked out of it once, before any host is looked at."""

    def __init__(self, request: PlacementRequest, fleet: Fleet) -> None:
        columns = fleet.columns()
        demand, self._class_of_nic = demand_and_classes(request)
        self._request = request
        self._demand = demand
        self._columns = columns
        self._ranking = fleet.ranking
        self._device_columns = [  # As `Demand.device_classes`.
            (columns.of_class(one), count) for one, count in demand.device_classes
        ]

    def hosts(self, spread_key: str) -> Iterator[HostState]:
        """Yield the hosts to try, best first."""
        return in_order(
            self._request,
            self._demand,
            self._device_columns,
            self._columns,
            self._ranking,
            spread_key=spread_key,
        )

    def place_on(
        self, host: HostState, usable: tuple[int, ...] | None = None, site: Site | None = None
    ) -> Placed | None:
        """Decide on one host, as it is now, or with no more of it than is given."""
        if host_reasons(self._request, host):  # Columns know no numbers below 0.
            return None
        costs = tuple([each.costs_on(host.structure) for each, _ in self._device_columns])
        fit = Fit(self._demand, host.structure, costs)
        if site is None and fit.is_ruled:
            site = site_of(host, self._request)
        solution = fit.solve(host.usable if usable is None else usable, site)
        if solution is None:
            return None
        devices = [iter(picked) for picked in _pick_devices(host, solution)]
        choices = [
            _choice_of_bridge(nic, host)
            if c is None
            else _choice_of_device(nic, host, *next(devices[c]))
            for nic, c in zip(self._request.nics, self._class_of_nic, strict=True)
        ]
        is_confined = fit.is_ruled and bool(host.numa) and self._request.is_confined
        return Placed(
            host_id=host.id,
            seen_generation=host.generation,
            choices=tuple(choices),
            numa_node=solution.numa_node if is_confined else None,
        )


_Picked = tuple[int, int]  # A slot, and a bit of it.


def _pick_devices(host: HostState, solution: Solution) -> list[list[_Picked]]:
    """Name the devices of each class: the lowest free ones of each slot."""
    free: dict[int, Iterator[int]] = {}
    picked: list[list[_Picked]] = []
    for row in solution.taken:
        of_class: list[_Picked] = []
        for slot, count in enumerate(row):
            if count:
                bits = free.get(slot)
                if bits is None:
                    bits = free[slot] = bits_of(host.free(slot))
                of_class += [(slot, next(bits)) for _ in range(count)]
        picked.append(of_class)
    return picked


def _choice_of_bridge(nic: NicDemand, host: HostState) -> NicChoice:
    segment_id = next(
        option.segment_id
        for option in nic.options
        if option.physical_network in host.structure.bridges
    )
    return NicChoice(nic=nic.nic, segment_id=segment_id, device=None)


def _choice_of_device(nic: NicDemand, host: HostState, slot: int, bit: int) -> NicChoice:
    """Choose the first of the NIC's segments that the device reaches."""
    segment_id = None  # Of a device on no network.
    if len(nic.options) == 1:
        segment_id = nic.options[0].segment_id
    elif nic.options:
        attributes = host.structure.slots[slot].profile.values
        segment_id = next(
            option.segment_id for option in nic.options if fits(attributes, option.attributes)
        )
    return NicChoice(nic=nic.nic, segment_id=segment_id, device=host.ref(slot, bit))

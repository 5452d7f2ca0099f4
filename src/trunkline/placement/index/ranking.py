"""Which hosts come first, by the criteria of a ranking.

One after the other, each criterion deciding only between hosts that those before it leave equal;
or, with weights, by a sum. Hosts that are then still equal come by name, then by ID; with a spread
key they are begun at another one. docs/ranking.md says what each criterion counts.

All of it is read from columns of bits, so that an order costs a few operations on all hosts at
once, and nothing of an earlier request has to be remembered.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import Final

from trunkline.placement.asks.demand import Demand
from trunkline.placement.asks.request import PlacementRequest
from trunkline.placement.hosts.bits import Counter, Planes, numbers_in
from trunkline.placement.hosts.host_state import HostState
from trunkline.placement.index.columns import ClassColumns, Columns
from trunkline.placement.index.criteria import Criterion, Ranking
from trunkline.placement.index.group_order import allowed_by, soft_order
from trunkline.placement.index.rule_filter import RuleFilter

Sought = Sequence[tuple[ClassColumns, int]]  # Each class of NICs with devices, and how many.

# What a criterion says of a host, from 0 to 1 between the hosts compared, is counted so finely.
SHARE_BITS: Final = 40


def in_order(
    request: PlacementRequest,
    demand: Demand,
    sought: Sought,
    columns: Columns,
    ranking: Ranking,
    *,
    spread_key: str = "",
) -> Iterator[HostState]:
    """Yield the hosts that may take the request, best first.

    In service, with room, and with enough devices by count for each class of NICs, those counted
    in that only fit where this class fits too; for rules, in the places that they are about. That
    is necessary, not sufficient: the exact match decides when a host's turn comes. The fleet must
    not change meanwhile.
    """
    hosts = _possible(request, demand, sought, columns)
    order = _Order(sought, columns)
    parts = [hosts] if request.fellows is None else soft_order(request.fellows, hosts, columns)
    groups = (
        group
        for part in parts
        for group in (
            order.by_weights(part, ranking)
            if ranking.weights
            else order.one_by_one(part, ranking.criteria)
        )
    )
    start = zlib.crc32(spread_key.encode()) % len(columns.hosts) if columns.hosts else 0
    for equal in groups:
        later = equal >> start << start if spread_key else equal
        for part in (later, equal ^ later):
            for place in numbers_in(part):
                yield columns.hosts[place]


def _possible(request: PlacementRequest, demand: Demand, sought: Sought, columns: Columns) -> int:
    found = columns.with_room(request)
    if request.only_host is not None:
        found &= columns.named(request.only_host)
    for host_id in request.excluded_hosts:
        place = columns.places.get(host_id)
        if place is not None:
            found ^= found & 1 << place
    if request.zone is not None:
        found &= columns.in_zone(request.zone)
    if request.metadata:
        found &= columns.meeting(request.metadata)
    if request.fellows is not None:
        found &= allowed_by(request.fellows, columns)
    for one in demand.bridge_classes:
        reachable = 0
        for name in one.bridges:
            reachable |= columns.with_bridge(name)
        found &= reachable
    for each, _ in sought:
        # NICs that fit nowhere but where this class fits need devices of their own there.
        count = sum(
            more for other, more in sought if other.profiles | each.profiles == each.profiles
        )
        found = each.having(count, found)
    if demand.is_ruled and found:
        fitting = [(each.profiles, each.fits) for each, _ in sought]
        found = RuleFilter(request, demand, fitting, columns.lanes()).possible(found)
    return found


class _Order:
    """The criteria, as one request reads them."""

    def __init__(self, sought: Sought, columns: Columns) -> None:
        self._sought = sought
        self._columns = columns

    def one_by_one(self, hosts: int, criteria: Sequence[Criterion]) -> Iterator[int]:
        """Yield groups of hosts that all criteria leave equal, best first."""
        if not criteria or not hosts & hosts - 1:
            if hosts:
                yield hosts
            return
        for part in self._parts(hosts, criteria[0]):
            yield from self.one_by_one(part, criteria[1:])

    def by_weights(self, hosts: int, ranking: Ranking) -> Iterator[int]:
        """Yield groups of hosts with equal sums, best first."""
        total = Counter()
        for criterion, weight in zip(ranking.criteria, ranking.weights, strict=True):
            numbers = Counter.of_planes(self._numbers(criterion, hosts).planes(hosts))
            least, most = numbers.least(hosts)[1], numbers.highest(hosts)
            if least < most:
                factor = (weight << SHARE_BITS) // (most - least)
                total.add_times(factor, numbers if criterion.wants_most else numbers.inverse(hosts))
        return _apart(hosts, total, most=True)

    def _parts(self, hosts: int, criterion: Criterion) -> Iterator[int]:
        """Part hosts by one criterion, best first."""
        if criterion is Criterion.SPARE_TAGS:
            parts = self._by_waste(hosts)
            return (parts[waste] for waste in sorted(parts))
        if criterion is Criterion.SPARE_HOSTS_WITH_DEVICES:
            spoiled = 0 if self._sought else hosts & self._columns.with_devices
            return (part for part in (hosts ^ spoiled, spoiled) if part)
        return _apart(hosts, self._numbers(criterion, hosts), most=criterion.wants_most)

    def _numbers(self, criterion: Criterion, hosts: int) -> Planes:
        """What a criterion counts, on each of these hosts."""
        columns = self._columns
        match criterion.subject:
            case "tags":
                return Counter.of_parts(self._by_waste(hosts))
            case "hosts_with_devices":
                return Counter.of_parts({} if self._sought else {1: columns.with_devices})
            case "devices":
                return self._fitting_devices(hosts)
            case "vcpus":
                return columns.free_vcpus
            case "memory":
                return columns.free_memory
            case _:
                return columns.free_disk

    def _by_waste(self, hosts: int) -> dict[int, int]:
        """Part hosts by the tags that would be wasted there."""
        parts = {0: hosts} if hosts else {}
        for each, count in self._sought:
            parted: dict[int, int] = {}
            for cost, column in zip(each.costs, each.by_cost(count, hosts), strict=False):
                for waste, part in parts.items():
                    if having := part & column:
                        total = waste + cost * count
                        parted[total] = parted.get(total, 0) | having
            parts = parted
        return parts

    def _fitting_devices(self, hosts: int) -> Counter:
        """Count the devices that each class of NICs could choose from, on these hosts."""
        total = Counter()
        for each, _ in self._sought:
            each.add_fitting(total, hosts)
        return total


def _apart(hosts: int, numbers: Planes, *, most: bool) -> Iterator[int]:
    """Part hosts by a number, best first."""
    while hosts:
        best = numbers.most(hosts) if most else numbers.least(hosts)[0]
        yield best
        hosts ^= best

"""Which hosts come first.

The order, each rule deciding only between hosts that the ones before it leave equal:

1. Devices with tags that nobody asked for are left to those who ask. Of a host, each class of NICs
   counts what its worst device would waste, once for each NIC. (`wasted_tags`)
2. A server without devices stays off hosts that have any. (`spoils_devices`)
3. Spread: the host with most devices to choose from. Those that fit several classes of NICs count
   for each, so that a host that offers little else is preferred to one that others need.
4. Spread: the host with most memory free.
5. Name, then ID. With a spread key, hosts that are equal up to here are begun at another one.

All of it is read from columns of bits, so that an order costs a few operations on all hosts at
once, and nothing of an earlier request has to be remembered.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence

from trunkline.placement.bits import Counter, bits_of, union
from trunkline.placement.columns import ClassColumns, Columns
from trunkline.placement.demand import Demand
from trunkline.placement.host_state import HostState
from trunkline.placement.lanes import RuleFilter
from trunkline.placement.request import PlacementRequest

Sought = Sequence[tuple[ClassColumns, int]]  # Each class of NICs with devices, and how many.


def in_order(
    request: PlacementRequest,
    demand: Demand,
    sought: Sought,
    columns: Columns,
    *,
    spread_key: str = "",
) -> Iterator[HostState]:
    """Yield the hosts that may take the request, best first.

    In service, with room, and with enough devices by count for each class of NICs, those counted
    in that only fit where this class fits too. That is necessary, not sufficient: the exact match
    decides when a host's turn comes. The fleet must not change meanwhile.
    """
    start = zlib.crc32(spread_key.encode()) % len(columns.hosts) if columns.hosts else 0
    fitting = None
    for bucket in _by_waste(sought, _possible(request, demand, sought, columns)):
        if fitting is None:
            fitting = _fitting(sought)
        for group in _unspoiled_first(sought, columns, bucket):
            yield from _best_first(group, fitting, columns, start if spread_key else 0)


def _possible(request: PlacementRequest, demand: Demand, sought: Sought, columns: Columns) -> int:
    found = columns.with_room(request)
    if request.only_host is not None:
        found &= columns.named(request.only_host)
    for host_id in request.excluded_hosts:
        place = columns.places.get(host_id)
        if place is not None:
            found ^= found & 1 << place
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
        found &= union(each.by_cost(count))
    if demand.is_ruled and found:
        profiles = [each.profiles for each, _ in sought]
        found = RuleFilter(demand, profiles, columns.lanes()).possible(found)
    return found


def _by_waste(sought: Sought, hosts: int) -> Iterator[int]:
    """Part hosts by the tags that would be wasted there, least first."""
    buckets = {0: hosts} if hosts else {}
    for each, count in sought:
        parted: dict[int, int] = {}
        columns = each.by_cost(count)
        for waste, bucket in buckets.items():
            for cost, column in zip(each.costs, columns, strict=True):
                if part := bucket & column:
                    total = waste + cost * count
                    parted[total] = parted.get(total, 0) | part
        buckets = parted
    for waste in sorted(buckets):
        yield buckets[waste]


def _unspoiled_first(sought: Sought, columns: Columns, hosts: int) -> Iterator[int]:
    if sought:
        yield hosts
    else:
        yield hosts ^ hosts & columns.with_devices
        yield hosts & columns.with_devices


def _fitting(sought: Sought) -> Counter:
    """Count the devices that each class of NICs could choose from."""
    counters = [each.fitting() for each, _ in sought]
    if len(counters) == 1:
        return counters[0]
    total = Counter()
    for counter in counters:
        total.add(counter)
    return total


def _best_first(hosts: int, fitting: Counter, columns: Columns, start: int) -> Iterator[HostState]:
    while hosts:
        equal = columns.free_memory.most(fitting.most(hosts))
        hosts ^= equal
        later = equal >> start << start
        for part in (later, equal ^ later):
            yield from _in_turn(part, columns)


def _in_turn(part: int, columns: Columns) -> Iterator[HostState]:
    for bit in bits_of(part):
        yield columns.hosts[bit.bit_length() - 1]

"""Which hosts come first, and an index that keeps them in that order for one demand.

The order, each rule deciding only between hosts that the ones before it leave equal:

1. A server without devices stays off hosts that have any. (`RankKey.spoils_devices`)
2. Devices with tags that nobody asked for are left to those who ask. (`wasted_tags`)
3. Spread: the host with most fitting devices to choose from. (`fitting`)
4. Spread: the host with most free memory.
5. Name, then ID. With a spread key, hosts that are equal up to here are begun at another one.

A demand's index is built once and then follows the changes of single hosts, so that a decision
costs what changed since the last like one, not the size of the fleet.
"""

from __future__ import annotations

import zlib
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from trunkline.domain.ids import HostId, HostName
from trunkline.placement.demand import Demand
from trunkline.placement.feasibility import Fit, fit
from trunkline.placement.host_state import HostState
from trunkline.placement.structure import Structure


class RankKey(NamedTuple):
    """Sorts hosts, best first."""

    spoils_devices: bool
    wasted_tags: int  # At least; NICs counted one by one, each with the best device for it.
    fitting: int  # Negative: more is better.
    memory: int  # Negative: more is better.
    name: HostName
    id: HostId

    @property
    def merit(self) -> tuple[bool, int, int, int]:
        """What ranks a host; the rest only makes the order total."""
        return self[:4]


class Ranking:
    """Hosts that are in service and have enough devices by count, best first, for one demand.

    Counts are necessary, not sufficient: the exact match decides when a host's turn comes, and
    a host that fails it is dropped until it changes.
    """

    def __init__(self, demand: Demand, hosts: Mapping[HostId, HostState]) -> None:
        self.demand = demand
        self._hosts = hosts
        self._fits: dict[Structure, Fit | None] = {}
        self.keys: dict[HostId, RankKey] = {}  # Of the hosts in the order.
        for host_id, host in hosts.items():
            key = self._key(host)
            if key is not None:
                self.keys[host_id] = key
        self._order = sorted(self.keys.values())
        self.changed: set[HostId] = set()  # Filled by the fleet, emptied by `refresh`.

    def refresh(self) -> None:
        """Catch up with the hosts that have changed."""
        for host_id in self.changed:
            host = self._hosts.get(host_id)
            key = None if host is None else self._key(host)
            if key != self.keys.get(host_id):
                self._drop(host_id)
                if key is not None:
                    self.keys[host_id] = key
                    insort(self._order, key)
        self.changed.clear()

    def fit(self, host: HostState) -> Fit | None:
        """What the demand can use of this host's structure."""
        structure = host.structure
        if structure not in self._fits:
            self._fits[structure] = fit(self.demand, structure)
        return self._fits[structure]

    def drop(self, host_ids: Iterable[HostId]) -> None:
        """Leave out hosts that fail the exact match as they are; a change brings them back."""
        for host_id in host_ids:
            self._drop(host_id)

    def in_order(self, spread_key: str) -> Iterator[HostId]:
        """Host IDs, best first. The ranking must not be changed meanwhile."""
        order = self._order
        start = 0
        while start < len(order):
            end, begin = start + 1, start
            if spread_key:
                end = bisect_right(order, order[start].merit, lo=start, key=lambda key: key.merit)
                begin += zlib.crc32(spread_key.encode()) % (end - start)
            for at in range(begin, end):
                yield order[at].id
            for at in range(start, begin):
                yield order[at].id
            start = end

    def _drop(self, host_id: HostId) -> None:
        key = self.keys.pop(host_id, None)
        if key is not None:
            del self._order[bisect_left(self._order, key)]

    def _key(self, host: HostState) -> RankKey | None:
        """Rank a host; None if it can't take the demand whatever the sizes of servers."""
        if not (host.enabled and host.up):
            return None
        plan = self.fit(host)
        if plan is None:
            return None
        usable = host.usable
        wasted = 0
        for count, options in zip(plan.counts, plan.cheapest_first, strict=True):
            short = count
            for cost, slot in options:
                if usable[slot]:
                    taken = min(short, usable[slot])
                    wasted += taken * cost
                    short -= taken
                    if not short:
                        break
            if short:
                return None
        return RankKey(
            not plan.counts and host.structure.has_devices,
            wasted,
            -sum([usable[slot] for slot in plan.useful]),
            -host.free_memory_mib,
            host.name,
            host.id,
        )

"""How many mixes fit: so many servers of each of several shapes, again and again.

That is a packing problem without a quick exact answer. Two bounds are given: whole mixes that each
fit on one host, which can be built so; and what all hosts have together, divided, as if a mix could
be spread over them at will.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

from trunkline.placement.asks.demand import make_demand
from trunkline.placement.asks.request import PlacementRequest
from trunkline.placement.hosts.fitting import Fitting
from trunkline.placement.planning.capacity import HostRow, capacity
from trunkline.placement.planning.copies import Count

CLASSES_MAX: Final = 8  # Of NICs in a mix, of which every set is looked at.


@dataclass(frozen=True, slots=True)
class Part:
    """One shape of a mix."""

    request: PlacementRequest
    share: int  # Servers of it in each mix.


def mixes(parts: Sequence[Part], rows: Sequence[HostRow]) -> Count:
    """Bound how many mixes fit.

    Args:
        parts: Of one mix.
        rows: The hosts.

    Raises:
        Unlimited: A part asks for nothing that could run out.
    """
    together = _together(parts)
    alone = [capacity(part.request, rows).most // part.share for part in parts]
    most = min([*alone, *_by_size(parts, rows), *_by_devices(parts, rows)])
    return Count(capacity(together, rows).least, most)


def _together(parts: Sequence[Part]) -> PlacementRequest:
    """One server that asks for all that a mix does."""
    requests = [part.request for part in parts for _ in range(part.share)]
    named = [_named(request, number) for number, request in enumerate(requests)]
    return PlacementRequest(
        nics=tuple(nic for request in named for nic in request.nics),
        rules=tuple(rule for request in named for rule in request.rules),
        vcpus=sum(request.vcpus for request in named),
        memory_mib=sum(request.memory_mib for request in named),
        disk_gib=sum(request.disk_gib for request in named),
        excluded_hosts=frozenset().union(*(request.excluded_hosts for request in named)),
        metadata=tuple({demand for request in named for demand in request.metadata}),
    )


def _named(request: PlacementRequest, number: int) -> PlacementRequest:
    """Tell the NICs of servers apart."""
    return replace(
        request,
        nics=tuple(replace(nic, nic=f"{number}/{nic.nic}") for nic in request.nics),
        rules=tuple(
            replace(rule, nics=frozenset(f"{number}/{nic}" for nic in rule.nics))
            for rule in request.rules
        ),
    )


def _by_size(parts: Sequence[Part], rows: Sequence[HostRow]) -> list[int]:
    live = [row for row in rows if row.enabled and row.up]
    wanted = (
        sum(part.share * part.request.vcpus for part in parts),
        sum(part.share * part.request.memory_mib for part in parts),
        sum(part.share * part.request.disk_gib for part in parts),
    )
    have = (
        sum(max(0, row.free_vcpus) for row in live),
        sum(max(0, row.free_memory_mib) for row in live),
        sum(max(0, row.free_disk_gib) for row in live),
    )
    return [there // size for there, size in zip(have, wanted, strict=True) if size]


def _by_devices(parts: Sequence[Part], rows: Sequence[HostRow]) -> list[int]:
    """Every set of classes needs devices that fit one of them, wherever these are."""
    unruled = [_unruled(part.request) for part in parts for _ in range(part.share)]
    demand = make_demand(_together([Part(request, 1) for request in unruled]))
    classes = list(enumerate(demand.device_classes))
    if len(classes) > CLASSES_MAX:
        classes = []  # The bounds of each shape and of sizes remain.
    fitting = Fitting([one for one, _ in demand.device_classes])
    have: dict[int, int] = {}  # Devices by which classes they fit.
    for row in rows:
        if row.enabled and row.up:
            for mask, usable in zip(fitting.of(row.structure), row.usable, strict=True):
                have[mask] = have.get(mask, 0) + usable
    found = []
    for size in range(1, len(classes) + 1):
        for chosen in combinations(classes, size):
            wanted = sum(1 << c for c, _ in chosen)
            count = sum(of_class for _, (_, of_class) in chosen)
            found.append(sum(n for mask, n in have.items() if mask & wanted) // count)
    return found


def _unruled(request: PlacementRequest) -> PlacementRequest:
    nics = (replace(nic, numa=None, egress_mbps=0, ingress_mbps=0) for nic in request.nics)
    return replace(request, nics=tuple(nics), rules=())

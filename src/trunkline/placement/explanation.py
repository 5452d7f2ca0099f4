"""Why a request fits nowhere: per host, per NIC, and the least that would have to change.

Reads every host, unlike a decision; hosts in like states are worked out once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from trunkline.placement.changes import changes_sentence
from trunkline.placement.demand import make_demand
from trunkline.placement.feasibility import host_reasons
from trunkline.placement.fleet import Fleet
from trunkline.placement.host_state import HostState, Structure
from trunkline.placement.nic_reasons import nic_reasons
from trunkline.placement.request import (
    Explanation,
    HostRefusal,
    NicReason,
    PlacementRequest,
    Reason,
)
from trunkline.placement.shortfall import Shortfall, find_shortfall


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What holds for all hosts of one structure in one state."""

    nics: tuple[NicReason, ...]
    shortfall: Shortfall


def explain(request: PlacementRequest, fleet: Fleet) -> Explanation:
    """Say of each host that refuses `request` why it does.

    A host that could take it is not in the answer, so that for a request that fits somewhere this
    tells about the other hosts.
    """
    verdicts: dict[object, _Verdict] = {}
    refused: list[tuple[HostRefusal, HostState, Shortfall]] = []
    hosts = sorted(fleet.hosts(), key=lambda host: (host.name, host.id))
    for host in hosts:
        reasons = host_reasons(request, host)
        state = _state_of(host)
        verdict = verdicts.get(state)
        if verdict is None:
            verdict = verdicts[state] = _judge(request, host)
        if reasons or verdict.nics:
            refusal = _refusal(request, host, reasons, verdict)
            refused.append((refusal, host, verdict.shortfall))

    counts = Counter(reason for refusal, _, _ in refused for reason in _reasons_of(refusal))
    nearest = min(refused, key=_distance, default=None)
    if nearest is None and not hosts:
        smallest_change = "add a host: there is none yet"
    elif nearest is None or len(refused) < len(hosts):
        smallest_change = ""
    else:
        refusal, host, shortfall = nearest
        smallest_change = changes_sentence(request, host, refusal.reasons, shortfall)
    return Explanation(
        hosts=tuple(refusal for refusal, _, _ in refused),
        counts=dict(counts),
        nearest=None if nearest is None else nearest[0].host_name,
        smallest_change=smallest_change,
    )


def _state_of(host: HostState) -> tuple[Structure, tuple[tuple[int, int, int], ...]]:
    """All that a verdict depends on."""
    return host.structure, tuple(
        (pool.offered_count, pool.free_count, pool.owned.bit_count())
        for family in host.ordered
        for pool in family.pools
    )


def _judge(request: PlacementRequest, host: HostState) -> _Verdict:
    nics = nic_reasons(request, host)
    if not nics:
        return _Verdict((), Shortfall())
    return _Verdict(nics, find_shortfall(make_demand(request).device_classes, host.ordered))


def _refusal(
    request: PlacementRequest, host: HostState, reasons: tuple[Reason, ...], verdict: _Verdict
) -> HostRefusal:
    only_devices = not reasons and not any(one.reason is Reason.NO_BRIDGE for one in verdict.nics)
    only_owned = not verdict.shortfall.to_offer
    return HostRefusal(
        host_id=host.id,
        host_name=host.name,
        reasons=reasons,
        nics=verdict.nics,
        detail="; ".join(_details(request, host, reasons)),
        missing=verdict.shortfall.to_free if only_devices and only_owned else 0,
    )


def _details(
    request: PlacementRequest, host: HostState, reasons: tuple[Reason, ...]
) -> Iterator[str]:
    if Reason.NO_VCPUS in reasons:
        yield f"{host.free_vcpus} vCPUs free, {request.vcpus} wanted"
    if Reason.NO_MEMORY in reasons:
        yield f"{host.free_memory_mib} MiB of memory free, {request.memory_mib} wanted"
    if Reason.NO_DISK in reasons:
        yield f"{host.free_disk_gib} GiB of disk free, {request.disk_gib} wanted"


def _reasons_of(refusal: HostRefusal) -> set[Reason]:
    return {*refusal.reasons, *(one.reason for one in refusal.nics)}


def _distance(refused: tuple[HostRefusal, HostState, Shortfall]) -> tuple[object, ...]:
    """How far a host is from taking the request; what takes cables and screws is furthest."""
    refusal, host, shortfall = refused
    bridges = sum(1 for one in refusal.nics if one.reason is Reason.NO_BRIDGE)
    return (
        Reason.NOT_THE_HOST_ASKED_FOR in refusal.reasons,
        shortfall.to_offer + bridges,
        shortfall.to_free + len(refusal.reasons),
        host.name,
        host.id,
    )

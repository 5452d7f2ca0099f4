"""Why a request fits nowhere: per host, per NIC, and the least that would have to change.

Reads every host, unlike a decision; what is the same for several hosts is worked out once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from trunkline.domain.device import DeviceKind
from trunkline.placement.changes import changes_sentence
from trunkline.placement.demand import make_demand
from trunkline.placement.feasibility import host_reasons
from trunkline.placement.fleet import Fleet
from trunkline.placement.host_state import FamilyCount, HostState
from trunkline.placement.nic_reasons import NicReasons
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
    """What the NICs of the request meet on a host."""

    nics: tuple[NicReason, ...]
    shortfall: Shortfall


def explain(request: PlacementRequest, fleet: Fleet) -> Explanation:
    """Say of each host that refuses `request` why it does.

    A host that could take it is not in the answer, so that for a request that fits somewhere this
    tells about the other hosts.
    """
    judge = _Judge(request)
    refused: list[tuple[HostRefusal, HostState, Shortfall]] = []
    hosts = sorted(fleet.hosts(), key=lambda host: (host.name, host.id))
    for host in hosts:
        reasons = host_reasons(request, host)
        verdict = judge.verdict(host)
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


class _Judge:
    """Works out a request's verdicts, each once for all hosts for which it is the same."""

    def __init__(self, request: PlacementRequest) -> None:
        # How many devices are missing is counted apart from where they are.
        self._classes = make_demand(replace(request, rules=())).device_classes
        self._wants_pf = any(one.kind is DeviceKind.PF for one, _ in self._classes)
        self._nic_count = sum(count for _, count in self._classes)
        self._reasons = NicReasons(request)
        self._shortfalls: dict[object, Shortfall] = {}

    def verdict(self, host: HostState) -> _Verdict:
        nics = self._reasons.of(host)
        return _Verdict(nics, self._shortfall(host) if nics else Shortfall())

    def _shortfall(self, host: HostState) -> Shortfall:
        families = host.family_counts()
        key = host.structure, tuple(self._facts(families))
        found = self._shortfalls.get(key)
        if found is None:
            found = self._shortfalls[key] = find_shortfall(self._classes, families)
        return found

    def _facts(self, families: list[FamilyCount]) -> Iterator[int]:
        """All that a shortfall depends on; more devices than NICs are as good as just enough."""
        enough = self._nic_count
        for family in families:
            yield family.is_given_away
            yield family.owned_vf_count if self._wants_pf else 0
            for pool in family.pools:
                yield min(pool.free, enough)
                yield min(pool.offered - pool.free, enough)


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

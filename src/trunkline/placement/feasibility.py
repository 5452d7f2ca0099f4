"""What a host must have for a request: rules about the host, and how its slots fit the NICs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trunkline.placement.demand import Demand, NicClass
from trunkline.placement.host_state import HostState
from trunkline.placement.matching import Costs, Problem, Solution, solve
from trunkline.placement.request import PlacementRequest, Reason
from trunkline.placement.structure import Profile, Structure


def host_reasons(request: PlacementRequest, host: HostState) -> tuple[Reason, ...]:
    """All reasons that lie in the host rather than in its devices; none if it can take a server."""
    return tuple(reason for holds, reason in _host_rules(request, host) if not holds)


def _host_rules(request: PlacementRequest, host: HostState) -> Iterator[tuple[bool, Reason]]:
    yield request.only_host in (None, host.name), Reason.NOT_THE_HOST_ASKED_FOR
    yield host.id not in request.excluded_hosts, Reason.EXCLUDED
    yield host.enabled, Reason.DISABLED
    yield host.up, Reason.DOWN
    yield request.vcpus <= host.free_vcpus, Reason.NO_VCPUS
    yield request.memory_mib <= host.free_memory_mib, Reason.NO_MEMORY
    yield request.disk_gib <= host.free_disk_gib, Reason.NO_DISK


@dataclass(frozen=True, slots=True)
class Fit:
    """What one demand can use of one structure; worked out once for all hosts built alike."""

    counts: tuple[int, ...]  # [class]
    costs: Costs  # [class][slot] tags that the device would have in vain; None: does not fit.
    family: tuple[int, ...]  # [slot]
    whole: tuple[bool, ...]  # [slot]

    def solve(self, usable: tuple[int, ...]) -> Solution | None:
        """Assign devices to all NICs of a host with these counts, exactly."""
        return solve(
            Problem(
                counts=self.counts,
                costs=self.costs,
                free=usable,
                family=self.family,
                whole=self.whole,
            )
        )


def fit(demand: Demand, structure: Structure) -> Fit | None:
    """Lay a demand beside a structure. None: no host built so can ever take it."""
    if any(not one.bridges & structure.bridges for one in demand.bridge_classes):
        return None
    slots = structure.slots
    costs = tuple(
        tuple(wasted_tags(one, slot.profile) for slot in slots) for one, _ in demand.device_classes
    )
    if any(all(cost is None for cost in row) for row in costs):
        return None
    return Fit(
        counts=tuple(count for _, count in demand.device_classes),
        costs=costs,
        family=structure.family,
        whole=structure.whole,
    )


def wasted_tags(one: NicClass, profile: Profile) -> int | None:
    """How many tags of a device nobody would use if a NIC of this class had it; None: no fit."""
    if not one.is_of(profile.kind):
        return None
    tags = [key for key, _ in profile.spare_tags]
    return min(
        (
            sum(key not in demanded for key in tags)
            for demanded in one.demanded_of(profile.attributes)
        ),
        default=None,
    )

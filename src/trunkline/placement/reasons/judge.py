"""Why one host refuses a request, and the least that would have to change there.

Looks at one host after another, and works out once what is the same for several.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trunkline.placement.asks import wording
from trunkline.placement.asks.demand import make_demand
from trunkline.placement.asks.edits import Edit, EditKind, Size
from trunkline.placement.asks.request import HostRefusal, PlacementRequest, Reason
from trunkline.placement.hosts.feasibility import host_reasons, reason_of
from trunkline.placement.hosts.host_state import HostState
from trunkline.placement.index.columns import Columns
from trunkline.placement.reasons.changes import Changes
from trunkline.placement.reasons.nic_reasons import NicReasons
from trunkline.placement.reasons.ruled import Rules
from trunkline.placement.reasons.ruled_shortfall import Known


class Judge:
    """Judges hosts as to one request."""

    def __init__(self, request: PlacementRequest, columns: Columns) -> None:
        """Begin; the columns are of the fleet that the hosts are in."""
        self._request = request
        fitting = columns.fitting([one for one, _ in make_demand(request).device_classes])
        self.rules = Rules(request, fitting)
        self._reasons = NicReasons(request, fitting, self.rules)
        self._changes = Changes(request, fitting, self.rules)

    def refusal(self, host: HostState, known: Known | None = None) -> HostRefusal | None:
        """Say why a host refuses, and what would have to change; None: it does not refuse.

        Args:
            host: It.
            known: What it comes to under rules, if that is known.
        """
        reasons = host_reasons(self._request, host)
        nics = self._reasons.of(host, None if known is None else known.obstacles)
        if not reasons and not nics:
            return None
        edits = self._changes.at(host, reasons, known)
        return HostRefusal(
            host_id=host.id,
            host_name=host.name,
            reasons=reasons,
            nics=nics,
            detail="; ".join(_details(self._request, host, reasons)),
            missing=_missing(edits),
            edits=edits,
        )

    def size(self, host: HostState) -> Size:
        """How much would have to change on a host that refuses."""
        return self._changes.size(host, host_reasons(self._request, host))

    def is_crowded(self, host: HostState) -> bool:
        """Whether the NICs that fit alone on a host don't fit together."""
        return self._reasons.is_crowded(host)


def _missing(edits: Sequence[Edit]) -> int:
    """How many devices would have to be free, if that is all that lacks."""
    if any(edit.kind is not EditKind.FREE_DEVICE for edit in edits):
        return 0
    return sum(edit.count for edit in edits)


def _details(
    request: PlacementRequest, host: HostState, reasons: tuple[Reason, ...]
) -> Iterator[str]:
    if Reason.STUCK in reasons:
        yield host.problem
    if Reason.NOT_IN_ZONE in reasons:
        yield f"in zone {host.zone}, {request.zone} wanted"
    if Reason.AGGREGATE_METADATA in reasons:
        yield f"no aggregate of it has {wording.metadata(request.metadata, host.metadata)}"
    if request.fellows is not None and reason_of(request.fellows) in reasons:
        yield wording.fellows(request.fellows, host.id)
    if Reason.NO_VCPUS in reasons:
        yield f"{host.free_vcpus} vCPUs free, {request.vcpus} wanted"
    if Reason.NO_MEMORY in reasons:
        yield f"{host.free_memory_mib} MiB of memory free, {request.memory_mib} wanted"
    if Reason.NO_DISK in reasons:
        yield f"{host.free_disk_gib} GiB of disk free, {request.disk_gib} wanted"

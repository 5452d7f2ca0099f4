"""Where a server would go now, or why nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trunkline.api.http import Request, Response
from trunkline.api.parsing import body_fields
from trunkline.api.v1.shapes import SHAPE_FIELDS, shape_of
from trunkline.control.explaining import Advice, explain
from trunkline.control.networks import list_segments
from trunkline.control.services import Services
from trunkline.domain.device import DeviceRef, OfferedDevice
from trunkline.domain.identity import Caller
from trunkline.domain.ids import SegmentId
from trunkline.domain.listing import ListQuery
from trunkline.domain.network import Segment
from trunkline.placement.request import Explanation, HostRefusal, NicChoice, NicReason, Placed
from trunkline.wire.v1 import ExplainAnswer, HostMisfit, NicFit, NicMisfit

NICS_MAX: Final = 64  # More than any guest has PCI slots for; each costs placement time.


def explain_request(svc: Services, request: Request) -> Response:
    """Think a request through; nothing is held. 200 whether it fits or not."""
    fields = body_fields(request)
    fields.require_only(SHAPE_FIELDS)
    caller = request.caller
    advice = explain(svc, caller, shape_of(svc, caller, fields))
    return Response(body=_answer(svc, caller, advice))


def _answer(svc: Services, caller: Caller, advice: Advice) -> ExplainAnswer:
    if advice.explanation is not None:
        return _refusal(advice.explanation)
    if advice.placed is None or advice.host_name is None:
        return ExplainAnswer(fits=True)
    return ExplainAnswer(
        fits=True, host=advice.host_name, nics=_fits(svc, caller, advice, advice.placed)
    )


def _fits(svc: Services, caller: Caller, advice: Advice, placed: Placed) -> tuple[NicFit, ...]:
    segment_ids = tuple(choice.segment_id for choice in placed.choices if choice.segment_id)
    segments = {
        segment.id: segment
        for segment in list_segments(svc, caller, ListQuery(equals={"id": segment_ids}))
    }
    return tuple(_fit(choice, advice.devices, segments) for choice in placed.choices)


def _fit(
    choice: NicChoice,
    devices: Mapping[DeviceRef, OfferedDevice],
    segments: Mapping[SegmentId, Segment],
) -> NicFit:
    device = None if choice.device is None else devices.get(choice.device)
    segment = None if choice.segment_id is None else segments[choice.segment_id]
    return NicFit(
        nic=choice.nic,
        device=None if device is None else str(device.function.address),
        kind=None if device is None else device.function.kind.value,
        network_type=None if segment is None else segment.network_type.value,
        physical_network=None if segment is None else segment.physical_network,
        segmentation_id=None if segment is None else segment.segmentation_id,
    )


def _refusal(explanation: Explanation) -> ExplainAnswer:
    return ExplainAnswer(
        fits=False,
        hosts=tuple(_host(refusal) for refusal in explanation.hosts),
        counts={reason.value: count for reason, count in explanation.counts.items()},
        nearest=explanation.nearest,
        smallest_change=explanation.smallest_change,
    )


def _host(refusal: HostRefusal) -> HostMisfit:
    return HostMisfit(
        host=refusal.host_name,
        reasons=tuple(reason.value for reason in refusal.reasons),
        detail=refusal.detail,
        missing=refusal.missing,
        nics=tuple(_nic(nic) for nic in refusal.nics),
    )


def _nic(reason: NicReason) -> NicMisfit:
    return NicMisfit(
        nic=reason.nic,
        reason=reason.reason.value,
        detail=reason.detail,
        fitting=reason.fitting,
        free=reason.free,
    )

"""Where a server would go now, or why nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trunkline.api.http import Query, Request, Response
from trunkline.api.parsing import body_fields
from trunkline.api.v1.edits import edit_items
from trunkline.api.v1.reasons import counts_by_reason
from trunkline.api.v1.shapes import SHAPE_FIELDS, shape_of
from trunkline.control.explaining import Advice, explain
from trunkline.control.network_segments import list_segments
from trunkline.control.services import Services
from trunkline.domain.errors import Invalid
from trunkline.domain.identity import Caller
from trunkline.domain.ids import HostName, SegmentId
from trunkline.domain.listing import ListQuery
from trunkline.domain.network import Segment
from trunkline.domain.policy import trunkline_rules as rules
from trunkline.placement.asks.request import (
    Explanation,
    HostRefusal,
    NicChoice,
    NicReason,
    Page,
    Placed,
)
from trunkline.placement.reasons.explanation import NEAREST
from trunkline.wire.v1 import ExplainAnswer, HostMisfit, NicFit, NicMisfit

NEAREST_MAX: Final = 200  # Each costs up to 0.3 ms; all hosts that refuse come in pages.
PAGE_MAX: Final = 200


def explain_request(svc: Services, request: Request) -> Response:
    """Think a request through; nothing is held. 200 whether it fits or not."""
    nearest, page = _told_about(request.query)
    fields = body_fields(request)
    fields.require_only(SHAPE_FIELDS)
    caller = request.caller
    advice = explain(svc, caller, shape_of(svc, caller, fields), nearest=nearest, page=page)
    return Response(body=_answer(svc, caller, advice, page))


def _told_about(query: Query) -> tuple[int, Page | None]:
    """Read ``?nearest=20&limit=100&marker=h17``: a page is given if one of the last two is."""
    for name in query.names():
        if name not in ("nearest", "limit", "marker"):
            raise Invalid(name, "not known here; there are limit, marker and nearest")
    limit, marker = _number(query, "limit", PAGE_MAX), query.find("marker") or None
    page = None
    if limit is not None or marker is not None:
        after = None if marker is None else HostName(marker)
        page = Page(limit=PAGE_MAX if limit is None else limit, after=after)
    nearest = _number(query, "nearest", NEAREST_MAX)
    return NEAREST if nearest is None else nearest, page


def _number(query: Query, name: str, most: int) -> int | None:
    text = query.find(name)
    if not text:
        return None
    if len(text) > len(str(most)) or not text.isdecimal() or not 1 <= int(text) <= most:
        raise Invalid(name, f"must be a whole number from 1 to {most}, not {text[:60]!r}")
    return int(text)


def _answer(svc: Services, caller: Caller, advice: Advice, page: Page | None) -> ExplainAnswer:
    if advice.explanation is not None:
        return _refusal(caller, advice, advice.explanation, page)
    if advice.placed is None or advice.host_name is None:
        return ExplainAnswer(fits=True)
    return ExplainAnswer(
        fits=True,
        host=advice.host_name,
        numa_node=advice.placed.numa_node,
        nics=_fits(svc, caller, advice, advice.placed),
    )


def _fits(svc: Services, caller: Caller, advice: Advice, placed: Placed) -> tuple[NicFit, ...]:
    segment_ids = tuple(choice.segment_id for choice in placed.choices if choice.segment_id)
    segments = {
        segment.id: segment
        for segment in list_segments(svc, caller, ListQuery(equals={"id": segment_ids}))
    }
    return tuple(_fit(choice, advice, segments) for choice in placed.choices)


def _fit(choice: NicChoice, advice: Advice, segments: Mapping[SegmentId, Segment]) -> NicFit:
    device = None if choice.device is None else advice.devices.get(choice.device)
    segment = None if choice.segment_id is None else segments[choice.segment_id]
    return NicFit(
        nic=choice.nic,
        said=advice.said[choice.nic],
        device=None if device is None else str(device.function.address),
        kind=None if device is None else device.function.kind.value,
        network_type=None if segment is None else segment.network_type.value,
        physical_network=None if segment is None else segment.physical_network,
        segmentation_id=None if segment is None else segment.segmentation_id,
    )


def _refusal(
    caller: Caller, advice: Advice, explanation: Explanation, page: Page | None
) -> ExplainAnswer:
    nearest, asked_for = explanation.nearest, explanation.asked_for
    return ExplainAnswer(
        fits=False,
        hosts=tuple(_host(refusal, advice) for refusal in nearest),
        host_count=explanation.host_count if caller.may(rules.EXPLAIN_BY_HOST) else None,
        counts=counts_by_reason(explanation.counts),
        nearest=nearest[0].host_name if nearest else None,
        nearest_is_proven=explanation.is_proven if nearest else None,
        smallest_change=explanation.smallest_change,
        asked_for=None if asked_for is None else _host(asked_for, advice),
        page=None
        if page is None
        else tuple(_host(refusal, advice) for refusal in explanation.page),
        next_marker=explanation.next_after,
    )


def _host(refusal: HostRefusal, advice: Advice) -> HostMisfit:
    return HostMisfit(
        host=refusal.host_name,
        reasons=tuple(reason.value for reason in refusal.reasons),
        detail=refusal.detail,
        missing=refusal.missing,
        nics=tuple(_nic(nic, advice) for nic in refusal.nics),
        change=refusal.change,
        edits=edit_items(refusal, advice.owners),
    )


def _nic(reason: NicReason, advice: Advice) -> NicMisfit:
    return NicMisfit(
        nic=reason.nic,
        said=advice.said[reason.nic],
        reason=reason.reason.value,
        detail=reason.detail,
        fitting=reason.fitting,
        free=reason.free,
    )

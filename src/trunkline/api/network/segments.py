"""``/network/v2.0/segments``: what networks consist of; shown to admins."""

from __future__ import annotations

from typing import Final

from trunkline.api.http import Request, Response
from trunkline.api.listing import Filter, integer
from trunkline.api.network.common import Collection, Item, answer_item, answer_list
from trunkline.control.networks import list_segments
from trunkline.control.services import Services
from trunkline.domain.errors import NotFound
from trunkline.domain.listing import ListQuery
from trunkline.domain.network import Segment

SEGMENTS: Final = Collection(
    name="segments",
    member="segment",
    filters={
        "id": Filter("id"),
        "network_id": Filter("network_id"),
        "network_type": Filter("network_type"),
        "physical_network": Filter("physical_network"),
        "segmentation_id": Filter("segmentation_id", integer),
    },
    sort_keys={
        "id": "id",
        "network_id": "network_id",
        "network_type": "network_type",
        "physical_network": "physical_network",
        "segmentation_id": "segmentation_id",
    },
)


def index(svc: Services, request: Request) -> Response:
    """Answer a page of the segments of all networks."""
    return answer_list(
        request, SEGMENTS, lambda query: list_segments(svc, request.caller, query), render_segment
    )


def show(svc: Services, request: Request) -> Response:
    """Answer one segment."""
    segment_id = request.params["id"]
    found = list_segments(svc, request.caller, ListQuery(equals={"id": (segment_id,)}))
    if not found:
        raise NotFound("segment", segment_id)
    return answer_item(request, SEGMENTS, render_segment(found[0]))


def render_segment(segment: Segment) -> Item:
    """Render a segment."""
    return {
        "id": segment.id,
        "network_id": segment.network_id,
        "network_type": segment.network_type.value,
        "physical_network": segment.physical_network,
        "segmentation_id": segment.segmentation_id,
        "name": None,
        "description": None,
    }

"""``/network/v2.0/segments``: what networks consist of; shown to admins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from trunkline.api.http import Request, Response
from trunkline.api.listing import Filter, integer
from trunkline.api.network.common import (
    Collection,
    Item,
    answer_created,
    answer_item,
    answer_list,
    precondition,
    seen_revision,
    timestamp,
    update_fields,
)
from trunkline.api.parsing import Fields
from trunkline.control.network_requests import SegmentRequest
from trunkline.control.network_segments import (
    SegmentCreate,
    SegmentUpdate,
    create_segment,
    delete_segment,
    get_segment,
    list_segments,
    update_segment,
)
from trunkline.control.requests import UNSET
from trunkline.control.services import Services
from trunkline.domain.errors import Invalid
from trunkline.domain.ids import NetworkId, PhysicalNetwork
from trunkline.domain.network import NetworkType, Segment

_OWN: Final = ("name", "description")
_WHERE: Final = ("network_id", "network_type", "physical_network", "segmentation_id")

SEGMENTS: Final = Collection(
    name="segments",
    member="segment",
    filters={
        "id": Filter("id"),
        "name": Filter("name"),
        "network_id": Filter("network_id"),
        "network_type": Filter("network_type"),
        "physical_network": Filter("physical_network"),
        "segmentation_id": Filter("segmentation_id", integer),
        "revision_number": Filter("revision", integer),
    },
    sort_keys={name: name for name in ("id", "name", "created_at", "updated_at", *_WHERE)},
)


def index(svc: Services, request: Request) -> Response:
    """Answer a page of the segments of all networks."""
    return answer_list(
        request, SEGMENTS, lambda query: list_segments(svc, request.caller, query), render_segment
    )


def create(svc: Services, request: Request) -> Response:
    """Add a segment to a network; one a request."""
    return answer_created(
        request,
        SEGMENTS,
        _parse_segment,
        lambda wanted: [render_segment(_create_one(svc, request, wanted))],
    )


def show(svc: Services, request: Request) -> Response:
    """Answer one segment."""
    segment = get_segment(svc, request.caller, request.params["id"])
    return answer_item(request, SEGMENTS, render_segment(segment))


def update(svc: Services, request: Request) -> Response:
    """Name a segment, or describe it."""
    fields = update_fields(request, SEGMENTS)
    for name in _WHERE:
        if name in fields:
            raise fields.invalid(name, "cannot change")
    fields.require_only(_OWN)
    seen = seen_revision(request)
    changes = SegmentUpdate(
        name=fields.text("name", None) if "name" in fields else UNSET,
        description=fields.text("description", None) if "description" in fields else UNSET,
        seen_revision=seen,
    )
    with precondition(seen):
        segment = update_segment(svc, request.caller, request.params["id"], changes)
    return answer_item(request, SEGMENTS, render_segment(segment))


def remove(svc: Services, request: Request) -> Response:
    """Take a segment from its network."""
    delete_segment(svc, request.caller, request.params["id"])
    return Response(status=204)


def render_segment(segment: Segment) -> Item:
    """Render a segment."""
    return {
        "id": segment.id,
        "network_id": segment.network_id,
        "network_type": segment.network_type.value,
        "physical_network": segment.physical_network,
        "segmentation_id": segment.segmentation_id,
        "name": segment.name,
        "description": segment.description,
        "created_at": timestamp(segment.created_at),
        "updated_at": timestamp(segment.updated_at),
        "revision_number": segment.revision,
    }


def _create_one(svc: Services, request: Request, wanted: Sequence[SegmentCreate]) -> Segment:
    if len(wanted) > 1:
        raise Invalid("segments", "one a request")
    return create_segment(svc, request.caller, wanted[0])


def _parse_segment(fields: Fields) -> SegmentCreate:
    fields.require_only((*_OWN, *_WHERE, "project_id", "tenant_id"))
    physical_network = fields.text("physical_network", None, length_min=1)
    asked = SegmentRequest(
        network_type=fields.parsed("network_type", NetworkType),
        physical_network=None if physical_network is None else PhysicalNetwork(physical_network),
        # Any number: what segments of this type can have is for the use case to say.
        segmentation_id=fields.integer("segmentation_id", None, low=-(2**31), high=2**31 - 1),
    )
    return SegmentCreate(
        network_id=NetworkId(fields.uuid("network_id")),
        asked=asked,
        name=fields.text("name", None),
        description=fields.text("description", None),
    )

"""How many more servers of a shape fit."""

from __future__ import annotations

from typing import Final

from trunkline.api.http import Request, Response
from trunkline.api.parsing import Fields, body_fields
from trunkline.api.v1.reasons import counts_by_reason
from trunkline.api.v1.shapes import SHAPE_FIELDS, shape_of
from trunkline.control.capacity import capacity_of_mix, capacity_of_shape
from trunkline.control.requests import ExplainRequest
from trunkline.control.services import Services
from trunkline.domain.identity import Caller
from trunkline.placement.planning.capacity import Capacity
from trunkline.wire.planning import HOSTS_MAX, BoundsItem, CapacityAnswer, HostCapacityItem

MIX_MAX: Final = 64  # What one host may have to be matched with together.
_PAGE_FIELDS = ("limit", "marker")


def count(svc: Services, request: Request) -> Response:
    """Count how many more servers of a shape fit, per host and in all; a page of hosts."""
    fields = body_fields(request)
    fields.require_only((*SHAPE_FIELDS, *_PAGE_FIELDS))
    limit, marker = page_of(fields)
    found = capacity_of_shape(svc, request.caller, shape_of(svc, request.caller, fields))
    return Response(body=answer_of(found, limit=limit, marker=marker))


def count_mix(svc: Services, request: Request) -> Response:
    """Bound how many mixes fit: of each of several shapes so many servers."""
    fields = body_fields(request)
    fields.require_only(("mix",))
    shapes = [_part(svc, request.caller, part) for part in fields.objects("mix")]
    if not shapes or sum(share * (1 + len(shape.nics)) for share, shape in shapes) > MIX_MAX:
        raise fields.invalid("mix", f"must have 1 to {MIX_MAX} servers and NICs in all")
    found = capacity_of_mix(svc, request.caller, shapes)
    return Response(body=BoundsItem(least=found.least, most=found.most))


def _part(svc: Services, caller: Caller, fields: Fields) -> tuple[int, ExplainRequest]:
    fields.require_only(("share", *SHAPE_FIELDS))
    share = fields.integer("share", 1, low=1, high=MIX_MAX)
    return share, shape_of(svc, caller, fields)


def page_of(fields: Fields) -> tuple[int, str | None]:
    """Read how many hosts to show, and after which."""
    limit = fields.integer("limit", HOSTS_MAX, low=1, high=HOSTS_MAX)
    return limit, fields.text("marker", None)


def answer_of(found: Capacity, *, limit: int, marker: str | None) -> CapacityAnswer:
    """Render a page; hosts are by name, and a marker need not be one of them."""
    hosts = [host for host in found.hosts if marker is None or host.name > marker]
    page = hosts[:limit]
    return CapacityAnswer(
        least=found.least,
        most=found.most,
        host_count=len(found.hosts),
        limits=counts_by_reason(found.limits),
        hosts=tuple(
            HostCapacityItem(
                host=host.name, least=host.least, most=host.most, limit=host.limit.value
            )
            for host in page
        ),
        next_marker=page[-1].name if len(hosts) > limit else None,
    )

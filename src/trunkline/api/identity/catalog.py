"""The catalog, and the region: what there is one of, or what is as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trunkline.api.http import Request, Response
from trunkline.api.identity import lists, render
from trunkline.control.services import Services
from trunkline.domain.errors import NotFound


def list_regions(_svc: Services, request: Request) -> Response:
    """Answer the one region."""
    return lists.whole(request, "regions", [render.region(request)], "parent_region_id")


def show_region(_svc: Services, request: Request) -> Response:
    """Answer the one region, by its ID."""
    return _one(request, "region", [render.region(request)])


def list_services(_svc: Services, request: Request) -> Response:
    """Answer the services of the catalog."""
    return lists.whole(request, "services", render.services(request), "type", "name")


def show_service(_svc: Services, request: Request) -> Response:
    """Answer a service of the catalog."""
    return _one(request, "service", render.services(request))


def list_endpoints(_svc: Services, request: Request) -> Response:
    """Answer the endpoints of the catalog."""
    filters = ("interface", "service_id", "region_id", "region")
    return lists.whole(request, "endpoints", render.endpoints(request), *filters)


def show_endpoint(_svc: Services, request: Request) -> Response:
    """Answer an endpoint of the catalog."""
    return _one(request, "endpoint", render.endpoints(request))


def _one(request: Request, what: str, items: Sequence[Mapping[str, object]]) -> Response:
    for item in items:
        if item["id"] == request.params["id"]:
            return Response(body={what: item})
    raise NotFound(what, request.params["id"])

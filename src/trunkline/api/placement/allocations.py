"""Handlers of allocations: what servers, and ports without one, hold of which provider."""

from __future__ import annotations

from typing import Any, Final

from trunkline.api.http import Request, Response
from trunkline.api.placement.filters import require_no_query
from trunkline.control import providers
from trunkline.control.services import Services

_OWNERS_SINCE: Final = 12
_CONSUMER_GENERATION_SINCE: Final = 28
_CONSUMER_TYPE_SINCE: Final = 38


def of_provider(svc: Services, request: Request) -> Response:
    """Answer ``GET /resource_providers/{uuid}/allocations``: by consumer."""
    require_no_query(request)
    provider, held = providers.allocations_of_provider(svc, request.caller, request.params["uuid"])
    minor = request.version.minor
    more = {"consumer_generation": 1} if minor >= _CONSUMER_GENERATION_SINCE else {}
    return Response(
        body={
            "allocations": {
                each.consumer_id: {"resources": dict(each.resources), **more} for each in held
            },
            "resource_provider_generation": provider.generation,
        }
    )


def of_consumer(svc: Services, request: Request) -> Response:
    """Answer ``GET /allocations/{consumer}``: by provider; none for a consumer not known."""
    require_no_query(request)
    server, held = providers.allocations_of_consumer(
        svc, request.caller, request.params["consumer"]
    )
    body: dict[str, Any] = {
        "allocations": {
            each.provider.id: {
                "resources": dict(each.resources),
                "generation": each.provider.generation,
            }
            for each in held
        }
    }
    minor = request.version.minor
    if held and server is not None and minor >= _OWNERS_SINCE:
        body |= {"project_id": server.project_id, "user_id": server.user_id}
        if minor >= _CONSUMER_GENERATION_SINCE:
            body["consumer_generation"] = 1
        if minor >= _CONSUMER_TYPE_SINCE:
            body["consumer_type"] = "INSTANCE"
    return Response(body=body)

"""``/network/v2.0/availability_zones``: networks are in all of them; servers choose theirs."""

from __future__ import annotations

from typing import Final

from trunkline.api.http import Request, Response
from trunkline.api.listing import Filter, list_query, select_fields
from trunkline.control.access import require
from trunkline.control.services import Services
from trunkline.control.zones import list_zones
from trunkline.domain.policy import network_rules as rules

_FILTERS: Final = {name: Filter(name) for name in ("name", "resource", "state")}


def index(svc: Services, request: Request) -> Response:
    """Answer the zones in which networks can be had."""
    require(request.caller, rules.GET_AVAILABILITY_ZONE)
    query = list_query(
        request, filters=_FILTERS, sort_keys={"name": "name"}, visible_to=None, ignored=()
    )
    zones = [
        {
            "name": str(name),
            "resource": "network",
            "state": "available" if is_available else "unavailable",
        }
        for name, is_available in list_zones(svc).items()
    ]
    found = [
        zone for zone in zones if all(zone[name] in values for name, values in query.equals.items())
    ]
    return Response(body={"availability_zones": select_fields(request, found)})

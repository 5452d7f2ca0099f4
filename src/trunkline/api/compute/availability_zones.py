"""Handlers of ``/os-availability-zone``."""

from __future__ import annotations

from typing import Any

from trunkline.api.compute.host_view import BINARY
from trunkline.api.compute.paging import every_page
from trunkline.api.compute.server_view import micro_time
from trunkline.api.http import Request, Response
from trunkline.control.access import require
from trunkline.control.hosts import list_hosts
from trunkline.control.services import Services
from trunkline.control.views import HostView
from trunkline.control.zones import list_zones
from trunkline.domain.ids import ZoneName
from trunkline.domain.policy import compute_rules as rules


def list_briefly(svc: Services, _: Request) -> Response:
    """Answer ``GET /os-availability-zone``: without the hosts."""
    zones = list_zones(svc)
    return Response(
        body={"availabilityZoneInfo": [_body(z, None, is_available=zones[z]) for z in zones]}
    )


def list_detailed(svc: Services, request: Request) -> Response:
    """Answer ``GET /os-availability-zone/detail``: with the hosts."""
    require(request.caller, rules.LIST_ZONE_HOSTS)
    zones = list_zones(svc)
    hosts: dict[ZoneName, dict[str, Any]] = {name: {} for name in zones}
    for view in every_page(
        lambda page: list_hosts(svc, request.caller, page), lambda view: view.host.id
    ):
        hosts.setdefault(view.zone, {})[view.host.name] = _host_body(view)
    bodies = [
        _body(name, hosts[name], is_available=zones.get(name, False)) for name in sorted(hosts)
    ]
    return Response(body={"availabilityZoneInfo": bodies})


def _body(name: ZoneName, hosts: dict[str, Any] | None, *, is_available: bool) -> dict[str, Any]:
    return {"zoneName": name, "zoneState": {"available": is_available}, "hosts": hosts}


def _host_body(view: HostView) -> dict[str, Any]:
    return {
        BINARY: {
            "available": view.up,
            "active": view.host.enabled,
            "updated_at": micro_time(view.host.last_seen),
        }
    }

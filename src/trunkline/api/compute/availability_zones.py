"""Handlers of ``/os-availability-zone``."""

from __future__ import annotations

from typing import Any

from trunkline.api.compute.host_view import BINARY
from trunkline.api.compute.server_view import micro_time
from trunkline.api.http import Request, Response
from trunkline.control.access import require
from trunkline.control.services import Services
from trunkline.control.zones import Zone, list_zones
from trunkline.domain.host import Host
from trunkline.domain.policy import compute_rules as rules


def list_briefly(svc: Services, _: Request) -> Response:
    """Answer ``GET /os-availability-zone``: without the hosts."""
    return Response(body={"availabilityZoneInfo": [_body(z, None) for z in list_zones(svc)]})


def list_detailed(svc: Services, request: Request) -> Response:
    """Answer ``GET /os-availability-zone/detail``: with the hosts."""
    require(request.caller, rules.LIST_ZONE_HOSTS)
    bodies = [
        _body(zone, {host.name: _host_body(svc, host) for host in zone.hosts})
        for zone in list_zones(svc)
    ]
    return Response(body={"availabilityZoneInfo": bodies})


def _body(zone: Zone, hosts: dict[str, Any] | None) -> dict[str, Any]:
    state = {"available": zone.is_available}
    return {"zoneName": zone.name, "zoneState": state, "hosts": hosts}


def _host_body(svc: Services, host: Host) -> dict[str, Any]:
    return {
        BINARY: {
            "available": svc.fleet.is_up(host),
            "active": host.enabled,
            "updated_at": micro_time(host.last_seen),
        }
    }

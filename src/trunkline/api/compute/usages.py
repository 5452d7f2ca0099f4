"""Handlers of ``/os-simple-tenant-usage``: hours of servers, and of what they have, by project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Any, Final

from trunkline.api.compute.paging import (
    every_page,
    marker_checked,
    page_links,
    page_query,
    read_time,
)
from trunkline.api.compute.server_view import STATUSES, micro_time
from trunkline.api.http import Request, Response
from trunkline.control.services import Services
from trunkline.control.usages import list_used, require_usage
from trunkline.domain.errors import Invalid
from trunkline.domain.listing import ListQuery
from trunkline.domain.server import Server

_PAGES_SINCE: Final = 40
_STRICT_SINCE: Final = 75  # Nova ignores unknown names before.
_PERIOD: Final = ("start", "end", "detailed")
_HOUR_SECONDS: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Period:
    """From when to when; nothing is used after `now`."""

    begin: datetime
    end: datetime
    now: datetime

    def hours_of(self, server: Server) -> float:
        """How long a server was there within the period."""
        assert server.launched_at is not None, "what was not launched is not listed"
        begin = max(server.launched_at, self.begin)
        end = min(server.terminated_at or self.end, self.end)
        return max(0.0, (end - begin).total_seconds()) / _HOUR_SECONDS


def list_(svc: Services, request: Request) -> Response:
    """Answer what each project has used, to admins; since 2.40 in pages of servers."""
    detailed = request.query.find("detailed") in ("1", "True", "true")
    period, used, links = _used(svc, request, None)
    usages = [
        _usage(period, list(servers), detailed=detailed)
        for _, servers in groupby(used, key=lambda server: server.project_id)
    ]
    return Response(body={"tenant_usages": usages, **links})


def show(svc: Services, request: Request) -> Response:
    """Answer what one project has used, server by server."""
    period, used, links = _used(svc, request, request.params["project"])
    usage = _usage(period, used, detailed=True) if used else {}
    return Response(body={"tenant_usage": usage, **links})


def _used(
    svc: Services, request: Request, project_id: str | None
) -> tuple[Period, list[Server], dict[str, Any]]:
    """Return the period, what was there in it, and the link to the next page."""
    require_usage(request.caller, project_id)  # Before it is told what is wrong with the query.
    has_pages = request.version.minor >= _PAGES_SINCE
    if request.version.minor >= _STRICT_SINCE:
        for name in request.query.names():
            if name not in (*_PERIOD, "limit", "marker"):
                raise Invalid(name, "unknown; there are start, end, detailed, limit and marker")
    period = _period(request, svc.clock.now())
    fetch = partial(_page, svc, request, period, project_id)
    if not has_pages:
        return period, every_page(fetch, lambda server: server.id), {}
    query = page_query(request, sort_keys={})
    with marker_checked():
        used = fetch(query)
    name = "tenant_usages" if project_id is None else "tenant_usage"
    return period, used, page_links(request, name, query, [server.id for server in used])


def _page(
    svc: Services, request: Request, period: Period, project_id: str | None, query: ListQuery
) -> list[Server]:
    return list_used(
        svc, request.caller, period.begin, period.end, page=query, project_id=project_id
    )


def _period(request: Request, now: datetime) -> Period:
    begin, end = (
        read_time(name, text) if (text := request.query.find(name)) else now
        for name in ("start", "end")
    )
    if begin >= end:
        raise Invalid("start", "must be before the end")
    return Period(begin, min(end, now), now)


def _usage(period: Period, servers: Sequence[Server], *, detailed: bool) -> dict[str, Any]:
    hours = [period.hours_of(server) for server in servers]
    body: dict[str, Any] = {
        "tenant_id": servers[0].project_id,
        "start": micro_time(period.begin),
        "stop": micro_time(period.end),
        "total_hours": sum(hours),
        "total_vcpus_usage": sum(
            each * server.flavor.vcpus for each, server in zip(hours, servers, strict=True)
        ),
        "total_memory_mb_usage": sum(
            each * server.flavor.memory_mib for each, server in zip(hours, servers, strict=True)
        ),
        "total_local_gb_usage": sum(
            each * _disk_gib(server) for each, server in zip(hours, servers, strict=True)
        ),
    }
    if detailed:
        body["server_usages"] = [
            _server_usage(period, server, each) for server, each in zip(servers, hours, strict=True)
        ]
    return body


def _server_usage(period: Period, server: Server, hours: float) -> dict[str, Any]:
    assert server.launched_at is not None, "what was not launched is not listed"
    until = server.terminated_at or period.now
    is_gone = server.terminated_at is not None
    return {
        "instance_id": server.id,
        "name": server.name,
        "tenant_id": server.project_id,
        "flavor": server.flavor.name,
        "vcpus": server.flavor.vcpus,
        "memory_mb": server.flavor.memory_mib,
        "local_gb": _disk_gib(server),
        "started_at": micro_time(server.launched_at),
        "ended_at": micro_time(server.terminated_at),
        "state": "terminated" if is_gone else STATUSES[server.state].vm_state,
        "uptime": int((until - server.launched_at).total_seconds()),
        "hours": hours,
    }


def _disk_gib(server: Server) -> int:
    return server.flavor.disk_gib + server.flavor.ephemeral_gib

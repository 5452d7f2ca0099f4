"""Handlers of ``/os-hypervisors``: hosts, for admins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from trunkline.api.compute.host_view import Subject, brief_body, hypervisor_body, uptime_body
from trunkline.api.compute.paging import (
    every_page,
    marker_checked,
    page_links,
    page_query,
)
from trunkline.api.http import Request, Response
from trunkline.api.problems import HttpProblem
from trunkline.control.hosts import get_host, list_hosts
from trunkline.control.servers import list_servers
from trunkline.control.services import Services
from trunkline.control.views import HostView, ServerView
from trunkline.domain.errors import Invalid, NotFound
from trunkline.domain.ids import HostId
from trunkline.domain.listing import ListQuery
from trunkline.domain.policy import compute_rules as rules

Render = Callable[[Subject], dict[str, Any]]


def list_briefly(svc: Services, request: Request) -> Response:
    """Answer ``GET /os-hypervisors``."""
    return _list(svc, request, brief_body)


def list_detailed(svc: Services, request: Request) -> Response:
    """Answer ``GET /os-hypervisors/detail``."""
    return _list(svc, request, hypervisor_body)


def _list(svc: Services, request: Request, body_of: Render) -> Response:
    minor = request.version.minor
    pattern = request.query.find("hypervisor_hostname_pattern") if minor >= 53 else None
    query = ListQuery() if pattern is None else _matching(pattern)
    if minor < 33:
        found = every_page(
            lambda page: list_hosts(
                svc, request.caller, replace(page, like=query.like), by=rules.LIST_HYPERVISORS
            ),
            lambda view: view.host.id,
        )
        links = {}
    else:
        page = page_query(request, sort_keys={}, direction="asc")
        query = replace(query, limit=page.limit, marker=page.marker)
        with marker_checked():
            found = list_hosts(svc, request.caller, query, by=rules.LIST_HYPERVISORS)
        links = page_links(request, "hypervisors", query, [view.host.id for view in found])
    if pattern is not None and not found:
        raise NotFound("hypervisor matching", pattern)
    bodies = [body_of(_subject(svc, request, view)) for view in found]
    return Response(body={"hypervisors": bodies, **links})


def _matching(pattern: str) -> ListQuery:
    """Return a query for hosts with this text in their names."""
    if not 1 <= len(pattern) <= 255:
        raise Invalid("hypervisor_hostname_pattern", "must have 1 to 255 characters")
    escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return ListQuery(like={"name": f"%{escaped}%"})


def show(svc: Services, request: Request) -> Response:
    """Answer ``GET /os-hypervisors/{id}``; the host's name is as good as its ID."""
    view = get_host(svc, request.caller, request.params["id"], by=rules.LIST_HYPERVISORS)
    return Response(body={"hypervisor": hypervisor_body(_subject(svc, request, view))})


def show_statistics(svc: Services, request: Request) -> Response:
    """Answer ``GET /os-hypervisors/statistics``, which 2.88 took away: sums over enabled hosts."""
    if request.version.minor >= 88:
        raise HttpProblem(404, "from 2.88 on, ask Placement for inventories and usages")
    found = every_page(
        lambda page: list_hosts(
            svc,
            request.caller,
            replace(page, equals={"enabled": (True,)}),
            by=rules.LIST_HYPERVISORS,
        ),
        lambda view: view.host.id,
    )
    bodies = [hypervisor_body(Subject(view, request.version)) for view in found]
    sums = {name: sum(body[name] for body in bodies) for name in _SUMMED}
    statistics = {"count": len(bodies), "disk_available_least": None, **sums}
    return Response(body={"hypervisor_statistics": statistics})


_SUMMED: Final = (
    "current_workload", "free_disk_gb", "free_ram_mb", "local_gb", "local_gb_used", "memory_mb",
    "memory_mb_used", "running_vms", "vcpus", "vcpus_used",
)  # fmt: skip


def show_uptime(svc: Services, request: Request) -> Response:
    """Answer ``GET /os-hypervisors/{id}/uptime``, which 2.88 took away."""
    if request.version.minor >= 88:
        raise HttpProblem(404, "from 2.88 on the uptime is in the hypervisor itself")
    view = get_host(svc, request.caller, request.params["id"], by=rules.LIST_HYPERVISORS)
    return Response(body={"hypervisor": uptime_body(Subject(view, request.version))})


def search(svc: Services, request: Request) -> Response:
    """Answer ``GET /os-hypervisors/{pattern}/search``, which 2.53 took away."""
    found = _search(svc, request)
    version = request.version
    return Response(body={"hypervisors": [brief_body(Subject(view, version)) for view in found]})


def list_servers_of(svc: Services, request: Request) -> Response:
    """Answer ``GET /os-hypervisors/{pattern}/servers``, which 2.53 took away."""
    version = request.version
    bodies = []
    for view in _search(svc, request):
        of_host = _servers_of(svc, request, view.host.id)
        servers = [{"uuid": s.server.id, "name": s.server.name} for s in of_host]
        bodies.append(
            brief_body(Subject(view, version)) | ({"servers": servers} if servers else {})
        )
    return Response(body={"hypervisors": bodies})


def _search(svc: Services, request: Request) -> list[HostView]:
    if request.version.minor >= 53:
        raise HttpProblem(404, "from 2.53 on: ?hypervisor_hostname_pattern= and ?with_servers=")
    pattern = request.params["id"]
    found = list_hosts(svc, request.caller, _matching(pattern), by=rules.LIST_HYPERVISORS)
    if not found:
        raise NotFound("hypervisor matching", pattern)
    return found


def _subject(svc: Services, request: Request, view: HostView) -> Subject:
    subject = Subject(view, request.version)
    if request.version.minor < 53 or not _with_servers(request):
        return subject
    return replace(subject, servers=tuple(_servers_of(svc, request, view.host.id)))


def _with_servers(request: Request) -> bool:
    value = (request.query.find("with_servers") or "false").lower()
    if value not in ("true", "false", "1", "0"):
        raise Invalid("with_servers", "must be true or false")
    return value in ("true", "1")


def _servers_of(svc: Services, request: Request, host_id: HostId) -> list[ServerView]:
    def fetch(page: ListQuery) -> list[ServerView]:
        query = replace(page, equals={"host_id": (host_id,)})
        return list_servers(svc, request.caller, query, all_projects=True)

    return every_page(fetch, lambda view: view.server.id)

"""Handlers of what Nova keeps under a server and there is none of, or little: empty or refused."""

from __future__ import annotations

from typing import Any

from trunkline.api.http import Request, Response
from trunkline.api.problems import HttpProblem
from trunkline.control import servers
from trunkline.control.access import of_server
from trunkline.control.own_servers import require_changeable
from trunkline.control.services import Services
from trunkline.domain.policy import compute_rules as rules
from trunkline.domain.server import Server


def list_migrations(svc: Services, request: Request) -> Response:
    """Answer ``GET /servers/{id}/migrations``: nothing is being moved."""
    _since(request, 23)
    _seen(svc, request)
    return Response(body={"migrations": []})


def list_volumes(svc: Services, request: Request) -> Response:
    """Answer ``GET /servers/{id}/os-volume_attachments``: disks are local."""
    _seen(svc, request)
    return Response(body={"volumeAttachments": []})


def attach_volume(svc: Services, request: Request) -> Response:
    """Refuse a volume: 501."""
    _changeable(svc, request)
    raise _unserved("Volumes are not served: a server has one local disk.")


def list_shares(svc: Services, request: Request) -> Response:
    """Answer ``GET /servers/{id}/shares``."""
    _since(request, 97)
    _seen(svc, request)
    return Response(body={"shares": []})


def attach_share(svc: Services, request: Request) -> Response:
    """Refuse a share: 501."""
    _since(request, 97)
    _changeable(svc, request)
    raise _unserved("Shares are not served.")


def show_password(svc: Services, request: Request) -> Response:
    """Answer ``GET /servers/{id}/os-server-password``: no guest has told one."""
    _seen(svc, request)
    return Response(body={"password": ""})


def clear_password(svc: Services, request: Request) -> Response:
    """Answer ``DELETE /servers/{id}/os-server-password``."""
    _changeable(svc, request)
    return Response(status=204)


def diagnostics(svc: Services, request: Request) -> Response:
    """Refuse diagnostics: 501, as Nova does where its driver has none."""
    _seen(svc, request)
    raise _unserved("Hosts do not tell counters of guests.")


def show_topology(svc: Services, request: Request) -> Response:
    """Answer ``GET /servers/{id}/topology``: the one NUMA node of a guest that is confined."""
    _since(request, 78)
    server = _seen(svc, request)
    if server.numa_node is None:
        return Response(body={"nodes": [], "pagesize_kb": None})
    node: dict[str, Any] = {
        "vcpu_set": list(range(server.flavor.vcpus)),
        "siblings": [],
        "memory_mb": server.flavor.memory_mib,
    }
    if request.caller.may(rules.SHOW_SERVER_HOST, of_server(server)):
        node |= {"host_node": server.numa_node, "cpu_pinning": {}}
    return Response(body={"nodes": [node], "pagesize_kb": None})


def _seen(svc: Services, request: Request) -> Server:
    return servers.get_server(svc, request.caller, request.params["id"]).server


def _changeable(svc: Services, request: Request) -> None:
    require_changeable(request.caller, _seen(svc, request), rules.UPDATE_SERVER)


def _since(request: Request, minor: int) -> None:
    if request.version.minor < minor:
        raise HttpProblem(404, f"this is there from 2.{minor} on")


def _unserved(why: str) -> HttpProblem:
    return HttpProblem(501, f"The requested functionality is not supported. {why}")

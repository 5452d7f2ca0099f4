"""Handlers of ``/os-services``: hosts as nova-compute services."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from trunkline.api.compute.host_view import BINARY, service_body
from trunkline.api.compute.paging import every_page
from trunkline.api.http import Request, Response
from trunkline.api.parsing import Fields, body_fields
from trunkline.api.problems import HttpProblem
from trunkline.control.access import require
from trunkline.control.hosts import get_host, list_hosts, set_host_enabled
from trunkline.control.services import Services
from trunkline.control.views import HostView
from trunkline.domain.errors import NotFound
from trunkline.domain.policy import compute_rules as rules

REASON_CHARS_MAX: Final = 255


def list_services(svc: Services, request: Request) -> Response:
    """Answer ``GET /os-services``. Nova has no pages here."""
    version = request.version
    require(request.caller, rules.LIST_SERVICES)
    host, binary = request.query.find("host"), request.query.find("binary")
    if binary not in (None, BINARY):
        return Response(body={"services": []})
    found = _every_host(svc, request, {} if host is None else {"name": (host,)})
    return Response(body={"services": [service_body(view, version) for view in found]})


def _every_host(
    svc: Services, request: Request, equals: Mapping[str, tuple[object, ...]]
) -> list[HostView]:
    return every_page(
        lambda page: list_hosts(
            svc, request.caller, replace(page, equals=equals), by=rules.LIST_SERVICES
        ),
        lambda view: view.host.id,
    )


def update(svc: Services, request: Request) -> Response:
    """Answer ``PUT /os-services/{id}``: enable or disable, from 2.53 on."""
    version = request.version
    if version.minor < 53:
        raise HttpProblem(404, "services are updated by ID from 2.53 on")
    asked = body_fields(request)
    asked.require_only(("status", "disabled_reason", "forced_down"))
    view = get_host(svc, request.caller, request.params["id"], by=rules.UPDATE_SERVICE)
    _refuse_forced_down(asked)
    status = asked.text("status", None)
    reason = asked.text("disabled_reason", None, length_min=1, length_max=REASON_CHARS_MAX)
    if status not in (None, "enabled", "disabled"):
        raise asked.invalid("status", "must be enabled or disabled")
    if reason is not None and status != "disabled":
        raise asked.invalid("disabled_reason", "goes with status disabled only")
    if status is not None:
        view = set_host_enabled(
            svc, request.caller, view.host.name, enabled=status == "enabled", reason=reason
        )
    elif "forced_down" not in asked:
        raise asked.invalid("status", "is required")
    return Response(body={"service": service_body(view, version)})


def enable(svc: Services, request: Request) -> Response:
    """Answer ``PUT /os-services/enable``, until 2.52."""
    host = _named_host(request, ())
    set_host_enabled(svc, request.caller, host, enabled=True, by=rules.UPDATE_SERVICE)
    return Response(body={"service": {"host": host, "binary": BINARY, "status": "enabled"}})


def disable(svc: Services, request: Request) -> Response:
    """Answer ``PUT /os-services/disable``, until 2.52."""
    host = _named_host(request, ())
    set_host_enabled(svc, request.caller, host, enabled=False, by=rules.UPDATE_SERVICE)
    return Response(body={"service": {"host": host, "binary": BINARY, "status": "disabled"}})


def disable_with_reason(svc: Services, request: Request) -> Response:
    """Answer ``PUT /os-services/disable-log-reason``, until 2.52."""
    host = _named_host(request, ("disabled_reason",))
    reason = body_fields(request).text("disabled_reason", length_min=1, length_max=REASON_CHARS_MAX)
    set_host_enabled(
        svc, request.caller, host, enabled=False, reason=reason, by=rules.UPDATE_SERVICE
    )
    service = {"host": host, "binary": BINARY, "status": "disabled", "disabled_reason": reason}
    return Response(body={"service": service})


def force_down(svc: Services, request: Request) -> Response:
    """Answer ``PUT /os-services/force-down``, from 2.11 to 2.52."""
    if request.version.minor < 11:
        raise HttpProblem(404, "services can be forced down from 2.11 on")
    host = _named_host(request, ("forced_down",))
    get_host(svc, request.caller, host, by=rules.UPDATE_SERVICE)
    _refuse_forced_down(body_fields(request))
    return Response(body={"service": {"host": host, "binary": BINARY, "forced_down": False}})


def _named_host(request: Request, more: tuple[str, ...]) -> str:
    if request.version.minor >= 53:
        raise HttpProblem(404, "services are updated by ID from 2.53 on")
    asked = body_fields(request)
    asked.require_only(("host", "binary", *more))
    binary = asked.text("binary")
    host = asked.text("host", length_min=1)
    if binary != BINARY:
        raise NotFound(f"service {binary} on host", host)
    return host


def _refuse_forced_down(asked: Fields) -> None:
    """A host is never taken for dead on somebody's word: its devices would get second owners."""
    if asked.boolean("forced_down", default=False):
        raise HttpProblem(501, "forced_down is not served: a host can be disabled instead")

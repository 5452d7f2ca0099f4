"""The audit trail."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from trunkline.api.http import Request, Response, json_list
from trunkline.api.v1.queries import any_of, strict_query
from trunkline.api.v1.references import references, resolve_references
from trunkline.control.access import require
from trunkline.control.events import list_events
from trunkline.control.services import Services
from trunkline.domain.audit import AuditEvent
from trunkline.domain.policy import trunkline_rules as rules
from trunkline.wire.v1 import EventItem

_FILTERS: Final = {
    **any_of("host", "server_id", "port_id", "device_id", "action", "request_id"),
    **references("server", "port", "device"),
}
# Filtering by these would tell a tenant where its servers are.
_ADMIN_FILTERS: Final = frozenset({"host", "device", "device_id"})


def list_(svc: Services, request: Request) -> Response:
    """List events, newest first; tenants see those of their own project, without hosts."""
    query = strict_query(request, _FILTERS)
    if _ADMIN_FILTERS & query.equals.keys():
        require(request.caller, rules.SEE_EVENTS_WHOLE)
    query = resolve_references(svc, request.caller, query)
    found = list_events(svc, request.caller, query)
    render = _item if request.caller.may(rules.SEE_EVENTS_WHOLE) else _item_for_tenant
    return json_list("events", [render(event) for event in found])


def _item(event: AuditEvent) -> EventItem:
    return EventItem(
        number=event.number,
        at=event.at,
        actor=event.actor,
        action=event.action,
        subject=event.subject,
        request_id=event.request_id,
        project_id=event.project_id,
        host=event.host,
        server_id=event.server_id,
        port_id=event.port_id,
        device_id=event.device_id,
        details=event.details,
    )


def _item_for_tenant(event: AuditEvent) -> EventItem:
    """Leave out hosts and devices: subjects, agents' names and details may hold them."""
    subject = event.subject
    if event.host is not None:
        of_what = (("port", event.port_id), ("server", event.server_id))
        subject = ", ".join(f"{kind} {id_}" for kind, id_ in of_what if id_)
    return replace(
        _item(event),
        actor=event.actor.split(" ", 1)[0] if event.actor.startswith("agent ") else event.actor,
        subject=subject,
        host=None,
        device_id=None,
        details={},
    )

"""Handlers of ``/servers/{id}/os-instance-actions``: what was asked of a server, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from trunkline.api.compute.fields import Field, render
from trunkline.api.compute.paging import page_links, page_query, read_time
from trunkline.api.compute.server_view import host_digest, micro_time
from trunkline.api.http import Request, Response
from trunkline.control.access import of_server
from trunkline.control.server_history import ServerAction, is_failure, list_actions
from trunkline.control.services import Services
from trunkline.domain.audit import AuditEvent
from trunkline.domain.errors import Invalid, NotFound
from trunkline.domain.policy import compute_rules as rules
from trunkline.domain.server import Server

_PAGES_SINCE: Final = 58
_DELETED_SINCE: Final = 21
_KNOWN: Final = {"limit": 58, "marker": 58, "changes-since": 58, "changes-before": 66}


def list_(svc: Services, request: Request) -> Response:
    """Answer ``GET /servers/{id}/os-instance-actions``; in pages since 2.58."""
    server, found = _read(svc, request)
    if request.version.minor < _PAGES_SINCE:
        return Response(body={"instanceActions": [_body(request, server, a) for a in found]})
    _require_known(request)
    found = _within(request, found)
    query = page_query(request, sort_keys={})
    found = _after(found, query.marker)[: query.page_size]
    links = page_links(request, "actions", query, [action.asked.request_id for action in found])
    body: dict[str, Any] = {"instanceActions": [_body(request, server, a) for a in found]}
    return Response(body=body | ({"links": links["actions_links"]} if links else {}))


def show(svc: Services, request: Request) -> Response:
    """Answer ``GET /servers/{id}/os-instance-actions/{request_id}``: with its events."""
    server, found = _read(svc, request)
    wanted = request.params["request_id"]
    for action in found:
        if action.asked.request_id == wanted:
            body = _body(request, server, action)
            if request.version.minor >= 51 or _sees_events(request, server):
                body["events"] = _events(request, server, action)
            return Response(body={"instanceAction": body})
    raise NotFound("action", wanted)


def _read(svc: Services, request: Request) -> tuple[Server, list[ServerAction]]:
    return list_actions(
        svc,
        request.caller,
        request.params["id"],
        with_deleted=request.version.minor >= _DELETED_SINCE,
    )


def _require_known(request: Request) -> None:
    known = [name for name, since in _KNOWN.items() if request.version.minor >= since]
    for name in request.query.names():
        if name not in known:
            raise Invalid(name, f"unknown; there are {', '.join(sorted(known))}")


def _within(request: Request, found: Sequence[ServerAction]) -> list[ServerAction]:
    since, before = _time(request, "changes-since"), _time(request, "changes-before")
    if since is not None and before is not None and before < since:
        problem = "The value of changes-since must be less than or equal to changes-before."
        raise Invalid("changes-before", problem)
    return [
        action
        for action in found
        if (since is None or action.updated_at >= since)
        and (before is None or action.updated_at.replace(microsecond=0) <= before)
    ]


def _time(request: Request, name: str) -> datetime | None:
    text = request.query.find(name)
    return None if text is None else read_time(name, text)


def _after(found: list[ServerAction], marker: str | None) -> list[ServerAction]:
    if marker is None:
        return found
    for at, action in enumerate(found, 1):
        if action.asked.request_id == marker:
            return found[at:]
    raise Invalid("marker", f"{marker[:60]} could not be found")


def _body(request: Request, server: Server, action: ServerAction) -> dict[str, Any]:
    asked = action.asked
    body = {
        "action": action.name,
        "instance_uuid": server.id,
        "request_id": asked.request_id,
        "user_id": asked.user_id or "",  # Not on record in older versions.
        "project_id": server.project_id,
        "start_time": micro_time(asked.at),
        "message": "Error" if action.failed else None,
    }
    if request.version.minor >= _PAGES_SINCE:
        body["updated_at"] = micro_time(action.updated_at)
    return body


def _events(request: Request, server: Server, action: ServerAction) -> list[dict[str, Any]]:
    """Return what came of an action: each event from the one before it to its own time."""
    version, for_admin = request.version, _sees_events(request, server)
    begun = [action.asked.at, *(event.at for event in action.events)]
    subjects = [
        (server, event, min(at, event.at)) for event, at in zip(action.events, begun, strict=False)
    ]
    return [render(_EVENT, subject, version, for_admin=for_admin) for subject in subjects]


def _sees_events(request: Request, server: Server) -> bool:
    """Say whether the caller is told where things happened, and of what went wrong."""
    return request.caller.may(rules.SEE_ACTION_EVENTS, of_server(server))


_Subject = tuple[Server, AuditEvent, datetime]

_EVENT: Final[tuple[Field[_Subject], ...]] = (
    Field(name="event", value=lambda s: s[1].action),
    Field(name="start_time", value=lambda s: micro_time(s[2])),
    Field(name="finish_time", value=lambda s: micro_time(s[1].at)),
    Field(name="result", value=lambda s: "Error" if is_failure(s[1]) else "Success"),
    Field(name="traceback", value=lambda _: None, admin=True),
    Field(name="host", value=lambda s: s[1].host or "", since=62, admin=True),
    Field(name="hostId", value=lambda s: host_digest(s[0].project_id, s[1].host), since=62),
    Field(name="details", value=lambda s: s[1].details.get("reason"), since=84, admin=True),
)

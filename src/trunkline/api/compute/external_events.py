"""Handler of ``/os-server-external-events``: what services of a cloud tell Nova."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

from trunkline.api.http import Request, Response
from trunkline.api.parsing import Fields, body_fields
from trunkline.api.versions import Microversion
from trunkline.control.access import require
from trunkline.control.external_events import Heard, hear_events
from trunkline.control.services import Services
from trunkline.domain.policy import compute_rules as rules

# By name, the minor version that brought it.
_NAMES: Final = MappingProxyType({
    "network-changed": 1, "network-vif-plugged": 1, "network-vif-unplugged": 1,
    "network-vif-deleted": 1, "volume-extended": 51, "power-update": 76,
    "accelerator-request-bound": 82, "volume-reimaged": 93,
})  # fmt: skip
_WITH_TAG: Final = ("volume-extended", "power-update", "accelerator-request-bound")
_STATUSES: Final = ("failed", "completed", "in-progress")
_CODES: Final = MappingProxyType({Heard.TAKEN: 200, Heard.NO_SERVER: 404, Heard.NO_HOST: 422})


def create(svc: Services, request: Request) -> Response:
    """Answer ``POST /os-server-external-events``: 207 unless every event was taken."""
    require(request.caller, rules.SEND_EVENTS)  # Before what is in it is looked at, as in Nova.
    asked = body_fields(request)
    asked.require_only(("events",))
    items = asked.objects("events")
    if not items:
        raise asked.invalid("events", "must have one event at least")
    events = [_event(each, request.version) for each in items]
    heard = hear_events(svc, request.caller, [event["server_uuid"] for event in events])
    for event, each in zip(events, heard, strict=True):
        code = _CODES[each]
        if each is not Heard.NO_SERVER and event["name"] in _WITH_TAG and "tag" not in event:
            code = 400
        event |= {"status": "completed" if code == 200 else "failed", "code": code}
    is_whole = all(event["code"] == 200 for event in events)
    return Response(status=200 if is_whole else 207, body={"events": events})


def _event(asked: Fields, version: Microversion) -> dict[str, Any]:
    asked.require_only(("name", "server_uuid", "status", "tag"))
    known = [name for name, since in _NAMES.items() if since <= version.minor]
    name = asked.text("name")
    if name not in known:
        raise asked.invalid("name", f"must be one of {', '.join(known)}, not {name[:60]!r}")
    if asked.text("status", "completed") not in _STATUSES:
        raise asked.invalid("status", f"must be one of {', '.join(_STATUSES)}")
    event = {"name": name, "server_uuid": asked.uuid("server_uuid")}
    return event | ({"tag": asked.text("tag", "")} if "tag" in asked else {})

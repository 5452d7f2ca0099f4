"""Handlers of ``/os-aggregates``: sets of hosts with metadata. All of it is for admins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from trunkline.api.compute.server_view import micro_time
from trunkline.api.http import Request, Response
from trunkline.api.limits import INTEGER_MAX
from trunkline.api.parsing import TEXT_LENGTH_MAX, Fields, body_fields
from trunkline.api.problems import HttpProblem
from trunkline.api.versions import Microversion
from trunkline.control import aggregates
from trunkline.control.access import require
from trunkline.control.aggregates import AggregateView
from trunkline.control.services import Services
from trunkline.domain.aggregate import ZONE_KEY
from trunkline.domain.errors import InUse, NotFound
from trunkline.domain.ids import AggregateId, ZoneName
from trunkline.domain.policy import compute_rules as rules


def list_(svc: Services, request: Request) -> Response:
    """Answer ``GET /os-aggregates``. Nova has no pages here."""
    found = aggregates.list_aggregates(svc, request.caller)
    return Response(body={"aggregates": [_body(view, request.version) for view in found]})


def create(svc: Services, request: Request) -> Response:
    """Answer ``POST /os-aggregates``: neither hosts nor metadata are in the answer."""
    asked = _asked(request)
    made = aggregates.create_aggregate(svc, request.caller, _name(asked), zone=_zone(asked))
    body = _body(made, request.version)
    del body["hosts"], body["metadata"]
    return Response(body={"aggregate": body})


def show(svc: Services, request: Request) -> Response:
    """Answer ``GET /os-aggregates/{id}``."""
    return _answer(aggregates.get_aggregate(svc, request.caller, _number(request)), request)


def update(svc: Services, request: Request) -> Response:
    """Answer ``PUT /os-aggregates/{id}``: its name and its zone."""
    asked = _asked(request)
    if not asked.names():
        raise asked.invalid("name", "give a name or an availability_zone")
    metadata = {ZONE_KEY: _zone(asked)} if ZONE_KEY in asked else None
    name = _name(asked) if "name" in asked else None
    found = aggregates.update_aggregate(
        svc, request.caller, _number(request), rules.UPDATE_AGGREGATE, name=name, metadata=metadata
    )
    return _answer(found, request)


def delete(svc: Services, request: Request) -> Response:
    """Answer ``DELETE /os-aggregates/{id}``; 400 if it has hosts, as in Nova."""
    try:
        aggregates.delete_aggregate(svc, request.caller, _number(request))
    except InUse as in_use:
        raise HttpProblem(400, f"{in_use}: remove them first") from in_use
    return Response()


def act(svc: Services, request: Request) -> Response:
    """Answer ``POST /os-aggregates/{id}/action``: the one key of the body says which."""
    body = body_fields(request)
    body.require_only(_ACTIONS)
    if len(body.names()) != 1:
        raise body.invalid("body", f"must have one of {', '.join(_ACTIONS)}")
    [action] = body.names()
    found = _ACTIONS[action](svc, request, _number(request), body.fields(action))
    return _answer(found, request)


def cache_images(_: Services, request: Request) -> Response:
    """Answer ``POST /os-aggregates/{id}/images``, from 2.81 on."""
    require(request.caller, rules.CACHE_AGGREGATE_IMAGES)
    if request.version.minor < 81:
        raise HttpProblem(404, "images are cached from 2.81 on")
    raise HttpProblem(501, "caching images is not served: a host fetches one with its first server")


def _add_host(svc: Services, request: Request, number: AggregateId, asked: Fields) -> AggregateView:
    return aggregates.add_host(svc, request.caller, number, _host(asked))


def _remove_host(
    svc: Services, request: Request, number: AggregateId, asked: Fields
) -> AggregateView:
    return aggregates.remove_host(svc, request.caller, number, _host(asked))


def _set_metadata(
    svc: Services, request: Request, number: AggregateId, asked: Fields
) -> AggregateView:
    asked.require_only(("metadata",))
    metadata = asked.fields("metadata")
    given: dict[str, str | None] = {}
    for key in metadata.names():
        if not 1 <= len(key) <= TEXT_LENGTH_MAX:
            raise metadata.invalid(key[:60], f"a key has 1 to {TEXT_LENGTH_MAX} characters")
        given[key] = _zone(metadata) if key == ZONE_KEY else metadata.text(key, None)
    return aggregates.update_aggregate(
        svc, request.caller, number, rules.SET_AGGREGATE_METADATA, metadata=given
    )


_Action = Callable[[Services, Request, AggregateId, Fields], AggregateView]
_ACTIONS: Final[Mapping[str, _Action]] = MappingProxyType({
    "add_host": _add_host, "remove_host": _remove_host, "set_metadata": _set_metadata,
})  # fmt: skip


def _asked(request: Request) -> Fields:
    body = body_fields(request)
    body.require_only(("aggregate",))
    asked = body.fields("aggregate")
    asked.require_only(("name", ZONE_KEY))
    return asked


def _name(asked: Fields) -> str:
    name = asked.text("name", length_min=1)
    if name != name.strip() or not name.isprintable():
        raise asked.invalid("name", "must be printable, with no space at either end")
    return name


def _zone(asked: Fields) -> ZoneName | None:
    zone = asked.text(ZONE_KEY, None, length_min=1)
    if zone is None:
        return None
    if zone != zone.strip() or not zone.isprintable() or ":" in zone:
        raise asked.invalid(ZONE_KEY, "must be printable, with no ':' and no space at either end")
    return ZoneName(zone)


def _host(asked: Fields) -> str:
    asked.require_only(("host",))
    return asked.text("host", length_min=1)


def _number(request: Request) -> AggregateId:
    text = request.params["id"]
    if not (text.isascii() and text.isdecimal() and len(text) < 19 and int(text) <= INTEGER_MAX):
        raise NotFound("aggregate", text[:60])
    return AggregateId(int(text))


def _answer(view: AggregateView, request: Request) -> Response:
    return Response(body={"aggregate": _body(view, request.version)})


def _body(view: AggregateView, version: Microversion) -> dict[str, Any]:
    aggregate = view.aggregate
    uuid = {"uuid": aggregate.uuid} if version.minor >= 41 else {}
    return {
        "id": aggregate.id,
        "name": aggregate.name,
        "availability_zone": aggregate.zone,
        "hosts": list(view.host_names),
        "metadata": dict(aggregate.metadata),
        "created_at": micro_time(aggregate.created_at),
        "updated_at": micro_time(aggregate.updated_at),
        "deleted": False,
        "deleted_at": None,
        **uuid,
    }

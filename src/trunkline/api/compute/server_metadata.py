"""Handlers of ``/servers/{id}/metadata``."""

from __future__ import annotations

from collections.abc import Mapping

from trunkline.api.http import Request, Response
from trunkline.api.parsing import Fields, body_fields
from trunkline.control import server_labels, servers
from trunkline.control.services import Services
from trunkline.domain.errors import Invalid, NotFound
from trunkline.domain.policy import compute_rules as rules
from trunkline.domain.policy.rule import Rule
from trunkline.domain.server_labels import (
    METADATA_CHARS_MAX,
    metadata_key_problem,
)


def parse_metadata(asked: Fields, name: str = "metadata") -> Mapping[str, str]:
    """Read items of metadata; none if the field is not there."""
    items = asked.mapping(name, {})
    for key, value in items.items():
        if (problem := metadata_key_problem(key)) is not None:
            raise asked.invalid(name, problem)
        if not isinstance(value, str) or len(value) > METADATA_CHARS_MAX:
            raise asked.invalid(f"{name}.{key}", f"must be text of {METADATA_CHARS_MAX} at most")
    return items


def list_(svc: Services, request: Request) -> Response:
    """Answer ``GET /servers/{id}/metadata``."""
    return Response(body={"metadata": dict(_metadata(svc, request))})


def add(svc: Services, request: Request) -> Response:
    """Answer ``POST /servers/{id}/metadata``: these items, beside those that there are."""
    return _set_all(svc, request, by=rules.ADD_METADATA, keep_others=True)


def replace(svc: Services, request: Request) -> Response:
    """Answer ``PUT /servers/{id}/metadata``: these items, and no others."""
    return _set_all(svc, request, by=rules.REPLACE_METADATA, keep_others=False)


def _set_all(svc: Services, request: Request, *, by: Rule, keep_others: bool) -> Response:
    body = body_fields(request)
    body.require_only(("metadata",))
    body.fields("metadata")
    items = parse_metadata(body)
    metadata = server_labels.set_metadata(
        svc, request.caller, request.params["id"], items, by=by, keep_others=keep_others
    )
    return Response(body={"metadata": dict(metadata)})


def show(svc: Services, request: Request) -> Response:
    """Answer ``GET /servers/{id}/metadata/{key}``."""
    metadata, key = _metadata(svc, request), request.params["key"]
    if key not in metadata:
        raise NotFound("metadata item", key)
    return Response(body={"meta": {key: metadata[key]}})


def set_one(svc: Services, request: Request) -> Response:
    """Answer ``PUT /servers/{id}/metadata/{key}``."""
    key = request.params["key"]
    body = body_fields(request)
    body.require_only(("meta",))
    if body.fields("meta").names() != [key]:
        raise Invalid("meta", "Request body and URI mismatch: it has the path's key, and no other")
    items = parse_metadata(body, "meta")
    server_labels.set_metadata(
        svc, request.caller, request.params["id"], items, by=rules.UPDATE_METADATA
    )
    return Response(body={"meta": dict(items)})


def unset(svc: Services, request: Request) -> Response:
    """Answer ``DELETE /servers/{id}/metadata/{key}``."""
    params = request.params
    server_labels.unset_metadata(svc, request.caller, params["id"], params["key"])
    return Response(status=204)


def _metadata(svc: Services, request: Request) -> Mapping[str, str]:
    return servers.get_server(svc, request.caller, request.params["id"]).server.metadata

"""Handlers of ``/flavors``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from trunkline.api.compute.flavor_view import brief_body, flavor_body
from trunkline.api.compute.paging import (
    PAGING,
    marker_checked,
    page_links,
    page_query,
)
from trunkline.api.http import Request, Response
from trunkline.api.parsing import Fields, body_fields
from trunkline.api.problems import HttpProblem
from trunkline.control import flavors
from trunkline.control.flavors import DESCRIPTION_CHARS_MAX, INT_MAX, FlavorCreate
from trunkline.control.services import Services
from trunkline.domain.errors import Invalid, NotFound
from trunkline.domain.ids import FlavorId
from trunkline.domain.listing import ListQuery
from trunkline.domain.server import Flavor

SORT_KEYS: Final[Mapping[str, str]] = MappingProxyType({
    "flavorid": "id", "id": "id", "name": "name", "memory_mb": "memory_mib", "root_gb": "disk_gib",
    "created_at": "created_at", "is_public": "is_public",
})  # fmt: skip

_NUMBER: Final = re.compile(r"[0-9]{1,18}")


def list_briefly(svc: Services, request: Request) -> Response:
    """Answer ``GET /flavors``."""
    version = request.version
    query, found = _fetch(svc, request)
    return _list_response(
        request, query, [brief_body(flavor, version, request.base_url) for flavor in found]
    )


def list_detailed(svc: Services, request: Request) -> Response:
    """Answer ``GET /flavors/detail``."""
    query, found = _fetch(svc, request)
    return _list_response(request, query, [_body(request, flavor) for flavor in found])


def _list_response(request: Request, query: ListQuery, bodies: list[dict[str, Any]]) -> Response:
    links = page_links(request, "flavors", query, [body["id"] for body in bodies])
    return Response(body={"flavors": bodies, **links})


def _fetch(svc: Services, request: Request) -> tuple[ListQuery, list[Flavor]]:
    known = {*PAGING, "is_public", "minRam", "minDisk"}
    for name in request.query.names():
        if name not in known and request.version.minor >= 75:
            raise Invalid(name, f"unknown; there are {', '.join(sorted(known))}")
    query = page_query(request, sort_keys=SORT_KEYS, direction="asc")
    if (public := _is_public(request)) is not None:
        query = replace(query, equals={"is_public": (public,)})
    query = replace(query, at_least=_least(request))
    with marker_checked():
        return query, flavors.list_flavors(svc, request.caller, query)


def _is_public(request: Request) -> bool | None:
    """Return what an admin asks for: public ones unless told otherwise, None for all."""
    value = request.query.find("is_public")
    if value is None:
        return True
    if value.lower() == "none":
        return None
    if value.lower() in ("true", "1", "yes", "on", "t", "y"):
        return True
    if value.lower() in ("false", "0", "no", "off", "f", "n"):
        return False
    raise Invalid("is_public", "must be true, false or none")


def _least(request: Request) -> dict[str, object]:
    least: dict[str, object] = {}
    for name, field in (("minRam", "memory_mib"), ("minDisk", "disk_gib")):
        value = request.query.find(name)
        if value is not None:
            if not _NUMBER.fullmatch(value):
                raise Invalid(name, "must be a whole number, not negative")
            least[field] = min(int(value), INT_MAX)
    return least


def create(svc: Services, request: Request) -> Response:
    """Answer ``POST /flavors``."""
    body = body_fields(request)
    body.require_only(("flavor",))
    asked = body.fields("flavor")
    known = set(_CREATE_FIELDS)
    if request.version.minor >= 55:
        known.add("description")
    asked.require_only(known)
    flavor = flavors.create_flavor(svc, request.caller, _parse(asked))
    return Response(body={"flavor": _body(request, flavor)})


_CREATE_FIELDS: Final = (
    "name", "ram", "vcpus", "disk", "id", "swap", "OS-FLV-EXT-DATA:ephemeral", "rxtx_factor",
    "os-flavor-access:is_public",
)  # fmt: skip


def _parse(asked: Fields) -> FlavorCreate:
    return FlavorCreate(
        name=asked.text("name", length_min=1),
        vcpus=asked.integer("vcpus", low=1, high=INT_MAX),
        memory_mib=asked.integer("ram", low=1, high=INT_MAX),
        disk_gib=asked.integer("disk", low=0, high=INT_MAX),
        id=_id(asked),
        description=asked.text("description", None, length_max=DESCRIPTION_CHARS_MAX),
        is_public=asked.boolean("os-flavor-access:is_public", default=True),
        ephemeral_gib=asked.integer("OS-FLV-EXT-DATA:ephemeral", 0, low=0, high=INT_MAX),
        swap_mib=0 if asked.raw("swap") == "" else asked.integer("swap", 0, high=INT_MAX),
        rxtx_factor=_rxtx_factor(asked),
    )


def _id(asked: Fields) -> FlavorId | None:
    value = asked.raw("id")
    if isinstance(value, int) and not isinstance(value, bool):
        return FlavorId(str(value))
    flavor_id = asked.text("id", None, length_min=1)
    return None if flavor_id in (None, "auto") else FlavorId(flavor_id)


def _rxtx_factor(asked: Fields) -> float:
    value = asked.raw("rxtx_factor")
    if value is None:
        return 1.0
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        return float(value)
    except ValueError:
        raise asked.invalid("rxtx_factor", "must be a number") from None


def show(svc: Services, request: Request) -> Response:
    """Answer ``GET /flavors/{id}``."""
    flavor = flavors.get_flavor(svc, request.caller, request.params["id"])
    return Response(body={"flavor": _body(request, flavor)})


def update(svc: Services, request: Request) -> Response:
    """Answer ``PUT /flavors/{id}``: a new description."""
    if request.version.minor < 55:
        raise HttpProblem(404, "a flavor's description can be changed from 2.55 on")
    asked = body_fields(request, "flavor")
    asked.require_only(("description",))
    if "description" not in asked:
        raise asked.invalid("description", "is required")
    description = asked.text("description", None, length_max=DESCRIPTION_CHARS_MAX)
    flavor = flavors.describe_flavor(svc, request.caller, request.params["id"], description)
    return Response(body={"flavor": _body(request, flavor)})


def delete(svc: Services, request: Request) -> Response:
    """Answer ``DELETE /flavors/{id}``."""
    flavors.delete_flavor(svc, request.caller, request.params["id"])
    return Response(status=202)


def list_extra_specs(svc: Services, request: Request) -> Response:
    """Answer ``GET /flavors/{id}/os-extra_specs``."""
    flavor = flavors.get_flavor(svc, request.caller, request.params["id"])
    return Response(body={"extra_specs": dict(flavor.extra_specs)})


def set_extra_specs(svc: Services, request: Request) -> Response:
    """Answer ``POST /flavors/{id}/os-extra_specs``."""
    body = body_fields(request)
    body.require_only(("extra_specs",))
    asked = body.fields("extra_specs")
    wanted = {key: _spec(asked, key) for key in asked.names()}
    flavors.set_extra_specs(svc, request.caller, request.params["id"], wanted)
    return Response(body={"extra_specs": wanted})


def show_extra_spec(svc: Services, request: Request) -> Response:
    """Answer ``GET /flavors/{id}/os-extra_specs/{key}``."""
    flavor = flavors.get_flavor(svc, request.caller, request.params["id"])
    key = request.params["key"]
    if key not in flavor.extra_specs:
        raise NotFound(f"extra spec of flavor {flavor.id}", key)
    return Response(body={key: flavor.extra_specs[key]})


def set_extra_spec(svc: Services, request: Request) -> Response:
    """Answer ``PUT /flavors/{id}/os-extra_specs/{key}``."""
    key = request.params["key"]
    body = body_fields(request)
    if body.names() != [key]:
        raise Invalid("body", f"must have the key of the path, {key!r}, and no other")
    wanted = {key: _spec(body, key)}
    flavors.set_extra_specs(svc, request.caller, request.params["id"], wanted)
    return Response(body=wanted)


def unset_extra_spec(svc: Services, request: Request) -> Response:
    """Answer ``DELETE /flavors/{id}/os-extra_specs/{key}``."""
    flavors.unset_extra_spec(svc, request.caller, request.params["id"], request.params["key"])
    return Response(status=200)


def _spec(asked: Fields, key: str) -> str:
    """Read one value; numbers become text, as in Nova."""
    value = asked.raw(key)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return asked.text(key)


def _body(request: Request, flavor: Flavor) -> dict[str, Any]:
    return flavor_body(flavor, request.version, request.base_url)

"""Handlers of ``/resource_classes`` and ``/traits``: what they are called, and what there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from trunkline.api.http import Request, Response
from trunkline.api.placement.filters import require_no_query
from trunkline.control.providers import list_providers
from trunkline.control.services import Services
from trunkline.domain.errors import Invalid, NotFound
from trunkline.domain.providers import STANDARD_CLASSES

_ASSOCIATED: Final = {"true": True, "false": False}


def list_classes(svc: Services, request: Request) -> Response:
    """Answer ``GET /resource_classes``: the standard ones used here, and those of devices."""
    require_no_query(request)
    return Response(
        body={"resource_classes": [_class_body(name) for name in _classes(svc, request)]}
    )


def show_class(svc: Services, request: Request) -> Response:
    """Answer ``GET /resource_classes/{name}``."""
    require_no_query(request)
    name = request.params["name"]
    if name not in _classes(svc, request):
        raise NotFound("resource class", name)
    return Response(body=_class_body(name))


def list_traits(svc: Services, request: Request) -> Response:
    """Answer ``GET /traits``: those that a host or device has."""
    query = request.query
    for each in query.names():
        if each not in ("name", "associated"):
            raise Invalid(each, "is not served here; served are name and associated")
    # Only traits that something has are known here, so it makes a difference only if false.
    associated = _ASSOCIATED.get((query.find("associated") or "true").lower())
    if associated is None:
        raise Invalid("associated", "must be true or false")
    wanted = _wanted(query.find("name"))
    found = [name for name in _traits(svc, request) if wanted(name)] if associated else []
    return Response(body={"traits": found})


def show_trait(svc: Services, request: Request) -> Response:
    """Answer ``GET /traits/{name}``: 204 if anything has it."""
    require_no_query(request)
    name = request.params["name"]
    if name not in _traits(svc, request):
        raise NotFound("trait", name)
    return Response(status=204)


def _wanted(value: str | None) -> Callable[[str], bool]:
    """Read ``in:A,B`` or ``startswith:PREFIX``."""
    if value is None:
        return lambda _: True
    how, _, what = value.partition(":")
    if how == "in" and what:
        return set(what.split(",")).__contains__
    if how == "startswith" and what:
        return lambda name: name.startswith(what)
    raise Invalid("name", "must be in:NAME,NAME or startswith:PREFIX")


def _classes(svc: Services, request: Request) -> list[str]:
    found = {name for each in list_providers(svc, request.caller) for name in each.inventories}
    return sorted(found | set(STANDARD_CLASSES))


def _traits(svc: Services, request: Request) -> list[str]:
    found = {name for each in list_providers(svc, request.caller) for name in each.traits}
    return sorted(found)


def _class_body(name: str) -> dict[str, object]:
    href = f"/placement/resource_classes/{name}"
    return {"name": name, "links": [{"rel": "self", "href": href}]}

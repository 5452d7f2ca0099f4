"""Handlers of ``/resource_providers``: hosts, and their devices below them."""

from __future__ import annotations

from typing import Any, Final

from trunkline.api.http import Request, Response
from trunkline.api.placement.filters import providers_wanted, require_no_query
from trunkline.api.placement.render import (
    CACHE_HEADERS_SINCE,
    inventory_body,
    provider_body,
)
from trunkline.control import providers
from trunkline.control.services import Services
from trunkline.domain.errors import NotFound
from trunkline.domain.providers import ResourceProvider

_TRAITS_SINCE: Final = 6
_AGGREGATES_SINCE: Final = 1


def list_(svc: Services, request: Request) -> Response:
    """Answer ``GET /resource_providers``; there are no pages, as in Placement."""
    wanted = providers_wanted(request)
    one = wanted.uuid if wanted.tree_of is None else wanted.tree_of
    if one is not None:  # No more than its tree need be read.
        found = providers.list_tree(svc, request.caller, one)
    else:
        found = providers.list_providers(svc, request.caller)
    bodies = [provider_body(each, request.version) for each in found if wanted.includes(each)]
    return _answer(request, {"resource_providers": bodies})


def show(svc: Services, request: Request) -> Response:
    """Answer ``GET /resource_providers/{uuid}``."""
    return _answer(request, provider_body(_provider(svc, request), request.version))


def list_inventories(svc: Services, request: Request) -> Response:
    """Answer ``GET /resource_providers/{uuid}/inventories``."""
    provider = _provider(svc, request)
    inventories = {name: inventory_body(each) for name, each in provider.inventories.items()}
    return _of_provider(request, provider, {"inventories": inventories})


def show_inventory(svc: Services, request: Request) -> Response:
    """Answer ``GET /resource_providers/{uuid}/inventories/{resource_class}``."""
    provider = _provider(svc, request)
    name = request.params["resource_class"]
    if name not in provider.inventories:
        raise NotFound("inventory", f"{name} of {provider.name}")
    return _of_provider(request, provider, inventory_body(provider.inventories[name]))


def show_usages(svc: Services, request: Request) -> Response:
    """Answer ``GET /resource_providers/{uuid}/usages``."""
    provider = _provider(svc, request)
    usages = {name: each.used for name, each in provider.inventories.items()}
    return _of_provider(request, provider, {"usages": usages})


def list_traits(svc: Services, request: Request) -> Response:
    """Answer ``GET /resource_providers/{uuid}/traits``."""
    _require(request, _TRAITS_SINCE, "traits")
    provider = _provider(svc, request)
    return _of_provider(request, provider, {"traits": sorted(provider.traits)})


def list_aggregates(svc: Services, request: Request) -> Response:
    """Answer ``GET /resource_providers/{uuid}/aggregates``: the host aggregates of a host."""
    _require(request, _AGGREGATES_SINCE, "aggregates")
    provider = _provider(svc, request)
    body: dict[str, Any] = {"aggregates": sorted(provider.aggregates)}
    if request.version.minor < 19:
        return _answer(request, body)
    return _of_provider(request, provider, body)


def _provider(svc: Services, request: Request) -> ResourceProvider:
    require_no_query(request)
    return providers.get_provider(svc, request.caller, request.params["uuid"])


def _require(request: Request, since: int, what: str) -> None:
    """Refuse a resource that the version asked for does not have, as Placement does."""
    if request.version.minor < since:
        raise NotFound(what, f"at version {request.version}: ask for 1.{since} or newer")


def _of_provider(request: Request, provider: ResourceProvider, body: dict[str, Any]) -> Response:
    return _answer(request, body | {"resource_provider_generation": provider.generation})


def _answer(request: Request, body: dict[str, Any]) -> Response:
    fresh = request.version.minor >= CACHE_HEADERS_SINCE
    return Response(body=body, headers={"Cache-Control": "no-cache"} if fresh else {})

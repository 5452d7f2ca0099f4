"""``/network/v2.0/quotas``: quotas as Neutron knows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trunkline.api.http import Request, Response
from trunkline.api.network.common import Item
from trunkline.api.parsing import Fields, body_fields
from trunkline.control.access import refusal, require
from trunkline.control.quotas import (
    LimitView,
    default_limits,
    list_quotas,
    project_limits,
    set_quotas,
    unset_quotas,
)
from trunkline.control.services import Services
from trunkline.domain.errors import NotFound
from trunkline.domain.host import COUNT_MAX
from trunkline.domain.policy import network_rules as rules
from trunkline.domain.quota import Resource

UNLIMITED: Final = -1
RESOURCES: Final[Mapping[str, Resource]] = {
    "network": Resource.NETWORKS,
    "subnet": Resource.SUBNETS,
    "port": Resource.PORTS,
    "security_group": Resource.SECURITY_GROUPS,
    "security_group_rule": Resource.SECURITY_GROUP_RULES,
    "rbac_policy": Resource.RBAC_POLICIES,
}


def index(svc: Services, request: Request) -> Response:
    """Answer the projects that have quotas of their own; admins only."""
    if not request.caller.may_on_all(rules.GET_QUOTA):
        raise refusal(rules.GET_QUOTA)
    defaults = default_limits(svc)
    found: dict[str, dict[Resource, int | None]] = {}
    for view in list_quotas(svc, request.caller, by=rules.GET_QUOTA):
        quota = view.quota
        if quota.project_id is not None and quota.resource in RESOURCES.values():
            limits = found.setdefault(quota.project_id, dict(defaults))
            limits[quota.resource] = quota.limit
    return Response(
        body={
            "quotas": [
                {"project_id": project_id, "tenant_id": project_id, **_shown(limits)}
                for project_id, limits in found.items()
            ]
        }
    )


def show(svc: Services, request: Request) -> Response:
    """Answer what a project may have."""
    return Response(body={"quota": _shown(_limits(_project(svc, request)))})


def show_detailed(svc: Services, request: Request) -> Response:
    """Answer what a project may have, and has."""
    views = _project(svc, request)
    return Response(
        body={
            "quota": {
                name: {
                    "limit": _number(views[resource].limit),
                    "used": views[resource].held,
                    "reserved": 0,
                }
                for name, resource in RESOURCES.items()
            }
        }
    )


def show_default(svc: Services, request: Request) -> Response:
    """Answer what projects without quotas of their own may have."""
    _project(svc, request)
    return Response(body={"quota": _shown(default_limits(svc))})


def show_own_project(_svc: Services, request: Request) -> Response:
    """Answer whose quotas the caller would see."""
    project_id = request.caller.own_project
    return Response(body={"tenant": {"tenant_id": project_id, "project_id": project_id}})


def update(svc: Services, request: Request) -> Response:
    """Set quotas of a project; those below what it has, ``force`` sets too."""
    require(request.caller, rules.UPDATE_QUOTA)
    fields = body_fields(request, "quota")
    fields.require_only((*RESOURCES, "check_limit", "force", "project_id", "tenant_id"))
    fields.boolean("check_limit", default=True)  # It is checked whether this is said or not.
    force = fields.boolean("force", default=False)
    ref = request.params["id"]
    for name in ("project_id", "tenant_id"):
        if name in fields and fields.text(name) != ref:
            raise fields.invalid(name, "must be the project of the path")
    limits = [
        (resource, None, _limit(fields, name))
        for name, resource in RESOURCES.items()
        if name in fields
    ]
    set_quotas(svc, request.caller, ref, limits, below_held=force, by=rules.UPDATE_QUOTA)
    return Response(body={"quota": _shown(_limits(_project(svc, request)))})


def remove(svc: Services, request: Request) -> Response:
    """Take a project's quotas away: what all projects have holds again."""
    require(request.caller, rules.DELETE_QUOTA)
    ref = request.params["id"]
    if not unset_quotas(svc, request.caller, ref, RESOURCES.values(), by=rules.DELETE_QUOTA):
        raise NotFound("tenant quota", ref)
    return Response(status=204)


def _project(svc: Services, request: Request) -> Mapping[Resource, LimitView]:
    return project_limits(svc, request.caller, request.params["id"], by=rules.GET_QUOTA)[1]


def _limits(views: Mapping[Resource, LimitView]) -> dict[Resource, int | None]:
    return {resource: view.limit for resource, view in views.items()}


def _shown(limits: Mapping[Resource, int | None]) -> Item:
    return {name: _number(limits[resource]) for name, resource in RESOURCES.items()}


def _limit(fields: Fields, name: str) -> int | None:
    limit = fields.integer(name, low=UNLIMITED, high=COUNT_MAX)
    return None if limit == UNLIMITED else limit


def _number(limit: int | None) -> int:
    return UNLIMITED if limit is None else limit

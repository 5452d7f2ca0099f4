"""Quotas: how much of each resource projects may hold."""

from __future__ import annotations

from trunkline.api.http import Request, Response, json_list
from trunkline.api.listing import Filter
from trunkline.api.parsing import Fields, body_fields
from trunkline.api.v1.queries import strict_query
from trunkline.api.v1.references import require_physical_networks
from trunkline.control import quotas
from trunkline.control.quotas import QuotaView
from trunkline.control.services import Services
from trunkline.domain.errors import Invalid
from trunkline.domain.host import COUNT_MAX
from trunkline.domain.ids import PhysicalNetwork
from trunkline.domain.listing import ListQuery
from trunkline.domain.policy import trunkline_rules as rules
from trunkline.domain.quota import CABLED, Resource
from trunkline.wire.quotas import QuotaItem


def list_(svc: Services, request: Request) -> Response:
    """List the quotas of all projects, or of `project`; tenants see their own."""
    ref = _only(strict_query(request, {"project": Filter("project")}), "project")
    found = quotas.list_quotas(svc, request.caller, ref)
    return json_list("quotas", [_item(view) for view in found])


def set_(svc: Services, request: Request) -> Response:
    """Let a project, by ID or name, hold so much of one resource."""
    return _set(svc, request, request.params["project"])


def set_default(svc: Services, request: Request) -> Response:
    """Let every project hold so much that has no quota of its own."""
    return _set(svc, request, None)


def unset(svc: Services, request: Request) -> Response:
    """Take a project's own quota away, on `physical_network` if it names one."""
    return _unset(svc, request, request.params["project"])


def unset_default(svc: Services, request: Request) -> Response:
    """Take a quota of every project away."""
    return _unset(svc, request, None)


def _set(svc: Services, request: Request, project: str | None) -> Response:
    fields = body_fields(request)
    fields.require_only(("physical_network", "limit"))
    resource, network = _resource(request), _network(fields)
    if network is not None:
        if resource not in CABLED:
            raise fields.invalid("physical_network", f"{resource.value} are cabled to none")
        # A mistyped one would let the project hold any number.
        require_physical_networks(svc, request.caller, [network])
    if "limit" not in fields:
        raise fields.invalid("limit", "is required; null lets a project hold any amount")
    limit = fields.integer("limit", None, low=0, high=COUNT_MAX)
    by = rules.SET_DEFAULT_QUOTA if project is None else rules.SET_QUOTA
    view = quotas.set_quotas(svc, request.caller, project, [(resource, network, limit)], by=by)[0]
    return Response(body=_item(view))


def _unset(svc: Services, request: Request, project: str | None) -> Response:
    query = strict_query(request, {"physical_network": Filter("physical_network")})
    name = _only(query, "physical_network")
    quotas.unset_quota(
        svc, request.caller, project, _resource(request),
        None if name is None else PhysicalNetwork(name),
    )  # fmt: skip
    return Response(status=204)


def _only(query: ListQuery, name: str) -> str | None:
    values = query.equals.get(name, ())
    if len(values) > 1:
        raise Invalid(name, "given twice: give it once")
    return str(values[0]) if values else None


def _resource(request: Request) -> Resource:
    text = request.params["resource"]
    names = {resource.value: resource for resource in Resource}
    if text not in names:
        raise Invalid("resource", f"must be one of {', '.join(names)}, not {text[:60]!r}")
    return names[text]


def _network(fields: Fields) -> PhysicalNetwork | None:
    name = fields.text("physical_network", None, length_min=1, length_max=255)
    return None if name is None else PhysicalNetwork(name)


def _item(view: QuotaView) -> QuotaItem:
    return QuotaItem(
        project_id=view.quota.project_id,
        project=view.project_name,
        resource=view.quota.resource.value,
        physical_network=view.quota.physical_network,
        limit=view.quota.limit,
        held=view.held,
    )

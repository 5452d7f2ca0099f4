"""Quotas: how many devices projects may hold."""

from __future__ import annotations

from trunkline.api.http import Request, Response, json_list
from trunkline.api.listing import Filter
from trunkline.api.parsing import Fields, body_fields
from trunkline.api.v1.queries import strict_query
from trunkline.api.v1.references import require_physical_networks
from trunkline.control import quotas
from trunkline.control.quotas import QuotaView
from trunkline.control.services import Services
from trunkline.domain.device import FUNCTION_KINDS, DeviceKind
from trunkline.domain.errors import Invalid
from trunkline.domain.host import COUNT_MAX
from trunkline.domain.ids import PhysicalNetwork
from trunkline.domain.listing import ListQuery
from trunkline.wire.quotas import QuotaItem


def list_(svc: Services, request: Request) -> Response:
    """List the quotas of all projects, or of `project`; tenants see their own."""
    ref = _only(strict_query(request, {"project": Filter("project")}), "project")
    found = quotas.list_quotas(svc, request.caller, ref)
    return json_list("quotas", [_item(view) for view in found])


def set_(svc: Services, request: Request) -> Response:
    """Let a project, by ID or name, hold so many devices of one kind."""
    fields = body_fields(request)
    fields.require_only(("physical_network", "limit"))
    network = _network(fields)
    if network is not None:  # A mistyped one would let the project hold any number.
        require_physical_networks(svc, request.caller, [network])
    view = quotas.set_quota(
        svc, request.caller, request.params["project"], _kind(request), network,
        fields.integer("limit", low=0, high=COUNT_MAX),
    )  # fmt: skip
    return Response(body=_item(view))


def unset(svc: Services, request: Request) -> Response:
    """Let a project hold any number again, on `physical_network` if that quota names one."""
    query = strict_query(request, {"physical_network": Filter("physical_network")})
    name = _only(query, "physical_network")
    quotas.unset_quota(
        svc, request.caller, request.params["project"], _kind(request),
        None if name is None else PhysicalNetwork(name),
    )  # fmt: skip
    return Response(status=204)


def _only(query: ListQuery, name: str) -> str | None:
    values = query.equals.get(name, ())
    if len(values) > 1:
        raise Invalid(name, "given twice: give it once")
    return str(values[0]) if values else None


def _kind(request: Request) -> DeviceKind:
    text = request.params["kind"]
    kinds = {kind.value: kind for kind in FUNCTION_KINDS}
    if text not in kinds:
        raise Invalid("kind", f"must be one of {', '.join(kinds)}, not {text[:60]!r}")
    return kinds[text]


def _network(fields: Fields) -> PhysicalNetwork | None:
    name = fields.text("physical_network", None, length_min=1, length_max=255)
    return None if name is None else PhysicalNetwork(name)


def _item(view: QuotaView) -> QuotaItem:
    return QuotaItem(
        project_id=view.quota.project_id,
        project=view.project_name,
        kind=view.quota.kind.value,
        physical_network=view.quota.physical_network,
        limit=view.quota.limit,
        held=view.held,
    )

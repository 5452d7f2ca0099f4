"""Handlers of ``/flavors/{id}/os-flavor-access`` and ``/flavors/{id}/action``."""

from __future__ import annotations

from collections.abc import Iterable

from trunkline.api.http import Request, Response
from trunkline.api.parsing import body_fields
from trunkline.control import flavor_access
from trunkline.control.services import Services
from trunkline.domain.errors import Invalid
from trunkline.domain.ids import ProjectId

_GIVE, _TAKE = "addTenantAccess", "removeTenantAccess"


def list_(svc: Services, request: Request) -> Response:
    """Answer ``GET …/os-flavor-access``."""
    flavor_id = request.params["id"]
    found = flavor_access.projects_with_access(svc, request.caller, flavor_id)
    return _response(flavor_id, found)


def act(svc: Services, request: Request) -> Response:
    """Answer ``POST …/action``: give a project access, or take it away."""
    body = body_fields(request)
    if body.names() not in ([_GIVE], [_TAKE]):
        raise Invalid("body", f"must have either {_GIVE} or {_TAKE}, and nothing else")
    asked = body.fields(body.names()[0])
    asked.require_only(("tenant",))
    flavor_id, project = request.params["id"], asked.text("tenant", length_min=1)
    if _GIVE in body:
        found = flavor_access.give_access(
            svc, request.caller, flavor_id, project, public_too=request.version.minor < 7
        )
    else:
        found = flavor_access.take_access(svc, request.caller, flavor_id, project)
    return _response(flavor_id, found)


def _response(flavor_id: str, projects: Iterable[ProjectId]) -> Response:
    access = [{"flavor_id": flavor_id, "tenant_id": project} for project in projects]
    return Response(body={"flavor_access": access})

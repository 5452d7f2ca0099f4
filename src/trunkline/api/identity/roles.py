"""Roles, and which of them imply others."""

from __future__ import annotations

from typing import Final

from trunkline.api.http import Request, Response
from trunkline.api.identity import lists, render
from trunkline.api.listing import Filter
from trunkline.api.parsing import Fields, body_fields
from trunkline.control import roles
from trunkline.control.requests import UNSET, Unset
from trunkline.control.services import Services
from trunkline.domain.errors import NotFound
from trunkline.domain.ids import DomainId

_KNOWN: Final = ("name", "description", "domain_id", "options")


def list_(svc: Services, request: Request) -> Response:
    """Answer a page of the roles of a domain, or else of those of none; to admins."""
    domain = request.query.find("domain_id")
    domain_id = DomainId(domain) if domain else None
    return lists.page(
        request,
        "roles",
        filters={"name": Filter("name")},
        find=lambda query: roles.list_roles(svc, request.caller, query, domain_id),
        render=render.role,
    )


def create(svc: Services, request: Request) -> Response:
    """Make a role; what it allows, rules say by its name. One of a domain has others do so."""
    fields = _fields(request)
    name = lists.read_name(fields, None)
    if name is None:
        raise fields.invalid("name", "is required")
    description = lists.read_description(fields)
    made = roles.create_role(
        svc, request.caller, name, "" if isinstance(description, Unset) else description,
        lists.read_domain(fields),
    )  # fmt: skip
    return Response(status=201, body={"role": render.role(request, made)})


def show(svc: Services, request: Request) -> Response:
    """Answer one role; to admins."""
    found = roles.get_role(svc, request.caller, request.params["id"])
    return Response(body={"role": render.role(request, found)})


def update(svc: Services, request: Request) -> Response:
    """Change a role that an admin has made."""
    fields = _fields(request)
    if "domain_id" in fields:
        known = roles.get_role(svc, request.caller, request.params["id"])
        if fields.text("domain_id", None) != known.domain_id:
            raise fields.invalid("domain_id", "cannot change")
    changed = roles.update_role(
        svc,
        request.caller,
        request.params["id"],
        name=lists.read_name(fields, UNSET),
        description=lists.read_description(fields),
    )
    return Response(body={"role": render.role(request, changed)})


def delete(svc: Services, request: Request) -> Response:
    """Delete a role that an admin has made."""
    roles.delete_role(svc, request.caller, request.params["id"])
    return Response(status=204)


def list_inferences(svc: Services, request: Request) -> Response:
    """Answer which roles imply which: admin manager, and so on, and what admins have added."""
    shown = [
        {
            "prior_role": render.role_link(request, prior),
            "implies": [render.role_link(request, each) for each in implied],
        }
        for prior, implied in roles.list_implied(svc, request.caller)
    ]
    return Response(body=lists.collection(request, "role_inferences", shown))


def list_implied(svc: Services, request: Request) -> Response:
    """Answer which roles one role implies."""
    prior = roles.get_role(svc, request.caller, request.params["id"])
    implied = dict(roles.list_implied(svc, request.caller)).get(prior, [])
    shown = {
        "prior_role": render.role_link(request, prior),
        "implies": [render.role_link(request, each) for each in implied],
    }
    return Response(body={"role_inference": shown, "links": render.own_link(request)})


def show_implied(svc: Services, request: Request) -> Response:
    """Answer that one role implies another, or 404."""
    prior = roles.get_role(svc, request.caller, request.params["id"])
    implied = roles.get_role(svc, request.caller, request.params["implied_id"])
    of_it = dict(roles.list_implied(svc, request.caller)).get(prior, [])
    if implied.id not in {each.id for each in of_it}:
        raise NotFound("implied role", f"{prior.name} of {implied.name}")
    shown = {
        "prior_role": render.role_link(request, prior),
        "implies": render.role_link(request, implied),
    }
    return Response(body={"role_inference": shown, "links": render.own_link(request)})


def check_implied(svc: Services, request: Request) -> Response:
    """Answer 204 if one role implies another, or 404."""
    show_implied(svc, request)
    return Response(status=204)


def imply(svc: Services, request: Request) -> Response:
    """Have a role that an admin has made imply another."""
    params = request.params
    prior, implied = roles.imply_role(svc, request.caller, params["id"], params["implied_id"])
    shown = {
        "prior_role": render.role_link(request, prior),
        "implies": render.role_link(request, implied),
    }
    body = {"role_inference": shown, "links": render.own_link(request)}
    return Response(status=201, body=body)


def imply_no_more(svc: Services, request: Request) -> Response:
    """Take back that a role implies another."""
    params = request.params
    roles.imply_role_no_more(svc, request.caller, params["id"], params["implied_id"])
    return Response(status=204)


def _fields(request: Request) -> Fields:
    fields = body_fields(request, "role")
    fields.require_only(_KNOWN)
    lists.refuse_options(fields)
    return fields

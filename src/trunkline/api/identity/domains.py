"""Domains."""

from __future__ import annotations

from typing import Final

from trunkline.api.http import Request, Response
from trunkline.api.identity import lists, render
from trunkline.api.listing import Filter
from trunkline.api.parsing import Fields, body_fields
from trunkline.control import domains
from trunkline.control.domains import DomainUpdate
from trunkline.control.requests import UNSET
from trunkline.control.services import Services

NAME_CHARS_MAX: Final = 64  # As Keystone's.
_KNOWN: Final = ("name", "description", "enabled", "options", "explicit_domain_id")
_FILTERS: Final = {"name": Filter("name"), "enabled": Filter("enabled", lists.flag)}


def list_(svc: Services, request: Request) -> Response:
    """Answer a page of domains; to whom may not see them all, the default one."""
    return lists.page(
        request,
        "domains",
        filters=_FILTERS,
        find=lambda query: domains.list_domains(svc, request.caller, query),
        render=render.domain,
    )


def create(svc: Services, request: Request) -> Response:
    """Make a domain."""
    fields = body_fields(request, "domain")
    if lists.read_name(fields, None, length_max=NAME_CHARS_MAX) is None:
        raise fields.invalid("name", "is required")
    made = domains.create_domain(svc, request.caller, _update(fields))
    return Response(status=201, body={"domain": render.domain(request, made)})


def show(svc: Services, request: Request) -> Response:
    """Answer one domain."""
    found = domains.get_domain(svc, request.caller, request.params["id"])
    return Response(body={"domain": render.domain(request, found)})


def update(svc: Services, request: Request) -> Response:
    """Change a domain; in one that is disabled nobody can do anything."""
    change = _update(body_fields(request, "domain"))
    changed = domains.update_domain(svc, request.caller, request.params["id"], change)
    return Response(body={"domain": render.domain(request, changed)})


def delete(svc: Services, request: Request) -> Response:
    """Delete a domain that is disabled, with its users, groups and projects."""
    domains.delete_domain(svc, request.caller, request.params["id"])
    return Response(status=204)


def _update(fields: Fields) -> DomainUpdate:
    lists.refuse_options(fields)
    if fields.raw("explicit_domain_id") is not None:
        raise fields.invalid("explicit_domain_id", "can't be chosen")
    return DomainUpdate(
        name=lists.read_name(fields, UNSET, length_max=NAME_CHARS_MAX),
        description=lists.read_description(fields),
        enabled=fields.boolean("enabled", UNSET),
        extra=lists.read_extra(fields, _KNOWN),
    )

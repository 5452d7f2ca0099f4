"""Users."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from trunkline.api.http import Request, Response
from trunkline.api.identity import lists, render
from trunkline.api.listing import Filter
from trunkline.api.parsing import Fields, body_fields
from trunkline.control import user_accounts
from trunkline.control.requests import UNSET
from trunkline.control.services import Services
from trunkline.control.user_accounts import UserUpdate
from trunkline.domain.ids import ProjectId

PASSWORD_CHARS_MAX: Final = 4096

_KNOWN: Final = (
    "name", "password", "enabled", "domain_id", "default_project_id", "options",
)  # fmt: skip
_FILTERS: Final = {
    "name": Filter("name"), "enabled": Filter("enabled", lists.flag),
    "domain_id": Filter("domain_id"),
}  # fmt: skip


def list_(svc: Services, request: Request) -> Response:
    """Answer a page of users; to admins."""
    return lists.page(
        request,
        "users",
        filters=_FILTERS,
        find=lambda query: user_accounts.list_users(svc, request.caller, query),
        render=render.user,
    )


def create(svc: Services, request: Request) -> Response:
    """Make a user."""
    fields = body_fields(request, "user")
    if lists.read_name(fields, None) is None:
        raise fields.invalid("name", "is required")
    asked = replace(_update(fields), domain_id=lists.read_domain(fields))
    made = user_accounts.create_user(svc, request.caller, asked)
    return Response(status=201, body={"user": render.user(request, made)})


def show(svc: Services, request: Request) -> Response:
    """Answer one user, to admins and that user."""
    found = user_accounts.get_user(svc, request.caller, request.params["id"])
    return Response(body={"user": render.user(request, found)})


def update(svc: Services, request: Request) -> Response:
    """Change a user; who is disabled or gets another password is logged out everywhere."""
    fields = lists.without_own_id(request, body_fields(request, "user"))
    known = user_accounts.get_user(svc, request.caller, request.params["id"])
    lists.require_same_domain(fields, known.domain_id)
    changed = user_accounts.update_user(svc, request.caller, known.id, _update(fields))
    return Response(body={"user": render.user(request, changed)})


def delete(svc: Services, request: Request) -> Response:
    """Delete a user; what the user has made stays."""
    user_accounts.delete_user(svc, request.caller, request.params["id"])
    return Response(status=204)


def change_password(svc: Services, request: Request) -> Response:
    """Change a password, by the one that it has been; all tokens of before are revoked."""
    user = user_accounts.get_user(svc, request.caller, request.params["user_id"])
    fields = body_fields(request, "user")
    user_accounts.change_password(
        svc,
        request.caller,
        user.id,
        original=fields.text("original_password", length_max=PASSWORD_CHARS_MAX),
        new=fields.text("password", length_min=1, length_max=PASSWORD_CHARS_MAX),
        address=request.client_address,
    )
    return Response(status=204)


def _update(fields: Fields) -> UserUpdate:
    lists.refuse_options(fields)
    project = fields.text("default_project_id", None, length_max=64)
    return UserUpdate(
        name=lists.read_name(fields, UNSET),
        password=fields.text("password", None, length_min=1, length_max=PASSWORD_CHARS_MAX)
        if "password" in fields
        else UNSET,
        enabled=fields.boolean("enabled", UNSET),
        default_project_id=(None if project is None else ProjectId(project))
        if "default_project_id" in fields
        else UNSET,
        extra=lists.read_extra(fields, _KNOWN),
    )

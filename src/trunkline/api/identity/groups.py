"""Groups of users, and who is in them."""

from __future__ import annotations

from typing import Final

from trunkline.api.http import Request, Response
from trunkline.api.identity import lists, render
from trunkline.api.listing import Filter
from trunkline.api.parsing import Fields, body_fields
from trunkline.control import user_groups
from trunkline.control.requests import UNSET
from trunkline.control.services import Services
from trunkline.control.user_groups import GroupUpdate
from trunkline.domain.ids import DomainId

NAME_CHARS_MAX: Final = 64  # As Keystone's.
_KNOWN: Final = ("name", "description", "domain_id", "options")
_FILTERS: Final = {"name": Filter("name"), "domain_id": Filter("domain_id")}


def list_(svc: Services, request: Request) -> Response:
    """Answer a page of groups; to admins."""
    return lists.page(
        request,
        "groups",
        filters=_FILTERS,
        find=lambda query: user_groups.list_groups(svc, request.caller, query),
        render=render.group,
    )


def list_of_user(svc: Services, request: Request) -> Response:
    """Answer the groups that a user is in, to admins and that user."""
    found = user_groups.list_groups_of(svc, request.caller, request.params["user_id"])
    shown = [render.group(request, group) for group in found]
    return lists.whole(request, "groups", shown, "name")


def create(svc: Services, request: Request) -> Response:
    """Make a group."""
    fields = body_fields(request, "group")
    if lists.read_name(fields, None, length_max=NAME_CHARS_MAX) is None:
        raise fields.invalid("name", "is required")
    made = user_groups.create_group(svc, request.caller, _update(fields, is_new=True))
    return Response(status=201, body={"group": render.group(request, made)})


def show(svc: Services, request: Request) -> Response:
    """Answer one group; to admins."""
    found = user_groups.get_group(svc, request.caller, request.params["id"])
    return Response(body={"group": render.group(request, found)})


def update(svc: Services, request: Request) -> Response:
    """Change a group; it stays in its domain."""
    change = _update(body_fields(request, "group"), is_new=False)
    changed = user_groups.update_group(svc, request.caller, request.params["id"], change)
    return Response(body={"group": render.group(request, changed)})


def delete(svc: Services, request: Request) -> Response:
    """Delete a group; its members stay."""
    user_groups.delete_group(svc, request.caller, request.params["id"])
    return Response(status=204)


def list_users(svc: Services, request: Request) -> Response:
    """Answer a page of the users who are in a group; to admins."""
    group_id = request.params["id"]
    return lists.page(
        request,
        "users",
        filters={"name": Filter("name"), "enabled": Filter("enabled", lists.flag)},
        find=lambda query: user_groups.list_members(svc, request.caller, group_id, query),
        render=render.user,
    )


def check_user(svc: Services, request: Request) -> Response:
    """Answer 204 if a user is in a group; to admins and that user."""
    params = request.params
    user_groups.require_member(svc, request.caller, params["id"], params["user_id"])
    return Response(status=204)


def add_user(svc: Services, request: Request) -> Response:
    """Put a user into a group."""
    params = request.params
    user_groups.add_member(svc, request.caller, params["id"], params["user_id"])
    return Response(status=204)


def remove_user(svc: Services, request: Request) -> Response:
    """Take a user out of a group."""
    params = request.params
    user_groups.remove_member(svc, request.caller, params["id"], params["user_id"])
    return Response(status=204)


def _update(fields: Fields, *, is_new: bool) -> GroupUpdate:
    lists.refuse_options(fields)
    domain_id = fields.text("domain_id", None, length_max=36)
    if domain_id is not None and not is_new:
        raise fields.invalid("domain_id", "cannot change")
    return GroupUpdate(
        name=lists.read_name(fields, UNSET, length_max=NAME_CHARS_MAX),
        description=lists.read_description(fields),
        domain_id=None if domain_id is None else DomainId(domain_id),
        extra=lists.read_extra(fields, _KNOWN),
    )

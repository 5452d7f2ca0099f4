"""Handlers of ``/v2/images/{id}/members``: with which projects an image is shared."""

from __future__ import annotations

from collections.abc import Mapping

from trunkline.api.http import Request, Response
from trunkline.api.image import render
from trunkline.api.parsing import body_fields
from trunkline.control import image_members
from trunkline.control.services import Services
from trunkline.domain.image import ImageMember, MemberStatus

PROJECT_CHARS_MAX = 36


def list_(svc: Services, request: Request) -> Response:
    """``GET /v2/images/{id}/members``."""
    found = image_members.list_members(svc, request.caller, request.params["id"])
    return Response(body={"members": [_body(one) for one in found], "schema": _SCHEMA + "s"})


def add(svc: Services, request: Request) -> Response:
    """``POST /v2/images/{id}/members``."""
    asked = body_fields(request)
    asked.require_only(("member",))
    project = asked.text("member", length_min=1, length_max=PROJECT_CHARS_MAX)
    return _answer(image_members.add_member(svc, request.caller, request.params["id"], project))


def show(svc: Services, request: Request) -> Response:
    """``GET /v2/images/{id}/members/{project}``."""
    image_id, project = request.params["id"], request.params["project"]
    return _answer(image_members.get_member(svc, request.caller, image_id, project))


def update(svc: Services, request: Request) -> Response:
    """``PUT /v2/images/{id}/members/{project}``: the project accepts the image, or not."""
    asked = body_fields(request)
    asked.require_only(("status",))
    status = asked.parsed("status", _status)
    image_id, project = request.params["id"], request.params["project"]
    return _answer(image_members.set_status(svc, request.caller, image_id, project, status))


def remove(svc: Services, request: Request) -> Response:
    """``DELETE /v2/images/{id}/members/{project}``."""
    image_id, project = request.params["id"], request.params["project"]
    image_members.remove_member(svc, request.caller, image_id, project)
    return Response(status=204)


def member_schema(_svc: Services, _request: Request) -> Response:
    """``GET /v2/schemas/member``."""
    return Response(body=render.member_schema())


def members_schema(_svc: Services, _request: Request) -> Response:
    """``GET /v2/schemas/members``."""
    return Response(body=render.members_schema())


_SCHEMA = "/v2/schemas/member"


def _answer(member: ImageMember) -> Response:
    return Response(body=_body(member))


def _body(member: ImageMember) -> Mapping[str, object]:
    return {
        "image_id": member.image_id,
        "member_id": member.project_id,
        "status": member.status.value,
        "created_at": render.time_text(member.created_at),
        "updated_at": render.time_text(member.updated_at),
        "schema": _SCHEMA,
    }


def _status(text: str) -> MemberStatus:
    try:
        return MemberStatus(text)
    except ValueError:
        known = ", ".join(one.value for one in MemberStatus)
        raise ValueError(f"must be one of {known}, not {text[:40]!r}") from None

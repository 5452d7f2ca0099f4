"""Application credentials; their secrets are shown once, to who makes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from trunkline.api.http import Request, Response
from trunkline.api.identity import access_rules, lists, render
from trunkline.api.parsing import Fields, body_fields
from trunkline.control import application_credentials
from trunkline.control.application_credentials import ApplicationCredentialCreate
from trunkline.control.requests import Unset
from trunkline.control.services import Services

SECRET_CHARS_MAX: Final = 4096
ROLES_MAX: Final = 100
_KNOWN: Final = (
    "name", "description", "secret", "roles", "unrestricted", "expires_at", "access_rules",
    "project_id",
)  # fmt: skip


def list_(svc: Services, request: Request) -> Response:
    """Answer a user's application credentials, to that user and admins."""
    found = application_credentials.list_application_credentials(
        svc, request.caller, request.params["user_id"], request.query.find("name")
    )
    shown = [render.application_credential(request, view) for view in found]
    return Response(body=lists.collection(request, "application_credentials", shown))


def create(svc: Services, request: Request) -> Response:
    """Make an application credential; the secret is in this answer, and nowhere else."""
    fields = body_fields(request, "application_credential")
    secret, made = application_credentials.create_application_credential(
        svc, request.caller, request.params["user_id"], _read(fields, request)
    )
    shown = {**render.application_credential(request, made), "secret": secret}
    return Response(status=201, body={"application_credential": shown})


def show(svc: Services, request: Request) -> Response:
    """Answer one application credential, without its secret."""
    found = application_credentials.get_application_credential(
        svc, request.caller, request.params["user_id"], request.params["id"]
    )
    return Response(body={"application_credential": render.application_credential(request, found)})


def delete(svc: Services, request: Request) -> Response:
    """Delete an application credential, and revoke the tokens that were got by it."""
    application_credentials.delete_application_credential(
        svc, request.caller, request.params["user_id"], request.params["id"]
    )
    return Response(status=204)


def _read(fields: Fields, request: Request) -> ApplicationCredentialCreate:
    fields.require_only(_KNOWN)
    if fields.text("project_id", None) not in (None, request.caller.project_id):
        raise fields.invalid("project_id", "must be the project of the token")
    name = lists.read_name(fields, None)
    if name is None:
        raise fields.invalid("name", "is required")
    roles = fields.objects("roles", None) or []
    if len(roles) > ROLES_MAX:
        raise fields.invalid("roles", f"at most {ROLES_MAX} of them")
    description = lists.read_description(fields)
    unrestricted = fields.boolean("unrestricted", None)
    return ApplicationCredentialCreate(
        name=name,
        description="" if isinstance(description, Unset) else description,
        secret=fields.text("secret", None, length_min=1, length_max=SECRET_CHARS_MAX),
        roles=[_role(role) for role in roles],
        unrestricted=unrestricted is True,
        expires_at=fields.parsed("expires_at", _time, None),
        access_rules=access_rules.read(fields),
    )


def _role(fields: Fields) -> tuple[str, str]:
    return ("id", fields.text("id")) if "id" in fields else ("name", fields.text("name"))


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a time like 2026-12-31T23:59:59") from None
    try:
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be a time like 2026-12-31T23:59:59") from None

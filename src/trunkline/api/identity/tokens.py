"""Tokens: issued, looked at, revoked."""

from __future__ import annotations

from typing import Final

from trunkline.api.http import Request, Response
from trunkline.api.identity import render
from trunkline.api.parsing import Fields, body_fields
from trunkline.control import identity
from trunkline.control.identity import PasswordCredential, Ref, TokenCredential
from trunkline.control.services import Services
from trunkline.domain.errors import Invalid, NotFound, Unauthenticated

PASSWORD_LENGTH_MAX: Final = 4096
TOKEN_LENGTH_MAX: Final = 1024


def issue(svc: Services, request: Request) -> Response:
    """``POST /v3/auth/tokens``."""
    auth = body_fields(request, "auth")
    credential = _credential(auth.fields("identity"), request.client_address)
    text, view = identity.issue_token(svc, credential, _scope(auth))
    body = {"token": render.token(request, view, with_catalog="nocatalog" not in request.query)}
    headers = {"X-Subject-Token": text, "Vary": "X-Auth-Token"}
    return Response(status=201, body=body, headers=headers)


def show(svc: Services, request: Request) -> Response:
    """``GET /v3/auth/tokens``: what the token in X-Subject-Token stands for."""
    text = _subject(request)
    view = identity.get_token(svc, request.caller, text)
    body = {"token": render.token(request, view, with_catalog="nocatalog" not in request.query)}
    return Response(body=body, headers={"X-Subject-Token": text, "Vary": "X-Auth-Token"})


def revoke(svc: Services, request: Request) -> Response:
    """``DELETE /v3/auth/tokens``: make the token in X-Subject-Token worthless."""
    identity.revoke_token(svc, request.caller, _subject(request))
    return Response(status=204)


def catalog(_svc: Services, request: Request) -> Response:
    """``GET /v3/auth/catalog``."""
    return Response(body=render.collection(request, "catalog", render.catalog(request)))


def _subject(request: Request) -> str:
    text = request.headers.get("x-subject-token")
    if not text:
        raise NotFound("token", "(no X-Subject-Token was sent)")
    return text


def _credential(fields: Fields, address: str) -> PasswordCredential | TokenCredential:
    methods = fields.texts("methods")
    if methods == ["password"]:
        user = fields.fields("password").fields("user")
        return PasswordCredential(
            user=_ref(user),
            password=user.text("password", length_max=PASSWORD_LENGTH_MAX),
            address=address,
        )
    if methods == ["token"]:
        return TokenCredential(fields.fields("token").text("id", length_max=TOKEN_LENGTH_MAX))
    if not methods:
        raise fields.invalid("methods", "must name a method: password or token")
    raise Unauthenticated("the methods are password or token, one of them")


def _scope(auth: Fields) -> Ref | None:
    """Return the project that is asked for.

    ``"unscoped"`` gives the user's default project too: here every token speaks for a project.
    """
    if isinstance(auth.raw("scope"), str):
        if auth.text("scope") != "unscoped":
            raise auth.invalid("scope", "must be an object, or unscoped")
        return None
    scope = auth.fields("scope", None)
    if scope is None:
        return None
    if "project" not in scope:
        raise Unauthenticated("tokens are scoped to a project here, not to a domain or the system")
    return _ref(scope.fields("project"))


def _ref(fields: Fields) -> Ref:
    if "id" in fields:
        return Ref(id=fields.text("id", length_max=64))
    domain = fields.fields("domain", None)
    if domain is None:
        raise Invalid(fields.path_of("domain"), "is required beside a name")
    wanted = domain.text("id", None) or domain.text("name")
    return Ref(name=fields.text("name"), domain=wanted)

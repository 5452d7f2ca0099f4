"""Tokens: issued, looked at, revoked."""

from __future__ import annotations

from typing import Final

from trunkline.api.http import Request, Response
from trunkline.api.identity import lists, render
from trunkline.api.parsing import Fields, body_fields
from trunkline.control import identity
from trunkline.control.identity import DomainScope, NoProject, WantedScope
from trunkline.control.logins import (
    Credential,
    PasswordCredential,
    Ref,
    SecretCredential,
    TokenCredential,
)
from trunkline.control.services import Services
from trunkline.domain.errors import Invalid, NotFound, Unauthenticated

PASSWORD_LENGTH_MAX: Final = 4096
TOKEN_LENGTH_MAX: Final = 1024

_METHODS: Final = "password, token or application_credential"


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
    return Response(body=lists.collection(request, "catalog", render.catalog(request)))


def _subject(request: Request) -> str:
    text = request.headers.get("x-subject-token")
    if not text:
        raise NotFound("token", "(no X-Subject-Token was sent)")
    return text


def _credential(fields: Fields, address: str) -> Credential:
    methods = fields.texts("methods")
    match methods:
        case ["password"]:
            user = fields.fields("password").fields("user")
            return PasswordCredential(
                user=_ref(user),
                password=user.text("password", length_max=PASSWORD_LENGTH_MAX),
                address=address,
            )
        case ["application_credential"]:
            own = fields.fields("application_credential")
            by_id = "id" in own
            return SecretCredential(
                id=own.text("id", length_max=64) if by_id else None,
                name=None if by_id else own.text("name"),
                user=None if by_id else _ref(own.fields("user")),
                secret=own.text("secret", length_max=PASSWORD_LENGTH_MAX),
                address=address,
            )
        case ["token"]:
            return TokenCredential(fields.fields("token").text("id", length_max=TOKEN_LENGTH_MAX))
        case []:
            raise fields.invalid("methods", f"must name a method: {_METHODS}")
    raise Unauthenticated(f"the methods are {_METHODS}, one of them")


def _scope(auth: Fields) -> WantedScope:
    """Return what the token is asked for."""
    if isinstance(auth.raw("scope"), str):
        if auth.text("scope") != "unscoped":
            raise auth.invalid("scope", "must be an object, or unscoped")
        return NoProject.UNSCOPED
    scope = auth.fields("scope", None)
    if scope is None:
        return None
    if "project" in scope:
        return _ref(scope.fields("project"))
    if "unscoped" in scope:
        return NoProject.UNSCOPED
    if "system" in scope:
        if scope.fields("system").boolean("all") is not True:
            raise scope.invalid("system.all", "must be true")
        return NoProject.SYSTEM
    if "domain" in scope:
        return DomainScope(_domain_ref(scope.fields("domain")))
    raise Unauthenticated("tokens are for a project, a domain or the system, not for a trust")


def _ref(fields: Fields) -> Ref:
    if "id" in fields:
        return Ref(id=fields.text("id", length_max=64))
    domain = fields.fields("domain", None)
    if domain is None:
        raise Invalid(fields.path_of("domain"), "is required beside a name")
    return Ref(name=fields.text("name"), domain=_domain_ref(domain))


def _domain_ref(fields: Fields) -> Ref:
    if "id" in fields:
        return Ref(id=fields.text("id", length_max=64))
    return Ref(name=fields.text("name"))

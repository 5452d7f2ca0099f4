"""From the credential in a request's headers to who is asking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from trunkline.api.faces import face_of
from trunkline.api.http import Request
from trunkline.api.routing import Auth, Route, split_path
from trunkline.control import enrolment, identity
from trunkline.control.access import require
from trunkline.control.services import Services
from trunkline.domain.access_rules import permits
from trunkline.domain.errors import Forbidden, NotInAccessRules, Unauthenticated
from trunkline.domain.identity import Caller
from trunkline.domain.ids import HostName
from trunkline.domain.policy.rule import Rule


def token_in(headers: Mapping[str, str]) -> str:
    """Return the token in X-Auth-Token; raise `Unauthenticated` if there is none."""
    token = headers.get("x-auth-token")
    if not token:
        raise Unauthenticated
    return token


def authenticate_user(
    svc: Services, route: Route, request: Request, *, elsewhere: Caller | None
) -> Caller:
    """Return who is asking, by the token in X-Auth-Token.

    Args:
        svc: The services.
        route: What is asked for, and whom it is for.
        request: With its token.
        elsewhere: Whom the token speaks for by the identity service elsewhere, if there is one.

    Raises:
        Unauthenticated: No token, or none that is valid now, or its access rules do not allow the
            request.
        Forbidden: The route is for those whom a rule allows it, and this is none; or the token is
            for neither a project nor the system, and the route needs one that is.
    """
    auth, request_id = route.auth, request.request_id
    if elsewhere is not None:
        caller = replace(elsewhere, request_id=request_id, policy=svc.policy)
    else:
        found = identity.caller_from_token(svc, token_in(request.headers), request_id=request_id)
        caller = replace(found, policy=svc.policy)
    if caller.access_rules:
        _require_permitted(caller, route, request)
    if caller.project_id is None and not caller.is_system and auth is not Auth.LOGIN:
        raise Forbidden("this needs a token for a project or the system")
    if isinstance(auth, Rule):
        require(caller, auth)
    return caller


def _require_permitted(caller: Caller, route: Route, request: Request) -> None:
    """Raise `NotInAccessRules` unless a rule allows the request, or it asks what a token is.

    It is the route that is judged, with what stands in the place of its names: so there is no
    way to spell a path by which the rules would see another one than the handler.
    """
    if (request.method, route.path) == ("GET", "/identity/v3/auth/tokens"):
        return  # As Keystone has it: a token can always be looked at.
    segments = [
        request.params[part[1:-1]] if part.startswith("{") else part
        for part in split_path(route.path)
    ]
    service = face_of(segments).value
    if not permits(caller.access_rules, service=service, method=request.method, segments=segments):
        raise NotInAccessRules(service, request.method)


def authenticate_agent(svc: Services, headers: Mapping[str, str]) -> HostName:
    """Return the host whose agent is asking, by ``Authorization: Bearer TOKEN``.

    Raises:
        Unauthenticated: No token, or none of a host.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("an agent's request needs its host's token")
    host_name = enrolment.host_by_token(svc, token.strip())
    if host_name is None:
        raise Unauthenticated("this token is no host's")
    return host_name

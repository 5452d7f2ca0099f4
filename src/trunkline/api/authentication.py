"""From the credential in a request's headers to who is asking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from trunkline.api.routing import Auth
from trunkline.control import enrolment, identity
from trunkline.control.access import require
from trunkline.control.services import Services
from trunkline.domain.errors import Forbidden, Unauthenticated
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
    svc: Services,
    auth: Auth | Rule,
    headers: Mapping[str, str],
    *,
    request_id: str,
    elsewhere: Caller | None,
) -> Caller:
    """Return who is asking, by the token in X-Auth-Token.

    Args:
        svc: The services.
        auth: Whom the route is for.
        headers: The request's.
        request_id: The request's.
        elsewhere: Whom the token speaks for by the identity service elsewhere, if there is one.

    Raises:
        Unauthenticated: No token, or none that is valid now.
        Forbidden: The route is for those whom a rule allows it, and this is none; or the token is
            for neither a project nor the system, and the route needs one that is.
    """
    if elsewhere is not None:
        caller = replace(elsewhere, request_id=request_id, policy=svc.policy)
    else:
        found = identity.caller_from_token(svc, token_in(headers), request_id=request_id)
        caller = replace(found, policy=svc.policy)
    if caller.project_id is None and not caller.is_system and auth is not Auth.LOGIN:
        raise Forbidden("this needs a token for a project or the system")
    if isinstance(auth, Rule):
        require(caller, auth)
    return caller


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

"""From the credential in a request's headers to who is asking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from trunkline.api.routing import Auth
from trunkline.control import enrolment, identity
from trunkline.control.access import require
from trunkline.control.services import Services
from trunkline.domain.errors import Unauthenticated
from trunkline.domain.identity import Caller
from trunkline.domain.ids import HostName
from trunkline.domain.policy.rule import Rule


def authenticate_user(
    svc: Services, auth: Auth | Rule, headers: Mapping[str, str], *, request_id: str
) -> Caller:
    """Return who is asking, by the token in X-Auth-Token.

    Raises:
        Unauthenticated: No token, or none that is valid now.
        Forbidden: The route is for those whom a rule allows it, and this is none.
    """
    token = headers.get("x-auth-token")
    if not token:
        raise Unauthenticated
    caller = identity.caller_from_token(svc, token, request_id=request_id)
    caller = replace(caller, policy=svc.policy)
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

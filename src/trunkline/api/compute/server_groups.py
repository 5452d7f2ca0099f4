"""Handlers of ``/os-server-groups``."""

from __future__ import annotations

from typing import Any, Final

from trunkline.api.compute.server_create import server_name
from trunkline.api.http import Request, Response
from trunkline.api.parsing import Fields, body_fields
from trunkline.api.versions import Microversion
from trunkline.control import server_groups
from trunkline.control.server_groups import ServerGroupView
from trunkline.control.services import Services
from trunkline.domain.errors import Invalid
from trunkline.domain.host import COUNT_MAX
from trunkline.domain.server_group import GroupPolicy

_SOFT_SINCE: Final = 15
_RULES_SINCE: Final = 64  # With one `policy` instead of a list of `policies`.
_MAX_PER_HOST: Final = "max_server_per_host"


def list_(svc: Services, request: Request) -> Response:
    """Answer ``GET /os-server-groups``; pages are by ``limit`` and ``offset``."""
    query = request.query
    known = ("all_projects", "limit", "offset")
    for name in query.names() if request.version.minor >= 75 else ():
        if name not in known:
            raise Invalid(name, f"unknown; there are {', '.join(known)}")
    found = server_groups.list_server_groups(
        svc,
        request.caller,
        all_projects="all_projects" in query,
        limit=_number("limit", query.find("limit")),
        offset=_number("offset", query.find("offset")) or 0,
    )
    return Response(body={"server_groups": [_body(view, request.version) for view in found]})


def _number(name: str, value: str | None) -> int | None:
    if value is None:
        return None
    if not (0 < len(value) <= 9 and value.isascii() and value.isdecimal()):
        raise Invalid(name, "must be a whole number, not negative")
    return int(value)


def create(svc: Services, request: Request) -> Response:
    """Answer ``POST /os-server-groups``."""
    version = request.version
    body = body_fields(request)
    body.require_only(("server_group",))
    asked = body.fields("server_group")
    if version.minor >= _RULES_SINCE:
        asked.require_only(("name", "policy", "rules"))
        policy, most = _policy(asked, "policy", asked.raw("policy"), version), _max_per_host(asked)
    else:
        asked.require_only(("name", "policies"))
        policies = asked.raw("policies")
        if not isinstance(policies, list) or len(policies) != 1:
            raise asked.invalid("policies", "must be a list of one policy")
        policy, most = _policy(asked, "policies", policies[0], version), None
    made = server_groups.create_server_group(
        svc, request.caller, server_name(asked), policy, max_per_host=most
    )
    return Response(body={"server_group": _body(made, version)})


def _policy(asked: Fields, field: str, value: object, version: Microversion) -> GroupPolicy:
    known = [
        policy.value for policy in GroupPolicy if version.minor >= _SOFT_SINCE or not policy.is_soft
    ]
    if value not in known:
        raise asked.invalid(field, f"must be one of {', '.join(known)}")
    return GroupPolicy(value)


def _max_per_host(asked: Fields) -> int | None:
    rules = asked.fields("rules", None)
    if rules is None:
        return None
    rules.require_only((_MAX_PER_HOST,))
    return rules.integer(_MAX_PER_HOST, None, low=1, high=COUNT_MAX)


def show(svc: Services, request: Request) -> Response:
    """Answer ``GET /os-server-groups/{id}``."""
    view = server_groups.get_server_group(svc, request.caller, request.params["id"])
    return Response(body={"server_group": _body(view, request.version)})


def delete(svc: Services, request: Request) -> Response:
    """Answer ``DELETE /os-server-groups/{id}``."""
    server_groups.delete_server_group(svc, request.caller, request.params["id"])
    return Response(status=204)


def _body(view: ServerGroupView, version: Microversion) -> dict[str, Any]:
    group = view.group
    body: dict[str, Any] = {"id": group.id, "name": group.name, "members": list(view.members)}
    if version.minor >= _RULES_SINCE:
        rules = {} if group.max_per_host is None else {_MAX_PER_HOST: group.max_per_host}
        body |= {"policy": group.policy.value, "rules": rules}
    else:
        body |= {"policies": [group.policy.value], "metadata": {}}
    if version.minor >= 13:
        body |= {"project_id": group.project_id, "user_id": group.user_id}
    return body

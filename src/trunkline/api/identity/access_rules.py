"""Access rules of application credentials: what may be asked by them."""

from __future__ import annotations

from typing import Final

from trunkline.api.http import Request, Response
from trunkline.api.identity import lists, render
from trunkline.api.parsing import Fields
from trunkline.control import access_rules
from trunkline.control.access_rules import KnownRule
from trunkline.control.services import Services
from trunkline.domain.access_rules import (
    SERVICE_CHARACTERS_MAX,
    AccessMethod,
    AccessRule,
    parse_path,
)
from trunkline.domain.ids import AccessRuleId

RULES_MAX: Final = 100  # Of one application credential: each request by it looks at all of them.
_FILTERS: Final = ("service", "method", "path")


def list_(svc: Services, request: Request) -> Response:
    """Answer a user's access rules, to that user and admins."""
    asked = {name: value for name in _FILTERS if (value := request.query.find(name)) is not None}
    found = access_rules.list_access_rules(svc, request.caller, request.params["user_id"], asked)
    shown = [render.access_rule(request, request.params["user_id"], rule) for rule in found]
    return Response(body=lists.collection(request, "access_rules", shown))


def show(svc: Services, request: Request) -> Response:
    """Answer one access rule."""
    user_id = request.params["user_id"]
    found = access_rules.get_access_rule(svc, request.caller, user_id, request.params["id"])
    return Response(body={"access_rule": render.access_rule(request, user_id, found)})


def delete(svc: Services, request: Request) -> Response:
    """Delete an access rule that no application credential has."""
    access_rules.delete_access_rule(
        svc, request.caller, request.params["user_id"], request.params["id"]
    )
    return Response(status=204)


def read(fields: Fields) -> list[AccessRule | KnownRule]:
    """Read those of a new application credential; none and an empty list are the same."""
    wanted = fields.objects("access_rules", None) or []
    if len(wanted) > RULES_MAX:
        raise fields.invalid("access_rules", f"at most {RULES_MAX} of them")
    return [_rule(each) for each in wanted]


def _rule(fields: Fields) -> AccessRule | KnownRule:
    """Read one; an ID is of a rule that the user has, whatever stands beside it."""
    fields.require_only(("id", "service", "method", "path"))
    known = fields.text("id", None, length_max=64)
    if known is not None:
        return KnownRule(known)
    return AccessRule(
        id=AccessRuleId(""),
        service=fields.text("service", length_min=1, length_max=SERVICE_CHARACTERS_MAX),
        method=fields.parsed("method", AccessMethod),
        path=fields.parsed("path", parse_path),
    )

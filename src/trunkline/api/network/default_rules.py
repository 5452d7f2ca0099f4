"""``/network/v2.0/default-security-group-rules``: what new security groups begin with"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from trunkline.api.http import Request, Response
from trunkline.api.listing import Filter, boolean, integer
from trunkline.api.network.common import (
    Collection,
    Item,
    answer_item,
    answer_list,
    update_fields,
)
from trunkline.api.network.security_groups import (
    PERMISSION_FIELDS,
    parse_permission,
    render_permission,
)
from trunkline.control.default_rules import (
    DefaultRuleCreate,
    create_default_rule,
    delete_default_rule,
    get_default_rule,
    list_default_rules,
)
from trunkline.control.services import Services
from trunkline.domain.security_group import DefaultRule

_TEXTS: Final = (
    "id", "description", "direction", "ethertype", "protocol", "remote_ip_prefix",
    "remote_group_id",
)  # fmt: skip
_PORTS: Final = ("port_range_min", "port_range_max")
_USED: Final = MappingProxyType({
    "used_in_default_sg": "in_default", "used_in_non_default_sg": "in_others",
})  # fmt: skip

RULES: Final = Collection(
    name="default_security_group_rules",
    member="default_security_group_rule",
    filters={
        **{name: Filter(name) for name in _TEXTS},
        **{name: Filter(name, integer) for name in _PORTS},
        **{name: Filter(field, boolean) for name, field in _USED.items()},
    },
    sort_keys={name: name for name in (*_TEXTS, *_PORTS) if name != "description"},
    inert={"remote_address_group_id": (None,)},
)


def index(svc: Services, request: Request) -> Response:
    """Answer a page of them."""
    return answer_list(
        request, RULES, lambda query: list_default_rules(svc, request.caller, query), _render
    )


def create(svc: Services, request: Request) -> Response:
    """Have new security groups begin with one rule more."""
    fields = update_fields(request, RULES)
    # Whose it is said to be does not matter: it is of no project.
    fields.require_only((*PERMISSION_FIELDS, *_USED, "project_id", "tenant_id"))
    asked = DefaultRuleCreate(
        **parse_permission(fields),
        in_default=fields.boolean("used_in_default_sg", default=False),
        in_others=fields.boolean("used_in_non_default_sg", default=True),
    )
    rule = create_default_rule(svc, request.caller, asked)
    return answer_item(request, RULES, _render(rule), status=201)


def show(svc: Services, request: Request) -> Response:
    """Answer one of them."""
    rule = get_default_rule(svc, request.caller, request.params["id"])
    return answer_item(request, RULES, _render(rule))


def remove(svc: Services, request: Request) -> Response:
    """Have new security groups begin with one rule less."""
    delete_default_rule(svc, request.caller, request.params["id"])
    return Response(status=204)


def _render(rule: DefaultRule) -> Item:
    return {
        "id": rule.id,
        **render_permission(rule),
        **{name: getattr(rule, field) for name, field in _USED.items()},
    }

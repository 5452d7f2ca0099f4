"""``/network/v2.0/security-groups`` and ``/network/v2.0/security-group-rules``"""

from __future__ import annotations

from ipaddress import ip_interface
from typing import Final

from trunkline.api.http import Request, Response
from trunkline.api.listing import Filter, boolean, integer
from trunkline.api.network.common import (
    OWNED_FILTERS,
    OWNED_SORT_KEYS,
    Collection,
    Item,
    answer_created,
    answer_item,
    answer_list,
    precondition,
    project_of,
    seen_revision,
    timestamp,
    update_fields,
)
from trunkline.api.parsing import Fields
from trunkline.control.requests import UNSET
from trunkline.control.security_groups import (
    SecurityGroupCreate,
    SecurityGroupRuleCreate,
    SecurityGroupUpdate,
    create_groups,
    create_rules,
    delete_group,
    delete_rule,
    get_group,
    get_rule,
    list_groups,
    list_rules,
    update_group,
)
from trunkline.control.services import Services
from trunkline.domain.ids import ProjectId, SecurityGroupId
from trunkline.domain.qos import Direction
from trunkline.domain.security_group import (
    PROTOCOL_NUMBERS,
    Ethertype,
    Permission,
    SecurityGroup,
    SecurityGroupRule,
)

_OWN: Final = ("name", "description", "stateful")
_PROJECT: Final = ("project_id", "tenant_id")
_PORTS: Final = ("port_range_min", "port_range_max")
_REMOTE: Final = ("remote_ip_prefix", "remote_group_id")
PERMISSION_FIELDS: Final = (
    "direction", "ethertype", "protocol", "description", *_PORTS, *_REMOTE,
)  # fmt: skip

GROUPS: Final = Collection(
    name="security_groups",
    member="security_group",
    filters={**OWNED_FILTERS, "stateful": Filter("stateful", boolean)},
    sort_keys=OWNED_SORT_KEYS,
    constants={"shared": "False"},
    tagged=True,
)
RULES: Final = Collection(
    name="security_group_rules",
    member="security_group_rule",
    filters={
        **{name: OWNED_FILTERS[name] for name in OWNED_FILTERS if name != "name"},
        "security_group_id": Filter("group_id"),
        "direction": Filter("direction"),
        "ethertype": Filter("ethertype"),
        "protocol": Filter("protocol"),
        **{name: Filter(name, integer) for name in _PORTS},
        **{name: Filter(name) for name in _REMOTE},
    },
    sort_keys={
        **{name: OWNED_SORT_KEYS[name] for name in OWNED_SORT_KEYS if name != "name"},
        "security_group_id": "group_id",
        **{name: name for name in ("direction", "ethertype", "protocol", *_PORTS)},
    },
    inert={"remote_address_group_id": (None,)},
)


def index(svc: Services, request: Request) -> Response:
    """Answer a page of the groups that the caller may see."""
    return answer_list(
        request, GROUPS, lambda query: list_groups(svc, request.caller, query), render_group
    )


def create(svc: Services, request: Request) -> Response:
    """Make one group, or several."""
    return answer_created(
        request,
        GROUPS,
        _parse_group,
        lambda wanted: [
            render_group(group) for group in create_groups(svc, request.caller, wanted)
        ],
    )


def show(svc: Services, request: Request) -> Response:
    """Answer one group with its rules."""
    group = get_group(svc, request.caller, request.params["id"])
    return answer_item(request, GROUPS, render_group(group))


def update(svc: Services, request: Request) -> Response:
    """Change a group."""
    fields = update_fields(request, GROUPS)
    fields.require_only(_OWN)
    seen = seen_revision(request)
    changes = SecurityGroupUpdate(
        name=fields.text("name", UNSET),
        description=fields.text("description", UNSET),
        stateful=fields.boolean("stateful", UNSET),
        seen_revision=seen,
    )
    with precondition(seen):
        group = update_group(svc, request.caller, request.params["id"], changes)
    return answer_item(request, GROUPS, render_group(group))


def remove(svc: Services, request: Request) -> Response:
    """Delete a group with its rules."""
    seen = seen_revision(request)
    with precondition(seen):
        delete_group(svc, request.caller, request.params["id"], seen_revision=seen)
    return Response(status=204)


def list_all_rules(svc: Services, request: Request) -> Response:
    """Answer a page of the rules that the caller may see."""
    return answer_list(
        request, RULES, lambda query: list_rules(svc, request.caller, query), render_rule
    )


def create_some_rules(svc: Services, request: Request) -> Response:
    """Add one rule to a group, or several."""
    return answer_created(
        request,
        RULES,
        _parse_rule,
        lambda wanted: [render_rule(rule) for rule in create_rules(svc, request.caller, wanted)],
    )


def show_rule(svc: Services, request: Request) -> Response:
    """Answer one rule."""
    rule = get_rule(svc, request.caller, request.params["id"])
    return answer_item(request, RULES, render_rule(rule))


def remove_rule(svc: Services, request: Request) -> Response:
    """Take a rule away."""
    delete_rule(svc, request.caller, request.params["id"])
    return Response(status=204)


def render_group(group: SecurityGroup) -> Item:
    """Render a group with its rules."""
    return {
        "id": group.id,
        "name": group.name,
        "description": group.description,
        "project_id": group.project_id,
        "tenant_id": group.project_id,
        "stateful": group.stateful,
        "shared": False,
        "security_group_rules": [render_rule(rule) for rule in group.rules],
        "tags": list(group.tags),
        "created_at": timestamp(group.created_at),
        "updated_at": timestamp(group.updated_at),
        "revision_number": group.revision,
    }


def render_rule(rule: SecurityGroupRule) -> Item:
    """Render a rule."""
    return {
        "id": rule.id,
        "security_group_id": rule.group_id,
        "project_id": rule.project_id,
        "tenant_id": rule.project_id,
        **render_permission(rule),
        "normalized_cidr": rule.normalized_cidr,
        "created_at": timestamp(rule.created_at),
        "updated_at": timestamp(rule.updated_at),
        "revision_number": rule.revision,
    }


def render_permission(rule: Permission) -> Item:
    """Render what rules of groups and default rules have in common."""
    return {
        "direction": rule.direction.value,
        "ethertype": rule.ethertype.value,
        "protocol": rule.protocol,
        "port_range_min": rule.port_range_min,
        "port_range_max": rule.port_range_max,
        "remote_ip_prefix": rule.remote_ip_prefix,
        "remote_group_id": rule.remote_group_id,
        "remote_address_group_id": None,
        "description": rule.description,
    }


def parse_permission(fields: Fields) -> Item:
    """Read the same, as the requests of the use cases have it."""
    remote = fields.text("remote_group_id", None, length_max=64)
    ethertype = fields.parsed("ethertype", _parse_ethertype, Ethertype.IPV4)
    return {
        "direction": fields.parsed("direction", Direction),
        "ethertype": ethertype,
        "protocol": _parse_protocol(fields, ethertype),
        # Any number: what the protocol can have is for the use case to say.
        **{name: fields.integer(name, None, low=-(2**31), high=2**31 - 1) for name in _PORTS},
        "remote_ip_prefix": fields.parsed("remote_ip_prefix", _parse_prefix, None),
        "remote_group_id": None if remote is None else SecurityGroupId(remote),
        "description": fields.text("description", ""),
    }


def _parse_group(fields: Fields) -> SecurityGroupCreate:
    fields.require_only((*_OWN, *_PROJECT))
    project_id = project_of(fields)
    return SecurityGroupCreate(
        name=fields.text("name", ""),
        description=fields.text("description", ""),
        project_id=None if project_id is None else ProjectId(project_id),
        stateful=fields.boolean("stateful", default=True),
    )


def _parse_rule(fields: Fields) -> SecurityGroupRuleCreate:
    fields.require_only(("security_group_id", *PERMISSION_FIELDS, *_PROJECT))
    project_id = project_of(fields)
    return SecurityGroupRuleCreate(
        group_id=SecurityGroupId(fields.uuid("security_group_id")),
        project_id=None if project_id is None else ProjectId(project_id),
        **parse_permission(fields),
    )


def _parse_ethertype(text: str) -> Ethertype:
    for ethertype in Ethertype:
        if ethertype.value.lower() == text.lower():
            return ethertype
    raise ValueError(f"must be IPv4 or IPv6, not {text[:60]!r}")


def _parse_protocol(fields: Fields, ethertype: Ethertype) -> str | None:
    """Read a name or a number, which is kept as it was said; None, or ``any``: all protocols."""
    said = fields.raw("protocol")
    if isinstance(said, int) and not isinstance(said, bool):
        said = str(said)
    if said is None or said in ("", "any"):
        return None
    if isinstance(said, str):
        name = said.lower()
        if name in PROTOCOL_NUMBERS:
            # An old name, which Neutron does not keep.
            legacy = name == "icmpv6" and ethertype is Ethertype.IPV6
            return "ipv6-icmp" if legacy else name
        if name.isascii() and name.isdecimal() and len(name) <= 3 and int(name) <= 255:
            return str(int(name))
    known = ", ".join(sorted(PROTOCOL_NUMBERS))
    raise fields.invalid("protocol", f"must be a number of 0 to 255, or one of {known}")


def _parse_prefix(text: str) -> str:
    try:
        if "%" in text or len(text) > 64:
            raise ValueError
        return str(ip_interface(text))
    except ValueError:
        raise ValueError(f"not a CIDR like 192.0.2.0/24: {text[:60]!r}") from None

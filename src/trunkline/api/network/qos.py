"""``/network/v2.0/qos``: policies, their rules, and which types of rules there are."""

from __future__ import annotations

from typing import Any, Final

from trunkline.api.http import Request, Response
from trunkline.api.listing import Filter, boolean, integer, list_query, select_fields
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
from trunkline.api.parsing import Fields, body_fields
from trunkline.control.access import require
from trunkline.control.qos_policies import (
    QosPolicyCreate,
    QosPolicyUpdate,
    QosRuleCreate,
    QosRuleUpdate,
    create_policies,
    create_rule,
    delete_policy,
    delete_rule,
    get_policy,
    get_rule,
    list_policies,
    update_policy,
    update_rule,
)
from trunkline.control.requests import UNSET
from trunkline.control.services import Services
from trunkline.domain.errors import Invalid, NotFound
from trunkline.domain.host import COUNT_MAX
from trunkline.domain.ids import ProjectId
from trunkline.domain.policy import network_rules
from trunkline.domain.qos import Direction, QosPolicy, QosRule, QosRuleType

_OWN: Final = ("name", "description", "shared", "is_default")
_KBPS: Final = {
    QosRuleType.BANDWIDTH_LIMIT: "max_kbps",
    QosRuleType.MINIMUM_BANDWIDTH: "min_kbps",
}
# Types that Neutron knows, no card has a setting for, and what to do instead.
_INSTEAD: Final = {
    "minimum_packet_rate_rules": "no card guarantees packets a second to a VF; guarantee the"
    " bandwidth that they take, by a minimum_bandwidth rule, or give the port a whole PF, by VNIC"
    " type direct-physical",
    "packet_rate_limit_rules": "no card limits packets a second of a VF; limit the bandwidth that"
    " they take, by a bandwidth_limit rule",
    "dscp_marking_rules": "no card marks what a VF sends; mark it in the guest, or at the switch",
}
_BURST: Final = "max_burst_kbps"

POLICIES: Final = Collection(
    name="policies",
    member="policy",
    filters={
        **OWNED_FILTERS,
        "shared": Filter("shared", boolean),
        "is_default": Filter("is_default", boolean),
    },
    sort_keys={
        **OWNED_SORT_KEYS,
        "shared": "shared",
    },
    inert={"tags": ([],)},
    tagged=True,
)


def index(svc: Services, request: Request) -> Response:
    """Answer a page of the policies that the caller may see."""
    return answer_list(
        request, POLICIES, lambda query: list_policies(svc, request.caller, query), render_policy
    )


def create(svc: Services, request: Request) -> Response:
    """Make a policy."""
    return answer_created(
        request,
        POLICIES,
        _parse_policy,
        lambda wanted: [
            render_policy(policy) for policy in create_policies(svc, request.caller, wanted)
        ],
    )


def show(svc: Services, request: Request) -> Response:
    """Answer one policy with its rules."""
    policy = get_policy(svc, request.caller, request.params["id"])
    return answer_item(request, POLICIES, render_policy(policy))


def update(svc: Services, request: Request) -> Response:
    """Change a policy."""
    fields = update_fields(request, POLICIES)
    fields.require_only(_OWN)
    seen = seen_revision(request)
    changes = QosPolicyUpdate(
        name=fields.text("name", UNSET),
        description=fields.text("description", UNSET),
        shared=fields.boolean("shared", UNSET),
        is_default=fields.boolean("is_default", UNSET),
        seen_revision=seen,
    )
    with precondition(seen):
        policy = update_policy(svc, request.caller, request.params["id"], changes)
    return answer_item(request, POLICIES, render_policy(policy))


def remove(svc: Services, request: Request) -> Response:
    """Delete a policy."""
    seen = seen_revision(request)
    with precondition(seen):
        delete_policy(svc, request.caller, request.params["id"], seen_revision=seen)
    return Response(status=204)


def list_rules(svc: Services, request: Request) -> Response:
    """Answer the rules of one type of a policy: one for each direction at most."""
    type_ = _type(request)
    filters = {
        "id": Filter("id"),
        "direction": Filter("direction"),
        _KBPS[type_]: Filter(_KBPS[type_], integer),
    }
    query = list_query(
        request, filters=filters, sort_keys={"id": "id"}, visible_to=None, ignored=()
    )
    policy = get_policy(svc, request.caller, request.params["policy_id"])
    rules = [_render_rule(rule) for rule in policy.rules if rule.type is type_]
    found = [
        rule for rule in rules if all(rule[name] in values for name, values in query.equals.items())
    ]
    return Response(body={f"{type_.value}_rules": select_fields(request, found)})


def create_one_rule(svc: Services, request: Request) -> Response:
    """Add a rule to a policy."""
    if request.params["rules"] in _INSTEAD:
        get_policy(svc, request.caller, request.params["policy_id"])  # It must be there, first.
    type_ = _type(request)
    fields = body_fields(request, f"{type_.value}_rule")
    _require_known(fields, type_)
    asked = QosRuleCreate(
        type=type_,
        kbps=fields.integer(_KBPS[type_], low=0, high=COUNT_MAX),
        direction=fields.parsed("direction", Direction, Direction.EGRESS),
        burst_kbits=fields.integer(_BURST, 0, low=0, high=COUNT_MAX),
    )
    rule = create_rule(svc, request.caller, request.params["policy_id"], asked)
    return _answer_rule(rule, status=201)


def show_rule(svc: Services, request: Request) -> Response:
    """Answer one rule."""
    policy_id, rule_id = request.params["policy_id"], request.params["id"]
    return _answer_rule(_of_type(request, get_rule(svc, request.caller, policy_id, rule_id)))


def update_one_rule(svc: Services, request: Request) -> Response:
    """Change a rule."""
    policy_id, rule_id = request.params["policy_id"], request.params["id"]
    if request.params["rules"] in _INSTEAD:
        get_rule(svc, request.caller, policy_id, rule_id)  # It is there, or of another type.
    type_ = _type(request)
    fields = body_fields(request, f"{type_.value}_rule")
    _require_known(fields, type_)
    changes = QosRuleUpdate(
        kbps=fields.integer(_KBPS[type_], UNSET, low=0, high=COUNT_MAX),
        direction=fields.parsed("direction", Direction, UNSET),
        burst_kbits=fields.integer(_BURST, UNSET, low=0, high=COUNT_MAX),
    )
    _of_type(request, get_rule(svc, request.caller, policy_id, rule_id))
    return _answer_rule(update_rule(svc, request.caller, policy_id, rule_id, changes))


def remove_rule(svc: Services, request: Request) -> Response:
    """Delete a rule."""
    policy_id, rule_id = request.params["policy_id"], request.params["id"]
    _of_type(request, get_rule(svc, request.caller, policy_id, rule_id))
    delete_rule(svc, request.caller, policy_id, rule_id)
    return Response(status=204)


def list_types(_svc: Services, request: Request) -> Response:
    """Answer the types of rules; all that there are can be used."""
    items = [{"type": type_.value} for type_ in QosRuleType]
    return Response(body={"rule_types": select_fields(request, items)})


def show_type(_svc: Services, request: Request) -> Response:
    """Answer what a type of rules can say; to admins, as Neutron does."""
    require(request.caller, network_rules.GET_RULE_TYPE)
    name = request.params["type"]
    for type_ in QosRuleType:
        if type_.value == name:
            return Response(body={"rule_type": _render_type(type_)})
    raise NotFound("QoS rule type", name)


def render_policy(policy: QosPolicy) -> Item:
    """Render a policy."""
    return {
        "id": policy.id,
        "name": policy.name,
        "description": policy.description,
        "project_id": policy.project_id,
        "tenant_id": policy.project_id,
        "shared": policy.shared,
        "is_default": policy.is_default,
        "rules": [
            _render_rule(rule) | {"type": rule.type.value, "qos_policy_id": policy.id}
            for rule in policy.rules
        ],
        "tags": list(policy.tags),
        "created_at": timestamp(policy.created_at),
        "updated_at": timestamp(policy.updated_at),
        "revision_number": policy.revision,
    }


def _render_rule(rule: QosRule) -> Item:
    item: Item = {"id": rule.id, "direction": rule.direction.value, _KBPS[rule.type]: rule.kbps}
    if rule.type is QosRuleType.BANDWIDTH_LIMIT:
        item[_BURST] = rule.burst_kbits
    return item


def _render_type(type_: QosRuleType) -> Item:
    """Say what cards can do of it, in the form in which Neutron's drivers tell it."""
    amount = {"start": 0, "end": COUNT_MAX}
    parameters: list[Item] = [
        {
            "parameter_name": _KBPS[type_],
            "parameter_type": "range",
            "parameter_values": amount,
        }
    ]
    directions = [each.value for each in Direction]
    if type_ is QosRuleType.BANDWIDTH_LIMIT:
        directions = [Direction.EGRESS.value]  # No card limits what comes in to a VF.
    parameters.append(
        {
            "parameter_name": "direction",
            "parameter_type": "choices",
            "parameter_values": directions,
        }
    )
    return {
        "type": type_.value,
        "drivers": [{"name": "trunkline", "supported_parameters": parameters}],
    }


def _parse_policy(fields: Fields) -> QosPolicyCreate:
    fields.require_only((*_OWN, "project_id", "tenant_id"))
    project_id = project_of(fields)
    return QosPolicyCreate(
        name=fields.text("name", ""),
        project_id=None if project_id is None else ProjectId(project_id),
        description=fields.text("description", ""),
        shared=fields.boolean("shared", default=False),
        is_default=fields.boolean("is_default", default=False),
    )


def _require_known(fields: Fields, type_: QosRuleType) -> None:
    burst = [_BURST] if type_ is QosRuleType.BANDWIDTH_LIMIT else []
    fields.require_only((_KBPS[type_], "direction", *burst))


def _type(request: Request) -> QosRuleType:
    name = request.params["rules"]
    for type_ in QosRuleType:
        if f"{type_.value}_rules" == name:
            return type_
    known = " and ".join(type_.value for type_ in QosRuleType)
    why = _INSTEAD.get(name, "there are no such rules here")
    raise Invalid(name, f"{why}: of QoS rules, {known} are served")


def _of_type(request: Request, rule: QosRule) -> QosRule:
    if rule.type is not _type(request):
        raise NotFound(f"{_type(request).value} rule", rule.id)
    return rule


def _answer_rule(rule: QosRule, *, status: int = 200) -> Response:
    body: dict[str, Any] = {f"{rule.type.value}_rule": _render_rule(rule)}
    return Response(status=status, body=body)

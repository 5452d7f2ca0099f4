"""QoS policies and their rules: made and changed by admins, used by everybody who may see them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from trunkline.control import audit
from trunkline.control.access import of_project, require, require_change, require_seen, visible_by
from trunkline.control.audit import actor_of
from trunkline.control.generations import touch_host
from trunkline.control.locking import lock_ports, require_revision
from trunkline.control.qos import follow
from trunkline.control.races import write_as_seen, write_until_won
from trunkline.control.requests import UNSET, Unset, given_fields
from trunkline.control.services import Services
from trunkline.control.sharing import is_shared, share_with_everybody
from trunkline.domain.errors import GenerationMoved, NotFound, QosRulesConflict
from trunkline.domain.identity import Caller
from trunkline.domain.ids import ProjectId, QosPolicyId, QosRuleId
from trunkline.domain.listing import ListQuery
from trunkline.domain.policy import network_rules as rules
from trunkline.domain.policy.rule import Rule
from trunkline.domain.qos import Direction, QosPolicy, QosRule, QosRuleType
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class QosPolicyCreate:
    """A new policy, without rules."""

    name: str = ""
    project_id: ProjectId | None = None  # None: the caller's.
    description: str = ""
    shared: bool = False
    is_default: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QosPolicyUpdate:
    """Changes to a policy; UNSET leaves a field alone."""

    name: str | Unset = UNSET
    description: str | Unset = UNSET
    shared: bool | Unset = UNSET
    is_default: bool | Unset = UNSET
    seen_revision: int | None = None  # If-Match: refuse unless the policy is at this revision.


@dataclass(frozen=True, slots=True, kw_only=True)
class QosRuleCreate:
    """A new rule."""

    type: QosRuleType
    kbps: int
    direction: Direction = Direction.EGRESS
    burst_kbits: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class QosRuleUpdate:
    """Changes to a rule; UNSET leaves a field alone."""

    kbps: int | Unset = UNSET
    direction: Direction | Unset = UNSET
    burst_kbits: int | Unset = UNSET


def create_policies(
    svc: Services, caller: Caller, asked: Sequence[QosPolicyCreate]
) -> list[QosPolicy]:
    """Make all of these policies, or none.

    Raises:
        Forbidden: The caller is no admin.
        AlreadyExists: One is to be the default of a project that has one.
    """
    policies = [_new_policy(svc, caller, each) for each in asked]
    for policy in policies:
        require(caller, rules.CREATE_POLICY, of_project(policy.project_id))

    def create(tx: Transaction) -> list[QosPolicy]:
        for policy in policies:
            tx.qos.insert(policy)
            share_with_everybody(tx, svc, policy, shared=policy.shared)
            _audit(tx, svc, caller, "qos_policy.create", policy)
        return policies

    return svc.store.write(create)


def _new_policy(svc: Services, caller: Caller, asked: QosPolicyCreate) -> QosPolicy:
    now = svc.clock.now()
    return QosPolicy(
        id=QosPolicyId(svc.ids.new_id()),
        project_id=asked.project_id or caller.own_project,
        name=asked.name,
        description=asked.description,
        shared=asked.shared,
        is_default=asked.is_default,
        created_at=now,
        updated_at=now,
    )


def get_policy(svc: Services, caller: Caller, policy_id: str) -> QosPolicy:
    """Return a policy of the caller's project, or a shared one."""
    return _as_seen(caller, svc.store.read(lambda tx: _visible(tx, caller, policy_id)))


def list_policies(svc: Services, caller: Caller, query: ListQuery) -> list[QosPolicy]:
    """Return a page of the policies that the caller may see."""
    query = replace(query, visible_to=visible_by(caller, rules.GET_POLICY))
    found = svc.store.read(lambda tx: tx.qos.page(query))
    return [_as_seen(caller, policy) for policy in found]


def update_policy(
    svc: Services, caller: Caller, policy_id: str, changes: QosPolicyUpdate
) -> QosPolicy:
    """Change a policy's own fields.

    Raises:
        Forbidden: The caller is no admin.
        GenerationMoved: It is not at `changes.seen_revision`.
        AlreadyExists: It is to be the default of a project that has another.
        InUse: It is to be unshared while other projects use it.
    """
    given = given_fields(changes, "name", "description", "shared", "is_default")

    def update(tx: Transaction) -> QosPolicy:
        policy = tx.qos.get(policy_id, Lock.EXCLUSIVE)
        _require_change(tx, caller, rules.UPDATE_POLICY, policy)
        require_revision("QoS policy", policy, changes.seen_revision)
        if isinstance(changes.shared, bool):
            share_with_everybody(tx, svc, policy, shared=changes.shared)
        changed = _touched(svc, replace(policy, **given))
        tx.qos.update(changed, seen=policy)
        _audit(tx, svc, caller, "qos_policy.update", changed)
        return changed

    return write_as_seen(svc.store, update, seen_revision=changes.seen_revision)


def delete_policy(
    svc: Services, caller: Caller, policy_id: str, *, seen_revision: int | None = None
) -> None:
    """Delete a policy that nobody has; raise `InUse` if a port or a network has it."""

    def delete(tx: Transaction) -> None:
        policy = tx.qos.get(policy_id, Lock.EXCLUSIVE)
        _require_change(tx, caller, rules.DELETE_POLICY, policy)
        require_revision("QoS policy", policy, seen_revision)
        tx.qos.delete(policy)
        tx.shares.forget(policy.id)
        _audit(tx, svc, caller, "qos_policy.delete", policy)

    svc.store.write(delete)


def get_rule(svc: Services, caller: Caller, policy_id: str, rule_id: str) -> QosRule:
    """Return one rule of a policy that the caller may see."""
    return svc.store.read(lambda tx: _rule(_visible(tx, caller, policy_id), rule_id))


def create_rule(svc: Services, caller: Caller, policy_id: str, asked: QosRuleCreate) -> QosRule:
    """Add a rule to a policy. Ports that have the policy, and are bound, follow it at once.

    Raises:
        Forbidden: The caller is no admin.
        AlreadyExists: There is one of its type and direction.
        QosRulesConflict: Another rule contradicts it.
        QosNotSupported: A port that has the policy can't have the rule.
        NotEnoughBandwidth: A port can't be guaranteed that where it is. Nothing has changed.
    """
    rule = QosRule(
        id=QosRuleId(svc.ids.new_id()),
        type=asked.type,
        direction=asked.direction,
        kbps=asked.kbps,
        burst_kbits=asked.burst_kbits,
    )

    def create(tx: Transaction, policy: QosPolicy) -> QosRule:
        tx.qos.insert_rule(policy.id, rule)
        return rule

    return _change_rules(
        svc, caller, policy_id, create, rules.CREATE_POLICY_RULE, action="qos_rule.create"
    )


def update_rule(
    svc: Services, caller: Caller, policy_id: str, rule_id: str, changes: QosRuleUpdate
) -> QosRule:
    """Change a rule; raises what `create_rule` raises."""
    given = given_fields(changes, "kbps", "direction", "burst_kbits")

    def update(tx: Transaction, policy: QosPolicy) -> QosRule:
        changed = replace(_rule(policy, rule_id), **given)
        tx.qos.update_rule(policy.id, changed)
        return changed

    return _change_rules(
        svc, caller, policy_id, update, rules.UPDATE_POLICY_RULE, action="qos_rule.update"
    )


def delete_rule(svc: Services, caller: Caller, policy_id: str, rule_id: str) -> None:
    """Take a rule away; bound ports are no longer limited by it, nor guaranteed anything."""

    def delete(tx: Transaction, policy: QosPolicy) -> QosRule:
        rule = _rule(policy, rule_id)
        tx.qos.delete_rule(rule)
        return rule

    _change_rules(
        svc, caller, policy_id, delete, rules.DELETE_POLICY_RULE, action="qos_rule.delete"
    )


def _change_rules(
    svc: Services,
    caller: Caller,
    policy_id: str,
    change: Callable[[Transaction, QosPolicy], QosRule],
    by: Rule,
    *,
    action: str,
) -> QosRule:
    # Who may do it to no policy is told so before one is looked up, as Neutron does.
    require(caller, by, {"project_id": caller.project_id})

    def write(tx: Transaction) -> QosRule:
        users = tx.qos.ports_with(QosPolicyId(policy_id))
        ports = lock_ports(tx, users)
        policy = tx.qos.get(policy_id, Lock.EXCLUSIVE)
        if tx.qos.ports_with(policy.id) != users:
            raise GenerationMoved("QoS policy", policy.id, seen_generation=policy.revision)
        _require_change(tx, caller, by, policy)
        rule = change(tx, policy)
        tx.qos.update(_touched(svc, policy), seen=policy)
        changed = tx.qos.get(policy.id)
        _check_rules(changed)
        for binding in follow(tx, svc, ports):
            touch_host(tx, svc, binding)
        _audit(tx, svc, caller, action, changed)
        return rule

    return write_until_won(svc.store, write)


def _check_rules(policy: QosPolicy) -> None:
    said = {(rule.type, rule.direction): rule.kbps for rule in policy.rules}
    for direction in Direction:
        most = said.get((QosRuleType.BANDWIDTH_LIMIT, direction))
        least = said.get((QosRuleType.MINIMUM_BANDWIDTH, direction), 0)
        if most and least > most:
            raise QosRulesConflict(
                policy.name or policy.id,
                f"its minimum {direction.value} of {least} kbps is above its limit of {most} kbps;"
                " raise the one or lower the other",
            )


def _visible(tx: Transaction, caller: Caller, policy_id: str) -> QosPolicy:
    policy = tx.qos.get(policy_id)
    target = of_project(policy.project_id)
    shared = is_shared(tx, caller, policy)
    require_seen(caller, rules.GET_POLICY, target, "QoS policy", policy_id, shared=shared)
    return policy


def _as_seen(caller: Caller, policy: QosPolicy) -> QosPolicy:
    """Return a policy as the caller sees it: what is another's and seen is shared with it."""
    is_others = not caller.may(rules.GET_POLICY, of_project(policy.project_id))
    return replace(policy, shared=True) if is_others else policy


def _require_change(tx: Transaction, caller: Caller, by: Rule, policy: QosPolicy) -> None:
    require_change(
        caller, by, of_project(policy.project_id), "QoS policy", policy.id,
        see=rules.GET_POLICY, shared=is_shared(tx, caller, policy),
    )  # fmt: skip


def _rule(policy: QosPolicy, rule_id: str) -> QosRule:
    for rule in policy.rules:
        if rule.id == rule_id:
            return rule
    raise NotFound(f"rule of QoS policy {policy.id},", rule_id)


def _touched(svc: Services, policy: QosPolicy) -> QosPolicy:
    return replace(policy, revision=policy.revision + 1, updated_at=svc.clock.now())


def _audit(tx: Transaction, svc: Services, caller: Caller, action: str, policy: QosPolicy) -> None:
    said = [f"{r.type.value} {r.direction.value} {r.kbps} kbps" for r in policy.rules]
    audit.record(
        tx, actor_of(caller), svc.clock.now(), action, f"QoS policy {policy.name} ({policy.id})",
        project_id=policy.project_id,
        details={"rules": said, "shared": policy.shared, "is_default": policy.is_default},
    )  # fmt: skip

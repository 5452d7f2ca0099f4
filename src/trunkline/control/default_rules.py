"""What new security groups permit from the beginning: the same in all projects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from trunkline.control import audit
from trunkline.control.access import require
from trunkline.control.audit import actor_of
from trunkline.control.services import Services
from trunkline.domain.errors import Invalid, LimitReached
from trunkline.domain.identity import Caller
from trunkline.domain.ids import SecurityGroupId, SecurityGroupRuleId
from trunkline.domain.listing import ListQuery
from trunkline.domain.policy import network_rules as rules
from trunkline.domain.qos import Direction
from trunkline.domain.security_group import PARENT, DefaultRule, Ethertype, rule_problem
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction

RULES_MAX: Final = 100  # Every new group is made with them.


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultRuleCreate:
    """A new default rule. Groups that there are do not get it."""

    direction: Direction
    ethertype: Ethertype = Ethertype.IPV4
    protocol: str | None = None
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_ip_prefix: str | None = None
    remote_group_id: SecurityGroupId | None = None  # `PARENT`: the group that has the rule.
    description: str = ""
    in_default: bool = False
    in_others: bool = True


def list_default_rules(svc: Services, caller: Caller, query: ListQuery) -> list[DefaultRule]:
    """Return a page of them."""
    require(caller, rules.GET_DEFAULT_SECURITY_GROUP_RULE)
    return svc.store.read(lambda tx: tx.default_rules.page(query))


def get_default_rule(svc: Services, caller: Caller, rule_id: str) -> DefaultRule:
    """Return one of them."""
    require(caller, rules.GET_DEFAULT_SECURITY_GROUP_RULE)
    return svc.store.read(lambda tx: tx.default_rules.get(rule_id))


def create_default_rule(svc: Services, caller: Caller, asked: DefaultRuleCreate) -> DefaultRule:
    """Have new groups begin with one rule more.

    Raises:
        Invalid: The rule contradicts itself.
        NotFound: There is no such group as it is about.
        AlreadyExists: Default groups, or the others, have one that means the same.
        LimitReached: There are as many as there can be.
    """
    require(caller, rules.CREATE_DEFAULT_SECURITY_GROUP_RULE)
    rule = DefaultRule(
        id=SecurityGroupRuleId(svc.ids.new_id()),
        direction=asked.direction,
        ethertype=asked.ethertype,
        protocol=asked.protocol,
        port_range_min=asked.port_range_min,
        port_range_max=asked.port_range_max,
        remote_ip_prefix=asked.remote_ip_prefix,
        remote_group_id=asked.remote_group_id,
        description=asked.description,
        in_default=asked.in_default,
        in_others=asked.in_others,
    )
    if (problem := rule_problem(rule)) is not None:
        raise Invalid(*problem)

    def create(tx: Transaction) -> DefaultRule:
        if rule.remote_group_id not in (None, PARENT):
            tx.security_groups.get(rule.remote_group_id, Lock.SHARED)
        tx.default_rules.insert(rule)
        if tx.default_rules.count() > RULES_MAX:
            raise LimitReached("default security group rules", RULES_MAX)
        _audit(tx, svc, caller, "default_security_group_rule.create", rule)
        return rule

    return svc.store.write(create)


def delete_default_rule(svc: Services, caller: Caller, rule_id: str) -> None:
    """Have new groups begin with one rule less."""
    require(caller, rules.DELETE_DEFAULT_SECURITY_GROUP_RULE)

    def delete(tx: Transaction) -> None:
        rule = tx.default_rules.get(rule_id)
        tx.default_rules.delete(rule_id)
        _audit(tx, svc, caller, "default_security_group_rule.delete", rule)

    svc.store.write(delete)


def _audit(tx: Transaction, svc: Services, caller: Caller, action: str, rule: DefaultRule) -> None:
    audit.record(
        tx, actor_of(caller), svc.clock.now(), action, f"default security group rule {rule.id}",
        details={"rule": rule.meaning},
    )  # fmt: skip

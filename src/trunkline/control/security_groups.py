"""Security groups and their rules: kept and shown, and acted on by nobody (see docs/adr/0038)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from trunkline.control import audit
from trunkline.control.access import of_project, require, require_seen, visible_by
from trunkline.control.audit import actor_of
from trunkline.control.locking import require_revision
from trunkline.control.port_groups import ensure_default_group, new_group
from trunkline.control.quotas import require_quota_for
from trunkline.control.races import write_as_seen, write_until_won
from trunkline.control.requests import UNSET, Unset, given_fields
from trunkline.control.services import Services
from trunkline.control.sharing import is_shared
from trunkline.domain.errors import AlreadyExists, InUse, Invalid, StateConflict
from trunkline.domain.identity import Caller
from trunkline.domain.ids import ProjectId, SecurityGroupId, SecurityGroupRuleId
from trunkline.domain.listing import ListQuery
from trunkline.domain.policy import network_rules as rules
from trunkline.domain.qos import Direction
from trunkline.domain.quota import Resource
from trunkline.domain.security_group import (
    DEFAULT_NAME,
    Ethertype,
    SecurityGroup,
    SecurityGroupRule,
    rule_problem,
)
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction

RULES_MAX: Final = 1000  # Of one group: they are shown with it.


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityGroupCreate:
    """A new group. What it permits from the beginning is for admins to say: `default_rules`."""

    name: str = ""
    project_id: ProjectId | None = None  # None: the caller's. Another's: admins only.
    description: str = ""
    stateful: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityGroupUpdate:
    """Changes to a group; UNSET leaves a field alone."""

    name: str | Unset = UNSET
    description: str | Unset = UNSET
    stateful: bool | Unset = UNSET
    seen_revision: int | None = None  # If-Match: refuse unless the group is at this revision.


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityGroupRuleCreate:
    """A new rule."""

    group_id: SecurityGroupId
    direction: Direction
    ethertype: Ethertype = Ethertype.IPV4
    project_id: ProjectId | None = None  # None: the caller's. Another's: admins only.
    protocol: str | None = None
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_ip_prefix: str | None = None
    remote_group_id: SecurityGroupId | None = None
    description: str = ""


def create_groups(
    svc: Services, caller: Caller, asked: Sequence[SecurityGroupCreate]
) -> list[SecurityGroup]:
    """Make all of these groups, or none.

    Raises:
        AlreadyExists: One is to be called as the default one, which each project has.
        QuotaExceeded: The project may not have as many.
    """
    owners = [each.project_id or caller.own_project for each in asked]
    for each, project_id in zip(asked, owners, strict=True):
        require(caller, rules.CREATE_SECURITY_GROUP, of_project(project_id))
        _require_other_name(each.name)

    def create(tx: Transaction) -> list[SecurityGroup]:
        groups = []
        for each, project_id in zip(asked, owners, strict=True):
            ensure_default_group(tx, svc, project_id)
            group = new_group(
                tx, svc, project_id, each.name,
                description=each.description, stateful=each.stateful,
            )  # fmt: skip
            tx.security_groups.insert(group)
            _audit(tx, svc, caller, "security_group.create", group)
            groups.append(group)
        first_rules = [rule for group in groups for rule in group.rules]
        require_quota_for(tx, Resource.SECURITY_GROUPS, groups)
        require_quota_for(tx, Resource.SECURITY_GROUP_RULES, first_rules)
        return groups

    return write_until_won(svc.store, create)


def get_group(svc: Services, caller: Caller, group_id: str) -> SecurityGroup:
    """Return a group of the caller's project."""
    return svc.store.read(lambda tx: _visible(tx, caller, group_id))


def list_groups(svc: Services, caller: Caller, query: ListQuery) -> list[SecurityGroup]:
    """Return a page of groups.

    The default group is made if it is not there yet: the own project's, and that of a project
    by which an admin lists.
    """
    query = replace(query, visible_to=visible_by(caller, rules.GET_SECURITY_GROUP))
    asked = query.equals.get("project_id", ())
    other = str(asked[0]) if query.visible_to is None and len(asked) == 1 else None

    def lacking(tx: Transaction) -> list[ProjectId]:
        named = [] if other is None else tx.identity.projects_among([ProjectId(other)])
        own = [] if caller.project_id is None else [caller.project_id]
        projects = [*own, *(project.id for project in named)]
        return [each for each in projects if tx.security_groups.default_of(each) is None]

    for project_id in svc.store.read(lacking):
        write_until_won(svc.store, partial(_ensure_default, svc=svc, project_id=project_id))
    return svc.store.read(lambda tx: tx.security_groups.page(query))


def _ensure_default(tx: Transaction, *, svc: Services, project_id: ProjectId) -> None:
    ensure_default_group(tx, svc, project_id)


def update_group(
    svc: Services, caller: Caller, group_id: str, changes: SecurityGroupUpdate
) -> SecurityGroup:
    """Change a group's own fields.

    Raises:
        GenerationMoved: It is not at `changes.seen_revision`.
        StateConflict: It is the default group, whose name stays.
        InUse: It is to be stateful no more, or again, while ports are in it.
    """
    given = given_fields(changes, "name", "description", "stateful")

    def update(tx: Transaction) -> SecurityGroup:
        group = _visible(tx, caller, group_id, Lock.EXCLUSIVE)
        require(caller, rules.UPDATE_SECURITY_GROUP, of_project(group.project_id))
        require_revision("security group", group, changes.seen_revision)
        changed = replace(group, **given)
        if changed.name != group.name:
            if group.is_default:
                raise StateConflict("security group", group_id, "the default one keeps its name")
            _require_other_name(changed.name)
        if changed.stateful != group.stateful and tx.security_groups.has_ports(group.id):
            raise InUse("security group", group_id, "ports are in it")
        changed = _touched(svc, changed)
        tx.security_groups.update(changed, seen=group)
        _audit(tx, svc, caller, "security_group.update", changed)
        return changed

    return write_as_seen(svc.store, update, seen_revision=changes.seen_revision)


def delete_group(
    svc: Services, caller: Caller, group_id: str, *, seen_revision: int | None = None
) -> None:
    """Delete a group with its rules, and the rules of others that speak of it.

    Raises:
        InUse: A port is in it.
        GenerationMoved: It is not at `seen_revision`.
        StateConflict: It is the default group, and the caller no admin.
    """

    def delete(tx: Transaction) -> None:
        group = _visible(tx, caller, group_id, Lock.EXCLUSIVE)
        require(caller, rules.DELETE_SECURITY_GROUP, of_project(group.project_id))
        require_revision("security group", group, seen_revision)
        if group.is_default and not caller.may_on_all(rules.DELETE_SECURITY_GROUP):
            raise StateConflict("security group", group_id, "the default one can't be deleted")
        tx.security_groups.delete(group)
        tx.shares.forget(group.id)
        _audit(tx, svc, caller, "security_group.delete", group)

    write_as_seen(svc.store, delete, seen_revision=seen_revision)


def get_rule(svc: Services, caller: Caller, rule_id: str) -> SecurityGroupRule:
    """Return a rule of the caller's project, or of a group of it."""
    return svc.store.read(lambda tx: _visible_rule(tx, caller, rule_id))


def list_rules(svc: Services, caller: Caller, query: ListQuery) -> list[SecurityGroupRule]:
    """Return a page of rules."""
    query = replace(query, visible_to=visible_by(caller, rules.GET_SECURITY_GROUP_RULE))
    return svc.store.read(lambda tx: tx.security_groups.rules_page(query))


def create_rules(
    svc: Services, caller: Caller, asked: Sequence[SecurityGroupRuleCreate]
) -> list[SecurityGroupRule]:
    """Add all of these rules to their one group, or none.

    Raises:
        Invalid: A rule contradicts itself, or the rules are of several groups.
        NotFound: There is no such group, or none that the rule is about.
        AlreadyExists: The group has a rule that means the same.
    """
    if len({each.group_id for each in asked}) > 1:
        raise Invalid("security_group_id", "must be the same for all rules of a request")

    def create(tx: Transaction) -> list[SecurityGroupRule]:
        group = _visible(tx, caller, asked[0].group_id, Lock.EXCLUSIVE)
        require(caller, rules.CREATE_SECURITY_GROUP_RULE, of_project(group.project_id))
        if len(group.rules) + len(asked) > RULES_MAX:
            problem = f"it has {len(group.rules)} rules, and can have {RULES_MAX}"
            raise StateConflict("security group", group.id, problem)
        made = [_new_rule(svc, caller, tx, each) for each in asked]
        for rule in made:
            tx.security_groups.insert_rule(rule)
        require_quota_for(tx, Resource.SECURITY_GROUP_RULES, made)
        tx.security_groups.update(_touched(svc, group), seen=group)
        _audit(tx, svc, caller, "security_group_rule.create", group, made)
        return made

    return write_until_won(svc.store, create)


def delete_rule(svc: Services, caller: Caller, rule_id: str) -> None:
    """Take a rule away."""

    def delete(tx: Transaction) -> None:
        rule = _visible_rule(tx, caller, rule_id)
        group = tx.security_groups.get(rule.group_id, Lock.EXCLUSIVE)
        rule = _visible_rule(tx, caller, rule_id)  # Gone, if somebody was faster.
        require(caller, rules.DELETE_SECURITY_GROUP_RULE, of_project(group.project_id))
        tx.security_groups.delete_rule(rule)
        tx.security_groups.update(_touched(svc, group), seen=group)
        _audit(tx, svc, caller, "security_group_rule.delete", group, [rule])

    write_until_won(svc.store, delete)


def _new_rule(
    svc: Services, caller: Caller, tx: Transaction, asked: SecurityGroupRuleCreate
) -> SecurityGroupRule:
    now = svc.clock.now()
    project_id = asked.project_id or caller.own_project
    require(caller, rules.CREATE_SECURITY_GROUP_RULE, of_project(project_id))
    if asked.remote_group_id is not None:
        _visible(tx, caller, asked.remote_group_id)
    rule = SecurityGroupRule(
        id=SecurityGroupRuleId(svc.ids.new_id()),
        group_id=asked.group_id,
        project_id=project_id,
        direction=asked.direction,
        ethertype=asked.ethertype,
        protocol=asked.protocol,
        port_range_min=asked.port_range_min,
        port_range_max=asked.port_range_max,
        remote_ip_prefix=asked.remote_ip_prefix,
        remote_group_id=asked.remote_group_id,
        description=asked.description,
        created_at=now,
        updated_at=now,
    )
    if (problem := rule_problem(rule)) is not None:
        raise Invalid(*problem)
    return rule


def _require_other_name(name: str) -> None:
    if name.lower() == DEFAULT_NAME:
        raise AlreadyExists("security group", DEFAULT_NAME)


def _visible(
    tx: Transaction, caller: Caller, group_id: str, lock: Lock = Lock.NONE
) -> SecurityGroup:
    group = tx.security_groups.get(group_id, lock)
    owner = of_project(group.project_id)
    shared = is_shared(tx, caller, group)
    require_seen(caller, rules.GET_SECURITY_GROUP, owner, "security group", group_id, shared=shared)
    return group


def _visible_rule(tx: Transaction, caller: Caller, rule_id: str) -> SecurityGroupRule:
    """Return a rule of the caller's, or of a group of the caller's."""
    rule = tx.security_groups.get_rule(rule_id)
    owner = of_project(rule.project_id)
    if not caller.may(rules.GET_SECURITY_GROUP_RULE, owner):
        owner = of_project(tx.security_groups.get(rule.group_id).project_id)
    require_seen(caller, rules.GET_SECURITY_GROUP_RULE, owner, "security group rule", rule_id)
    return rule


def _touched(svc: Services, group: SecurityGroup) -> SecurityGroup:
    return replace(group, revision=group.revision + 1, updated_at=svc.clock.now())


def _audit(
    tx: Transaction,
    svc: Services,
    caller: Caller,
    action: str,
    group: SecurityGroup,
    changed: Sequence[SecurityGroupRule] = (),
) -> None:
    audit.record(
        tx, actor_of(caller), svc.clock.now(), action, f"security group {group.id}",
        project_id=group.project_id,
        details={"name": group.name, "rules": [rule.meaning for rule in changed]},
    )  # fmt: skip

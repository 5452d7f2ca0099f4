"""Which security groups a port is in, and the default group that each project has."""

from __future__ import annotations

from collections.abc import Sequence

from trunkline.control.access import of_project, sees
from trunkline.control.services import Services
from trunkline.domain.errors import Invalid, NotFound, StateConflict
from trunkline.domain.identity import Caller
from trunkline.domain.ids import ProjectId, SecurityGroupId, SecurityGroupRuleId
from trunkline.domain.network import NETWORK_DEVICES
from trunkline.domain.policy import network_rules as rules
from trunkline.domain.port import Port
from trunkline.domain.security_group import (
    DEFAULT_NAME,
    PARENT,
    SecurityGroup,
    SecurityGroupRule,
)
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction

_FIELD = "security_groups"


def new_group(
    tx: Transaction,
    svc: Services,
    project_id: ProjectId,
    name: str,
    *,
    description: str = "",
    stateful: bool = True,
    is_default: bool = False,
) -> SecurityGroup:
    """Make a group with the rules that new ones have: see `default_rules`."""
    now, group_id = svc.clock.now(), SecurityGroupId(svc.ids.new_id())
    templates = tx.default_rules.of_new(is_default=is_default)
    named = {rule.remote_group_id for rule in templates if rule.remote_group_id} - {PARENT}
    # Locked, so that the groups that rules are about are there when these are stored.
    about = {group.id: group.id for group in tx.security_groups.get_many(named, Lock.SHARED)}
    about |= {PARENT: group_id}
    rules = tuple(
        SecurityGroupRule(
            id=SecurityGroupRuleId(svc.ids.new_id()),
            group_id=group_id,
            project_id=project_id,
            direction=rule.direction,
            ethertype=rule.ethertype,
            protocol=rule.protocol,
            port_range_min=rule.port_range_min,
            port_range_max=rule.port_range_max,
            remote_ip_prefix=rule.remote_ip_prefix,
            remote_group_id=rule.remote_group_id and about[rule.remote_group_id],
            created_at=now,
            updated_at=now,
        )
        for rule in templates
        if rule.remote_group_id is None or rule.remote_group_id in about
    )
    return SecurityGroup(
        id=group_id,
        project_id=project_id,
        name=name,
        description=description,
        stateful=stateful,
        is_default=is_default,
        rules=tuple(sorted(rules, key=lambda rule: rule.id)),
        created_at=now,
        updated_at=now,
    )


def ensure_default_group(tx: Transaction, svc: Services, project_id: ProjectId) -> SecurityGroupId:
    """Return a project's default group; make it if there is none.

    Raises:
        GenerationMoved: Somebody else has just made it.
    """
    found = tx.security_groups.default_of(project_id)
    if found is not None:
        return found
    group = new_group(
        tx, svc, project_id, DEFAULT_NAME, description="Default security group", is_default=True
    )
    tx.security_groups.insert(group)
    return group.id


def enter_groups(
    tx: Transaction,
    svc: Services,
    port: Port,
    asked: Sequence[SecurityGroupId] | None,
    caller: Caller | None,
) -> None:
    """Put a new port into the groups that are asked for.

    Args:
        tx: The transaction that has just stored the port.
        svc: Services.
        port: The port.
        asked: None: the default one of its project, unless its traffic is not guarded at all.
        caller: Who asks; None: groups of the port's own project alone will do.

    Raises:
        NotFound: There is no such group, or none that the port may be in.
        Invalid: Groups are named for a port without port security.
        StateConflict: Some are stateful, and others are not.
    """
    if asked is None:
        # What Neutron's own services have is not guarded, as they are part of the network.
        if port.port_security_enabled and not port.device_owner.startswith(NETWORK_DEVICES):
            tx.security_groups.put_port(port.id, [ensure_default_group(tx, svc, port.project_id)])
        return
    if asked:
        _require_groups(tx, port, asked, caller)
        tx.security_groups.put_port(port.id, asked)


def groups_after(
    tx: Transaction,
    before: Port,
    after: Port,
    asked: Sequence[SecurityGroupId] | None,
    caller: Caller,
) -> tuple[frozenset[SecurityGroupId], frozenset[SecurityGroupId]]:
    """Return the groups that a changed port is to enter, and those that it is to leave.

    Raises:
        What `enter_groups` raises; and StateConflict if port security is to be off while the port
            is in groups.
    """
    has = frozenset(tx.security_groups.of_ports([before.id]).get(before.id, ()))
    if asked is not None:
        if asked:
            _require_groups(tx, after, asked, caller)
        return frozenset(asked) - has, has - frozenset(asked)
    if not after.port_security_enabled and has:
        problem = "it is in security groups: take it out of them to disable port security"
        raise StateConflict("port", after.said, problem)
    return frozenset(), frozenset()


def _require_groups(
    tx: Transaction, port: Port, asked: Sequence[SecurityGroupId], caller: Caller | None
) -> None:
    if not port.port_security_enabled:
        raise Invalid(_FIELD, "a port without port security is in none")
    found = {group.id: group for group in tx.security_groups.get_many(asked, Lock.SHARED)}
    for group_id in asked:
        group = found.get(group_id)
        if group is None or not (
            group.project_id == port.project_id
            or tx.shares.is_shared_with(group.id, port.project_id)
            or (caller and sees(caller, rules.GET_SECURITY_GROUP, of_project(group.project_id)))
        ):
            raise NotFound("security group", group_id)
    if len({group.stateful for group in found.values()}) > 1:
        problem = "it can't be in stateful and stateless security groups at once"
        raise StateConflict("port", port.said, problem)

"""Server groups: create, show, list, delete; and what they mean for placing a member."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from trunkline.control import audit
from trunkline.control.access import of_project, require, require_change, require_seen, sees
from trunkline.control.quotas import require_of_each, require_quota_for
from trunkline.control.services import Services
from trunkline.domain.errors import Invalid
from trunkline.domain.identity import Caller
from trunkline.domain.ids import ServerGroupId, ServerId
from trunkline.domain.policy import compute_rules as rules
from trunkline.domain.quota import Resource
from trunkline.domain.server_group import GroupPolicy, ServerGroup
from trunkline.placement.asks.fellows import Fellows
from trunkline.store.transaction import Transaction

LISTED_MAX: Final = 1000  # Groups in one answer, as Nova has it.


@dataclass(frozen=True, slots=True)
class ServerGroupView:
    """A group with its members, oldest first."""

    group: ServerGroup
    members: tuple[ServerId, ...]


def create_server_group(
    svc: Services,
    caller: Caller,
    name: str,
    policy: GroupPolicy,
    *,
    max_per_host: int | None = None,
) -> ServerGroupView:
    """Make a group. Names need not differ.

    Raises:
        Forbidden: The caller may only read.
        QuotaExceeded: The project may not have as many.
        Invalid: A number of members on a host is given with another policy than anti-affinity.
    """
    project_id = caller.own_project
    require(caller, rules.CREATE_SERVER_GROUP, of_project(project_id))
    if max_per_host is not None and policy is not GroupPolicy.ANTI_AFFINITY:
        raise Invalid("rules", "max_server_per_host goes with the policy anti-affinity only")
    group = ServerGroup(
        id=ServerGroupId(svc.ids.new_id()),
        project_id=project_id,
        user_id=caller.user_id,
        name=name,
        policy=policy,
        max_per_host=max_per_host,
        created_at=svc.clock.now(),
    )

    def create(tx: Transaction) -> None:
        tx.server_groups.insert(group)
        require_quota_for(tx, Resource.SERVER_GROUPS, [group])
        _audit(tx, svc, caller, "server_group.create", group)

    svc.store.write(create)
    return ServerGroupView(group, ())


def get_server_group(svc: Services, caller: Caller, group_id: str) -> ServerGroupView:
    """Return one group."""

    def get(tx: Transaction) -> ServerGroupView:
        group = tx.server_groups.get(group_id)
        target = of_project(group.project_id)
        require_seen(caller, rules.SHOW_SERVER_GROUP, target, "server group", group_id)
        return _views(tx, [group])[0]

    return svc.store.read(get)


def list_server_groups(
    svc: Services,
    caller: Caller,
    *,
    all_projects: bool = False,
    limit: int | None = None,
    offset: int = 0,
) -> list[ServerGroupView]:
    """Return the project's groups (of all, if an admin asks), oldest first."""
    project_id = None if all_projects else caller.own_project
    if project_id is None:
        require(caller, rules.LIST_ALL_SERVER_GROUPS)
    else:
        require(caller, rules.LIST_SERVER_GROUPS, of_project(project_id))
    most = LISTED_MAX if limit is None else min(limit, LISTED_MAX)
    return svc.store.read(
        lambda tx: _views(tx, tx.server_groups.list_(project_id, limit=most, offset=offset))
    )


def delete_server_group(svc: Services, caller: Caller, group_id: str) -> None:
    """Forget a group. Its members stay where they are, and are of no group any more."""

    def delete(tx: Transaction) -> None:
        group = tx.server_groups.get(group_id)
        require_change(
            caller, rules.DELETE_SERVER_GROUP, of_project(group.project_id), "server group",
            group_id, see=rules.SHOW_SERVER_GROUP,
        )  # fmt: skip
        tx.server_groups.delete(group.id)
        _audit(tx, svc, caller, "server_group.delete", group)

    svc.store.write(delete)


def joined_group(
    tx: Transaction, caller: Caller, group_id: str | None, *, field: str
) -> ServerGroup | None:
    """Return the group that a new server names.

    Raises:
        Invalid: The caller can see none with this ID.
    """
    if group_id is None:
        return None
    group = tx.server_groups.find(group_id)
    if group is None or not sees(caller, rules.SHOW_SERVER_GROUP, of_project(group.project_id)):
        raise Invalid(field, f"server group {group_id} could not be found")
    return group


def require_members(tx: Transaction, group: ServerGroup, *, joined: int) -> None:
    """Raise `QuotaExceeded` if a group may not have the members that `tx` has stored.

    Its generation has been raised by then: whoever else adds some waits, and looks again.
    """
    count = len(tx.server_groups.members_of([group.id])[group.id])
    require_of_each(tx, group.project_id, Resource.SERVER_GROUP_MEMBERS, now=count, added=joined)


def fellows_of(tx: Transaction, group_id: ServerGroupId | None, server_id: str) -> Fellows | None:
    """Say where the fellows of a server are; None: it is of no group.

    A server that is deleted leaves its group at once, though its guest may run until its host
    hears of it.
    """
    group = None if group_id is None else tx.server_groups.find(group_id)
    if group is None:
        return None
    return Fellows(
        group_id=group.id,
        name=group.name,
        policy=group.policy,
        max_per_host=group.max_per_host or 1,
        on=tx.server_groups.placed(group.id, but=server_id),
        seen_generation=group.generation,
    )


def _views(tx: Transaction, groups: Sequence[ServerGroup]) -> list[ServerGroupView]:
    members = tx.server_groups.members_of([group.id for group in groups])
    return [ServerGroupView(group, members[group.id]) for group in groups]


def _audit(tx: Transaction, svc: Services, caller: Caller, action: str, group: ServerGroup) -> None:
    audit.record(
        tx, audit.actor_of(caller), svc.clock.now(), action, f"server group {group.id}",
        project_id=group.project_id,
        details={"name": group.name, "policy": group.policy.value},
    )  # fmt: skip

"""Groups of users: made and filled by admins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from trunkline.control import audit
from trunkline.control.access import of_user, require
from trunkline.control.field_changes import changed_fields, merged
from trunkline.control.requests import UNSET, Unset, given_fields
from trunkline.control.services import Services
from trunkline.control.user_accounts import get_user
from trunkline.domain.errors import NotFound
from trunkline.domain.identity import DEFAULT_DOMAIN, Caller, User, UserGroup
from trunkline.domain.ids import DomainId, GroupId
from trunkline.domain.listing import ListQuery
from trunkline.domain.policy import identity_rules as rules
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupUpdate:
    """Changes to a group; UNSET leaves a field alone, as `extra` does what it does not name."""

    name: str | Unset = UNSET
    description: str | Unset = UNSET
    domain_id: DomainId | None = None  # Of a new one; None: the default domain.
    extra: Mapping[str, object] = field(default_factory=dict)


def create_group(svc: Services, caller: Caller, asked: GroupUpdate) -> UserGroup:
    """Make a group, in which nobody is yet.

    Raises:
        Forbidden: The policy does not allow it.
        NotFound: There is no such domain.
        AlreadyExists: The domain has a group of this name.
    """
    require(caller, rules.CREATE_GROUP)
    group_id, at = GroupId(svc.ids.new_id()), svc.clock.now()
    domain_id = asked.domain_id or DEFAULT_DOMAIN
    group = _changed(UserGroup(id=group_id, domain_id=domain_id, name=""), asked)

    def write(tx: Transaction) -> UserGroup:
        if tx.domains.find(domain_id, Lock.SHARED) is None:
            raise NotFound("domain", domain_id)
        tx.user_groups.insert(group)
        _record(tx, caller, at, "group.create", group)
        return group

    return svc.store.write(write)


def list_groups(svc: Services, caller: Caller, query: ListQuery) -> list[UserGroup]:
    """Return one page of groups, to an admin."""
    require(caller, rules.LIST_GROUPS)
    return svc.store.read(lambda tx: tx.user_groups.page(query))


def list_groups_of(svc: Services, caller: Caller, user_id: str) -> list[UserGroup]:
    """Return the groups that a user is in, to that user or an admin."""
    user = get_user(svc, caller, user_id, rules.LIST_USER_GROUPS)
    return svc.store.read(lambda tx: tx.user_groups.of_user(user.id))


def get_group(svc: Services, caller: Caller, group_id: str) -> UserGroup:
    """Return a group, to an admin."""
    require(caller, rules.SHOW_GROUP)
    return svc.store.read(lambda tx: _known(tx, group_id))


def update_group(svc: Services, caller: Caller, group_id: str, change: GroupUpdate) -> UserGroup:
    """Change a group, which stays in its domain.

    Raises:
        Forbidden: The policy does not allow it.
        NotFound: There is no such group.
        AlreadyExists: Its domain has another of this name.
    """
    require(caller, rules.UPDATE_GROUP)
    at = svc.clock.now()

    def write(tx: Transaction) -> UserGroup:
        known = _known(tx, group_id, Lock.EXCLUSIVE)
        group = _changed(known, change)
        tx.user_groups.update(group)
        _record(tx, caller, at, "group.update", group, changed=changed_fields(known, group))
        return group

    return svc.store.write(write)


def delete_group(svc: Services, caller: Caller, group_id: str) -> None:
    """Delete a group: its members have the roles no more that they had by it."""
    require(caller, rules.DELETE_GROUP)
    at = svc.clock.now()

    def write(tx: Transaction) -> None:
        group = _known(tx, group_id, Lock.EXCLUSIVE)
        tx.user_groups.delete(group.id)
        _record(tx, caller, at, "group.delete", group)

    svc.store.write(write)


def list_members(svc: Services, caller: Caller, group_id: str, query: ListQuery) -> list[User]:
    """Return one page of the users who are in a group, to an admin."""
    require(caller, rules.LIST_GROUP_USERS)
    return svc.store.read(lambda tx: tx.user_groups.page_of_members(_known(tx, group_id).id, query))


def require_member(svc: Services, caller: Caller, group_id: str, user_id: str) -> None:
    """Raise `NotFound` unless a user is in a group; to that user or an admin."""
    require(caller, rules.CHECK_GROUP_USER, of_user(user_id))
    user = get_user(svc, caller, user_id)
    if not svc.store.read(lambda tx: tx.user_groups.is_member(_known(tx, group_id).id, user.id)):
        raise NotFound("user in the group", user_id)


def add_member(svc: Services, caller: Caller, group_id: str, user_id: str) -> None:
    """Put a user into a group; one who is in it stays so."""
    require(caller, rules.ADD_GROUP_USER)
    at = svc.clock.now()

    def write(tx: Transaction) -> None:
        group = _known(tx, group_id)
        user = tx.identity.find_user(user_id=user_id)
        if user is None:
            raise NotFound("user", user_id)
        tx.user_groups.add_member(group.id, user.id)
        _record(tx, caller, at, "group.add_user", group, user_id=user.id)

    svc.store.write(write)


def remove_member(svc: Services, caller: Caller, group_id: str, user_id: str) -> None:
    """Take a user out of a group; raise `NotFound` if the user is not in it."""
    require(caller, rules.REMOVE_GROUP_USER)
    at = svc.clock.now()

    def write(tx: Transaction) -> None:
        group = _known(tx, group_id)
        user = tx.identity.find_user(user_id=user_id)
        if user is None or not tx.user_groups.remove_member(group.id, user.id):
            raise NotFound("user in the group", user_id)
        _record(tx, caller, at, "group.remove_user", group, user_id=user.id)

    svc.store.write(write)


def _known(tx: Transaction, group_id: str, lock: Lock = Lock.NONE) -> UserGroup:
    group = tx.user_groups.find(group_id, lock)
    if group is None:
        raise NotFound("group", group_id)
    return group


def _changed(group: UserGroup, change: GroupUpdate) -> UserGroup:
    values = given_fields(change, "name", "description")
    return replace(group, **values, extra=merged(group.extra, change.extra))


def _record(
    tx: Transaction, caller: Caller, at: datetime, action: str, group: UserGroup, **more: object
) -> None:
    audit.record(
        tx, audit.actor_of(caller), at, action, f"group {group.name}",
        details={"group_id": group.id, **more},
    )  # fmt: skip

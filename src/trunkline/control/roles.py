"""Roles: the ones that every installation has, and those that admins make."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import Any

from trunkline.control import audit
from trunkline.control.access import require
from trunkline.control.field_changes import changed_fields
from trunkline.control.requests import UNSET, Unset
from trunkline.control.services import Services
from trunkline.domain.errors import Forbidden, NotFound
from trunkline.domain.identity import DEFAULT_ROLES, Caller, Role
from trunkline.domain.ids import RoleId
from trunkline.domain.listing import ListQuery
from trunkline.domain.policy import identity_rules as rules
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction


def create_role(svc: Services, caller: Caller, name: str, description: str) -> Role:
    """Make a role. It allows what rules say of it by its name.

    Raises:
        Forbidden: The policy does not allow it.
        AlreadyExists: The name is taken.
    """
    require(caller, rules.CREATE_ROLE)
    role = Role(id=RoleId(svc.ids.new_id()), name=name, description=description)
    at = svc.clock.now()

    def write(tx: Transaction) -> Role:
        tx.roles.insert(role)
        _record(tx, caller, at, "role.create", role)
        return role

    return svc.store.write(write)


def list_roles(svc: Services, caller: Caller, query: ListQuery) -> list[Role]:
    """Return one page of roles, to an admin."""
    require(caller, rules.LIST_ROLES)
    return svc.store.read(lambda tx: tx.roles.page(query))


def get_role(svc: Services, caller: Caller, role_id: str) -> Role:
    """Return a role, to an admin."""
    require(caller, rules.SHOW_ROLE)
    role = svc.store.read(lambda tx: tx.roles.find(role_id))
    if role is None:
        raise NotFound("role", role_id)
    return role


def list_implied(svc: Services, caller: Caller) -> list[tuple[Role, list[Role]]]:
    """Return each role that implies others, with those that it implies directly."""
    require(caller, rules.LIST_ROLES)
    known = {role.name: role for role in svc.store.read(lambda tx: tx.roles.named(DEFAULT_ROLES))}
    in_order = [known[name] for name in DEFAULT_ROLES]
    return [(prior, [implied]) for prior, implied in pairwise(in_order)]


def update_role(
    svc: Services,
    caller: Caller,
    role_id: str,
    *,
    name: str | Unset = UNSET,
    description: str | Unset = UNSET,
) -> Role:
    """Change a role; who has it is not asked, as rules go by its name.

    Raises:
        Forbidden: The policy does not allow it, or the role is a default one.
        NotFound: There is no such role.
        AlreadyExists: The name is taken.
    """
    require(caller, rules.UPDATE_ROLE)
    given: dict[str, Any] = {"name": name, "description": description}
    values = {field: value for field, value in given.items() if value is not UNSET}
    at = svc.clock.now()

    def write(tx: Transaction) -> Role:
        known = _get_changeable(tx, role_id)
        role = replace(known, **values)
        tx.roles.update(role)
        _record(tx, caller, at, "role.update", role, changed=changed_fields(known, role))
        return role

    return svc.store.write(write)


def delete_role(svc: Services, caller: Caller, role_id: str) -> None:
    """Delete a role: whoever had it has it no more, and application credentials with it are gone.

    Raises:
        Forbidden: The policy does not allow it, or the role is a default one.
        NotFound: There is no such role.
    """
    require(caller, rules.DELETE_ROLE)
    at = svc.clock.now()

    def write(tx: Transaction) -> None:
        role = _get_changeable(tx, role_id)
        tx.application_credentials.delete(tx.application_credentials.with_role(role.id))
        tx.roles.delete(role.id)
        _record(tx, caller, at, "role.delete", role)

    svc.store.write(write)


def _get_changeable(tx: Transaction, role_id: str) -> Role:
    role = tx.roles.find(role_id, Lock.EXCLUSIVE)
    if role is None:
        raise NotFound("role", role_id)
    if role.is_default:
        raise Forbidden(f"changing or deleting {role.name}: rules count on the default roles")
    return role


def _record(
    tx: Transaction, caller: Caller, at: datetime, action: str, role: Role, **more: object
) -> None:
    audit.record(
        tx, audit.actor_of(caller), at, action, f"role {role.name}",
        details={"role_id": role.id, **more},
    )  # fmt: skip

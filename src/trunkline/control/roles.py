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
from trunkline.domain.errors import AlreadyExists, Forbidden, Invalid, NotFound
from trunkline.domain.identity import ADMIN, DEFAULT_ROLES, Caller, Role, all_implied
from trunkline.domain.ids import DomainId, RoleId
from trunkline.domain.listing import ListQuery
from trunkline.domain.policy import identity_rules as rules
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction


def create_role(
    svc: Services,
    caller: Caller,
    name: str,
    description: str,
    domain_id: DomainId | None = None,
) -> Role:
    """Make a role. It allows what rules say of it by its name; one of a domain, what it implies.

    Raises:
        Forbidden: The policy does not allow it.
        NotFound: There is no such domain.
        AlreadyExists: The name is taken.
    """
    require(caller, rules.CREATE_ROLE)
    role_id, at = RoleId(svc.ids.new_id()), svc.clock.now()
    role = Role(id=role_id, name=name, description=description, domain_id=domain_id)
    _require_own_name(role)

    def write(tx: Transaction) -> Role:
        if domain_id is not None and tx.domains.find(domain_id, Lock.SHARED) is None:
            raise NotFound("domain", domain_id)
        tx.roles.insert(role)
        _record(tx, caller, at, "role.create", role)
        return role

    return svc.store.write(write)


def list_roles(
    svc: Services, caller: Caller, query: ListQuery, domain_id: DomainId | None = None
) -> list[Role]:
    """Return one page of the roles of a domain, or of none, to an admin."""
    require(caller, rules.LIST_ROLES)
    return svc.store.read(lambda tx: tx.roles.page(query, domain_id))


def get_role(svc: Services, caller: Caller, role_id: str) -> Role:
    """Return a role, to an admin."""
    require(caller, rules.SHOW_ROLE)
    role = svc.store.read(lambda tx: tx.roles.find(role_id))
    if role is None:
        raise NotFound("role", role_id)
    return role


def list_implied(svc: Services, caller: Caller) -> list[tuple[Role, list[Role]]]:
    """Return each role that implies others, with those that it implies directly; of these without
    their descriptions.
    """
    require(caller, rules.LIST_ROLES)

    def read(tx: Transaction) -> list[tuple[Role, list[Role]]]:
        known = {role.name: role for role in tx.roles.named(DEFAULT_ROLES)}
        in_order = [known[name] for name in DEFAULT_ROLES]
        by_default = [(prior, [implied]) for prior, implied in pairwise(in_order)]
        own = tx.roles.implied()
        return by_default + [(prior, own[prior.id]) for prior in tx.roles.among(own.keys())]

    return svc.store.read(read)


def imply_role(svc: Services, caller: Caller, prior_id: str, implied_id: str) -> tuple[Role, Role]:
    """Have a role that an admin has made imply another; whoever has the one has the other.

    Raises:
        Forbidden: The policy does not allow it, the first is a default role, the second one is
            admin (who may do everything is to be told so), or only the second one is of a domain.
        NotFound: There is no such role.
        Invalid: They are one role, or the second implies the first.
    """
    require(caller, rules.CREATE_IMPLIED_ROLE)
    at = svc.clock.now()

    def write(tx: Transaction) -> tuple[Role, Role]:
        prior, implied = _get_changeable(tx, prior_id), tx.roles.find(implied_id, Lock.SHARED)
        if implied is None:
            raise NotFound("role", implied_id)
        if implied.domain_id is not None and prior.domain_id is None:
            raise Forbidden("having a role of no domain imply one of a domain")
        if implied.is_default and implied.name == ADMIN:
            raise Forbidden("having a role imply admin: give that itself")
        if prior.id in all_implied([implied], tx.roles.implied()):
            raise Invalid("implied_id", f"{implied.name} implies {prior.name}, or is it")
        tx.roles.imply(prior.id, implied.id)
        _record(tx, caller, at, "role.imply", prior, implies=implied.id)
        return prior, implied

    return svc.store.write(write)


def imply_role_no_more(svc: Services, caller: Caller, prior_id: str, implied_id: str) -> None:
    """Take back that a role implies another; raise `NotFound` if it does not."""
    require(caller, rules.DELETE_IMPLIED_ROLE)
    at = svc.clock.now()

    def write(tx: Transaction) -> None:
        prior = _get_changeable(tx, prior_id)
        if not tx.roles.imply_no_more(prior.id, RoleId(implied_id)):
            raise NotFound("implied role", implied_id)
        _record(tx, caller, at, "role.imply_no_more", prior, implies=implied_id)

    svc.store.write(write)


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
        _require_own_name(role)
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


def _require_own_name(role: Role) -> None:
    """Raise `AlreadyExists` for a name that rules take for a default role: they fold cases.

    They never see those of domains.
    """
    if role.domain_id is None and role.name.casefold() in DEFAULT_ROLES:
        raise AlreadyExists("role", role.name)


def _record(
    tx: Transaction, caller: Caller, at: datetime, action: str, role: Role, **more: object
) -> None:
    audit.record(
        tx, audit.actor_of(caller), at, action, f"role {role.name}",
        details={"role_id": role.id, **more},
    )  # fmt: skip

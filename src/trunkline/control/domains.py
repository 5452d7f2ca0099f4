"""Domains: what users, groups and projects belong to. Made, changed and deleted by admins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from trunkline.control import audit
from trunkline.control.access import require
from trunkline.control.admins import keeping_an_admin
from trunkline.control.field_changes import changed_fields, merged
from trunkline.control.projects import remove_project
from trunkline.control.requests import UNSET, Unset, given_fields
from trunkline.control.services import Services
from trunkline.control.user_accounts import remove_user
from trunkline.domain.errors import Forbidden, NotFound
from trunkline.domain.identity import DEFAULT_DOMAIN, Caller, Domain
from trunkline.domain.ids import DomainId
from trunkline.domain.listing import ListQuery
from trunkline.domain.policy import identity_rules as rules
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainUpdate:
    """Changes to a domain; UNSET leaves a field alone, as `extra` does what it does not name."""

    name: str | Unset = UNSET
    description: str | Unset = UNSET
    enabled: bool | Unset = UNSET
    extra: Mapping[str, object] = field(default_factory=dict)


def create_domain(svc: Services, caller: Caller, asked: DomainUpdate) -> Domain:
    """Make a domain.

    Raises:
        Forbidden: The policy does not allow it.
        AlreadyExists: The name is taken.
    """
    require(caller, rules.CREATE_DOMAIN)
    domain_id, at = DomainId(svc.ids.new_id().replace("-", "")), svc.clock.now()
    domain = _changed(Domain(id=domain_id, name=""), asked)

    def write(tx: Transaction) -> Domain:
        tx.domains.insert(domain)
        _record(tx, caller, at, "domain.create", domain)
        return domain

    return svc.store.write(write)


def list_domains(svc: Services, caller: Caller, query: ListQuery) -> list[Domain]:
    """Return one page of domains; to whom may not see them all, the default one."""
    if not caller.may(rules.LIST_DOMAINS):
        query = replace(query, equals={**query.equals, "id": (DEFAULT_DOMAIN,)})
    return svc.store.read(lambda tx: tx.domains.page(query))


def get_domain(svc: Services, caller: Caller, domain_id: str) -> Domain:
    """Return a domain; raise `NotFound` to whom may not see it."""
    found = svc.store.read(lambda tx: tx.domains.find(domain_id))
    if found is None or not (found.id == DEFAULT_DOMAIN or caller.may(rules.SHOW_DOMAIN)):
        raise NotFound("domain", domain_id)
    return found


def domain_names(svc: Services) -> Mapping[DomainId, str]:
    """Return what each domain is called."""
    return svc.store.read(lambda tx: tx.domains.names())


def update_domain(svc: Services, caller: Caller, domain_id: str, change: DomainUpdate) -> Domain:
    """Change a domain; in one that is disabled nobody can do anything any more.

    Tokens of its users, and for its projects, are worthless then for good.

    Raises:
        Forbidden: The policy does not allow it, or the default domain is to be disabled.
        NotFound: There is no such domain.
        AlreadyExists: The name is taken.
        StateConflict: Nobody could log in as an admin any more.
    """
    require(caller, rules.UPDATE_DOMAIN)
    at = svc.clock.now()

    def write(tx: Transaction) -> Domain:
        known = _get_locked(tx, domain_id)
        domain = _changed(known, change)
        if known.id == DEFAULT_DOMAIN and not domain.enabled:
            raise Forbidden("disabling the default domain: it is where the first admin is")
        with keeping_an_admin(tx, "domain", known.name):
            tx.domains.update(domain)
        if not domain.enabled:
            tx.tokens.delete_of_domain(domain.id)
        _record(tx, caller, at, "domain.update", domain, changed=changed_fields(known, domain))
        return domain

    return svc.store.write(write)


def delete_domain(svc: Services, caller: Caller, domain_id: str) -> None:
    """Delete a domain that is disabled, with its users, groups and projects.

    Raises:
        Forbidden: The policy does not allow it, or the domain is enabled, or the default one.
        NotFound: There is no such domain.
        InUse: One of its projects owns something.
        StateConflict: Nobody could log in as an admin any more.
    """
    require(caller, rules.DELETE_DOMAIN)
    at = svc.clock.now()

    def write(tx: Transaction) -> None:
        domain = _get_locked(tx, domain_id)
        if domain.enabled:
            raise Forbidden(f"deleting domain {domain.name}, which is enabled: disable it first")
        with keeping_an_admin(tx, "domain", domain.name):
            for project_id in tx.domains.projects_of(domain.id):
                remove_project(tx, caller, at, project_id, with_children=True)
            for user_id in tx.domains.users_of(domain.id):
                remove_user(tx, caller, at, user_id)
            tx.domains.delete(domain.id)
        _record(tx, caller, at, "domain.delete", domain)

    svc.store.write(write)


def _get_locked(tx: Transaction, domain_id: str) -> Domain:
    domain = tx.domains.find(domain_id, Lock.EXCLUSIVE)
    if domain is None:
        raise NotFound("domain", domain_id)
    return domain


def _changed(domain: Domain, change: DomainUpdate) -> Domain:
    values = given_fields(change, "name", "description", "enabled")
    return replace(domain, **values, extra=merged(domain.extra, change.extra))


def _record(
    tx: Transaction, caller: Caller, at: datetime, action: str, domain: Domain, **more: object
) -> None:
    audit.record(
        tx, audit.actor_of(caller), at, action, f"domain {domain.name}",
        details={"domain_id": domain.id, **more},
    )  # fmt: skip

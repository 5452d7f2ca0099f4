"""Tokens: what they stand for, how long they are believed, and the users there are at first."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from trunkline.control import audit
from trunkline.control.access import of_user
from trunkline.control.logins import Credential, Login, Ref, find_domain, hash_of, log_in
from trunkline.control.lookup import ambiguous
from trunkline.control.passwords import Passwords
from trunkline.control.services import Services
from trunkline.domain.clock import Clock, IdSource
from trunkline.domain.errors import NotFound, Unauthenticated
from trunkline.domain.identity import (
    ADMIN,
    DEFAULT_DOMAIN,
    MEMBER,
    SYSTEM,
    ApplicationCredential,
    Caller,
    Domain,
    HolderKind,
    Project,
    Role,
    RoleAssignment,
    RoleHolder,
    User,
    domain_in,
    project_in,
    target_of_domain,
)
from trunkline.domain.ids import DomainId, ProjectId, RoleTarget, UserId
from trunkline.domain.policy import identity_rules as rules
from trunkline.domain.policy.rule import Rule
from trunkline.store.engine import Store
from trunkline.store.locks import Lock
from trunkline.store.tokens import TokenRecord
from trunkline.store.transaction import Transaction


class NoProject(enum.Enum):
    """What else than a project a token is asked for."""

    SYSTEM = "system"
    UNSCOPED = "unscoped"


@dataclass(frozen=True, slots=True)
class DomainScope:
    """A domain that a token is asked for."""

    domain: Ref


# A Ref: a project. None: the user's default project, or else nothing.
WantedScope: TypeAlias = Ref | DomainScope | NoProject | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenView:
    """A token with whom it speaks for. Its text is known only when it is issued."""

    user: User
    user_domain: Domain
    project: Project | None
    project_domain: Domain | None
    domain: Domain | None  # That it is for.
    is_system: bool  # With neither project nor domain: it is of no scope.
    roles: tuple[Role, ...]  # With the implied ones.
    issued_at: datetime
    expires_at: datetime
    methods: tuple[str, ...]
    audit_id: str
    application_credential: ApplicationCredential | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstPasswords:
    """The generated passwords of a new installation, by user name: shown once, stored nowhere."""

    admin: str = field(repr=False)
    demo: str = field(repr=False)


def bootstrap_identity(svc: Services) -> FirstPasswords | None:
    """Make the projects and users admin and demo; return None if that was done before."""
    if svc.store.read(lambda tx: tx.identity.all_users()):
        return None
    first = FirstPasswords(admin=svc.ids.new_secret(), demo=svc.ids.new_secret())
    hashes = {"admin": svc.passwords.hash(first.admin), "demo": svc.passwords.hash(first.demo)}
    ids = {name: svc.ids.new_id() for name in ("p:admin", "p:demo", "u:admin", "u:demo")}

    def write(tx: Transaction) -> bool:
        if tx.identity.all_users():
            return False  # Another replica started at the same moment.
        for name in ("admin", "demo"):
            project_id, user_id = ProjectId(ids[f"p:{name}"]), UserId(ids[f"u:{name}"])
            tx.identity.insert_project(Project(id=project_id, name=name))
            tx.identity.insert_user(
                User(
                    id=user_id,
                    name=name,
                    password_hash=hashes[name],
                    default_project_id=project_id,
                )
            )
            audit.record(tx, audit.SYSTEM, svc.clock.now(), "user.create", f"user {name}")
        for target, role_name, user in (
            (ids["p:admin"], ADMIN, "admin"),
            (ids["p:demo"], ADMIN, "admin"),
            (SYSTEM, ADMIN, "admin"),
            (ids["p:demo"], MEMBER, "demo"),
        ):
            (role,) = tx.roles.named([role_name])
            holder = RoleHolder(HolderKind.USER, ids[f"u:{user}"])
            tx.roles.grant(
                RoleAssignment(holder=holder, role_id=role.id, target=RoleTarget(target))
            )
        return True

    return first if svc.store.write(write) else None


def issue_token(svc: Services, credential: Credential, scope: WantedScope) -> tuple[str, TokenView]:
    """Return a new token's text and what it stands for.

    A token that was got by a token expires when that one does: it can't be made to live on.

    Raises:
        Unauthenticated: The credential is wrong, or the user has no role in the scope.
        TooManyAttempts: Too many wrong passwords came before.
    """
    now = svc.clock.now()
    login = log_in(svc, credential, now)
    text, audit_id = svc.ids.new_secret(), svc.ids.new_id().replace("-", "")

    def write(tx: Transaction) -> TokenView:
        user = tx.identity.find_user(user_id=login.user.id, lock=Lock.SHARED)
        if user is None or not user.enabled or user.password_hash != login.user.password_hash:
            raise Unauthenticated  # Disabled, or given another password, since it was checked.
        credential = login.application_credential
        if credential is not None and tx.application_credentials.find(credential.id) is None:
            raise Unauthenticated
        record = TokenRecord(
            token_hash=hash_of(text),
            user_id=user.id,
            target=_target(tx, login, user, scope),
            issued_at=now,
            expires_at=login.not_after,
            methods=login.methods,
            audit_id=audit_id,
            application_credential_id=None if credential is None else credential.id,
        )
        holder = _holder(tx, record, now)
        tx.tokens.insert(record)
        return _view(tx, holder)

    return text, svc.store.write(write)


def caller_from_token(svc: Services, text: str, *, request_id: str) -> Caller:
    """Return whom a token speaks for; nothing is cached, so that revoking works at once.

    Raises:
        Unauthenticated: It is unknown, expired or revoked, or its user or project is disabled.
    """
    holder = svc.store.read(lambda tx: _holder_by_text(tx, text, svc.clock.now()))
    project, credential = holder.project, holder.application_credential
    # No rule asks for the domain of a thing: had it roles, a token for one would do in all of them.
    roles = frozenset[str]() if holder.domain is not None else holder.roles
    return Caller(
        user_id=holder.user.id,
        user_name=holder.user.name,
        project_id=None if project is None else project.id,
        project_name="" if project is None else project.name,
        is_system=holder.record.target == SYSTEM,
        is_restricted=credential is not None and not credential.unrestricted,
        access_rules=() if credential is None else credential.access_rules,
        roles=roles,
        request_id=request_id,
        expires_at=holder.record.expires_at,
    )


def get_token(svc: Services, caller: Caller, text: str) -> TokenView:
    """Return what a token stands for, to whom it is allowed; raise `NotFound` to others."""

    def read(tx: Transaction) -> TokenView:
        return _view(tx, _own_token(tx, caller, rules.VALIDATE_TOKEN, text, svc.clock.now()))

    return svc.store.read(read)


def revoke_token(svc: Services, caller: Caller, text: str) -> None:
    """Revoke a token at once; raise `NotFound` to whom that is not allowed."""

    def write(tx: Transaction) -> None:
        _own_token(tx, caller, rules.REVOKE_TOKEN, text, svc.clock.now())
        tx.tokens.delete(hash_of(text))

    svc.store.write(write)


def reset_password(
    store: Store,
    user_name: str,
    *,
    domain: str | None,
    clock: Clock,
    ids: IdSource,
    passwords: Passwords,
) -> tuple[str, Domain]:
    """Give a user a new, generated password, revoke all of their tokens.

    For an operator at the machine itself, where perhaps no service runs: no caller is asked for,
    and no more than the store is needed.

    Args:
        store: Where the user is.
        user_name: Whose password it is.
        domain: The ID or name of the user's; None: the only one that has a user of this name.
        clock: For the audit trail.
        ids: Makes the password.
        passwords: Hashes it.

    Returns:
        The password, and the user's domain.

    Raises:
        NotFound: There is no such user, or no such domain.
        Invalid: Several domains have a user of this name.
    """
    password = ids.new_secret()
    password_hash = passwords.hash(password)

    def write(tx: Transaction) -> Domain:
        user = _only_user(tx, user_name, domain)
        tx.identity.set_password_hash(user.id, password_hash)
        tx.tokens.delete_of_user(user.id)
        audit.record(
            tx, audit.SYSTEM, clock.now(), "user.reset_password", f"user {user_name}",
            details={"user_id": user.id},
        )  # fmt: skip
        return _domain(tx, user.domain_id)

    return password, store.write(write)


def _only_user(tx: Transaction, name: str, domain: str | None) -> User:
    of = None
    if domain is not None:
        of = tx.domains.find(domain) or tx.domains.find_named(domain)
        if of is None:
            raise NotFound("domain", domain)
    found = tx.identity.users_named(name, None if of is None else of.id)
    if len(found) > 1:
        names = tx.domains.names()
        raise ambiguous("user", name, "domain", sorted(names[user.domain_id] for user in found))
    if not found:
        raise NotFound("user", name)
    return found[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Holder:
    """Whom a token speaks for at this moment."""

    record: TokenRecord
    user: User
    project: Project | None
    domain: Domain | None
    roles: frozenset[str]
    application_credential: ApplicationCredential | None


def _target(tx: Transaction, login: Login, user: User, scope: WantedScope) -> RoleTarget | None:
    """Find what a token is asked for; that there are roles in it is looked at later."""
    project: Project | None
    if login.application_credential is not None:
        own = login.application_credential.project_id
        if scope is not None and not (isinstance(scope, Ref) and _is(tx, scope, own)):
            raise Unauthenticated("an application credential is for its own project alone")
        return RoleTarget(own)
    match scope:
        case None:
            if user.default_project_id is None:
                return None
            project = tx.identity.find_project(project_id=user.default_project_id)
            target = RoleTarget(user.default_project_id)
            usable = (
                project is not None
                and project.enabled
                and _is_open(tx, project.domain_id)
                and tx.roles.with_implied(tx.roles.given(user.id, target))
            )
            return target if usable else None
        case NoProject.UNSCOPED:
            return None
        case NoProject.SYSTEM:
            if not tx.roles.given(user.id, SYSTEM):
                raise Unauthenticated("the user has no role in the system")
            return SYSTEM
        case DomainScope():
            domain = find_domain(tx, scope.domain)
            target = SYSTEM if domain is None else target_of_domain(domain.id)
            if (
                domain is None
                or not domain.enabled
                or not tx.roles.with_implied(tx.roles.given(user.id, target))
            ):
                raise Unauthenticated(
                    "the user has no role in this domain, or there is no such domain"
                )
            return target
        case Ref():
            project = _find_project(tx, scope)
            target = RoleTarget("" if project is None else project.id)
            if project is None or not project.enabled or not tx.roles.given(user.id, target):
                # One answer for all three: it tells nobody which projects there are.
                raise Unauthenticated(
                    "the user has no role in this project, or there is no such project"
                )
            return target


def _find_project(tx: Transaction, ref: Ref) -> Project | None:
    if ref.id is not None:
        return tx.identity.find_project(project_id=ref.id)
    domain = find_domain(tx, ref.domain)
    if domain is None:
        return None
    return next(iter(tx.identity.projects_named(ref.name or "", domain.id)), None)


def _is(tx: Transaction, ref: Ref, project_id: ProjectId) -> bool:
    project = _find_project(tx, ref)
    return project is not None and project.id == project_id


def _holder_by_text(tx: Transaction, text: str, now: datetime) -> _Holder:
    record = tx.tokens.find(hash_of(text))
    if record is None:
        raise Unauthenticated
    return _holder(tx, record, now)


def _holder(tx: Transaction, record: TokenRecord, now: datetime) -> _Holder:
    """Return whom a token speaks for.

    Raises:
        Unauthenticated: For nobody any more: it has expired, what it was got by is gone or
            disabled, or every role in its scope was taken away.
    """
    user = tx.identity.find_user(user_id=record.user_id)
    if user is None or not user.enabled or record.expires_at <= now:
        raise Unauthenticated
    if not _is_open(tx, user.domain_id):
        raise Unauthenticated
    project, domain, roles = None, None, frozenset[str]()
    if record.target is not None:
        project_id, domain_id = project_in(record.target), domain_in(record.target)
        if domain_id is not None:
            domain = tx.domains.find(domain_id)
            if domain is None or not domain.enabled:
                raise Unauthenticated
        if project_id is not None:
            project = tx.identity.find_project(project_id=project_id)
            if project is None or not project.enabled or not _is_open(tx, project.domain_id):
                raise Unauthenticated
        roles = tx.roles.with_implied(tx.roles.given(user.id, record.target))
    credential = None
    if record.application_credential_id is not None:
        credential = tx.application_credentials.find(record.application_credential_id)
        if credential is None:
            raise Unauthenticated
        roles &= tx.roles.with_implied(tx.roles.among(credential.role_ids))
    if record.target is not None and not roles:
        raise Unauthenticated
    return _Holder(
        record=record,
        user=user,
        project=project,
        domain=domain,
        roles=roles,
        application_credential=credential,
    )


def _is_open(tx: Transaction, domain_id: DomainId) -> bool:
    """Say whether a domain is enabled, as the default one always is."""
    if domain_id == DEFAULT_DOMAIN:
        return True
    domain = tx.domains.find(domain_id)
    return domain is not None and domain.enabled


def _domain(tx: Transaction, domain_id: DomainId) -> Domain:
    domain = tx.domains.find(domain_id)
    if domain is None:
        raise Unauthenticated  # Deleted just now.
    return domain


def _view(tx: Transaction, holder: _Holder) -> TokenView:
    record, project = holder.record, holder.project
    return TokenView(
        user=holder.user,
        user_domain=_domain(tx, holder.user.domain_id),
        project=project,
        project_domain=None if project is None else _domain(tx, project.domain_id),
        domain=holder.domain,
        is_system=record.target == SYSTEM,
        roles=tuple(tx.roles.named(holder.roles)),
        issued_at=record.issued_at,
        expires_at=record.expires_at,
        methods=record.methods,
        audit_id=record.audit_id,
        application_credential=holder.application_credential,
    )


def _own_token(tx: Transaction, caller: Caller, rule: Rule, text: str, now: datetime) -> _Holder:
    try:
        holder = _holder_by_text(tx, text, now)
    except Unauthenticated:
        raise NotFound("token", "given in X-Subject-Token") from None
    if not caller.may(rule, of_user(holder.user.id)):
        raise NotFound("token", "given in X-Subject-Token")
    return holder

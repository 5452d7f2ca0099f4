"""Users, projects and tokens: who may ask, and how long they are believed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from trunkline.control import audit
from trunkline.control.access import require_admin
from trunkline.control.passwords import Passwords
from trunkline.control.services import Services
from trunkline.domain.clock import Clock, IdSource
from trunkline.domain.errors import NotFound, Unauthenticated
from trunkline.domain.identity import ADMIN, MEMBER, Caller, Project, User, with_implied
from trunkline.domain.ids import ProjectId, UserId
from trunkline.store.engine import Store
from trunkline.store.identity import TokenRecord
from trunkline.store.transaction import Transaction

DOMAIN_ID: Final = "default"  # The only domain there is, as Keystone's bootstrap makes it.
DOMAIN_NAME: Final = "Default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """A user or project as a request names it: by ID, or by name in a domain."""

    id: str | None = None
    name: str | None = None
    domain: str | None = None  # ID or name; None: not said.

    @property
    def in_our_domain(self) -> bool:
        """Say whether it can be here at all."""
        return self.domain is None or self.domain in (DOMAIN_ID, DOMAIN_NAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordCredential:
    """A user's password. `address` is where it came from."""

    user: Ref
    password: str = field(repr=False)
    address: str = ""


@dataclass(frozen=True, slots=True)
class TokenCredential:
    """A token that is to be exchanged for one of another scope."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenView:
    """A token with whom it speaks for. Its text is known only when it is issued."""

    user: User
    project: Project
    roles: frozenset[str]  # With the implied ones.
    issued_at: datetime
    expires_at: datetime
    methods: tuple[str, ...]
    audit_id: str


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
        for project, role, user in (
            ("admin", ADMIN, "admin"),
            ("demo", ADMIN, "admin"),
            ("demo", MEMBER, "demo"),
        ):
            tx.identity.grant(UserId(ids[f"u:{user}"]), ProjectId(ids[f"p:{project}"]), {role})
        return True

    return first if svc.store.write(write) else None


def issue_token(
    svc: Services, credential: PasswordCredential | TokenCredential, scope: Ref | None
) -> tuple[str, TokenView]:
    """Return a new token's text and what it stands for.

    A token that was got by a token expires when that one does: it can't be made to live on.

    Args:
        svc: The services.
        credential: Who is asking.
        scope: The project; None: the user's default project.

    Raises:
        Unauthenticated: The credential is wrong, or the user has no role in the project.
        TooManyAttempts: Too many wrong passwords came before.
    """
    now = svc.clock.now()
    lifetime = timedelta(seconds=svc.limits.token_lifetime_seconds)
    methods: tuple[str, ...]
    if isinstance(credential, PasswordCredential):
        known = _user_by_password(svc, credential, now)
        methods, not_after = ("password",), now + lifetime
    else:
        known, record = _user_by_token(svc, credential.text, now)
        methods = tuple(dict.fromkeys((*record.methods, "token")))
        not_after = min(now + lifetime, record.expires_at)
    text, audit_id = svc.ids.new_secret(), svc.ids.new_id().replace("-", "")

    def write(tx: Transaction) -> TokenView:
        user = tx.identity.find_user(user_id=known.id)
        if user != known:
            raise Unauthenticated  # Disabled, or given another password, since it was checked.
        project = _scope_project(tx, user, scope)
        record = TokenRecord(
            token_hash=_hash(text),
            user_id=user.id,
            project_id=project.id,
            issued_at=now,
            expires_at=not_after,
            methods=methods,
            audit_id=audit_id,
        )
        tx.identity.insert_token(record)
        return _view(tx, record, user, project)

    return text, svc.store.write(write)


def caller_from_token(svc: Services, text: str, *, request_id: str) -> Caller:
    """Return whom a token speaks for; nothing is cached, so that revoking works at once.

    Raises:
        Unauthenticated: It is unknown, expired or revoked, or its user or project is disabled.
    """
    view = svc.store.read(lambda tx: _view_by_text(tx, text, svc.clock.now()))
    return Caller(
        user_id=view.user.id,
        user_name=view.user.name,
        project_id=view.project.id,
        project_name=view.project.name,
        roles=view.roles,
        request_id=request_id,
        expires_at=view.expires_at,
    )


def get_token(svc: Services, caller: Caller, text: str) -> TokenView:
    """Return what a token stands for, to its own user or an admin; raise `NotFound` otherwise."""

    def read(tx: Transaction) -> TokenView:
        return _own_token(tx, caller, text, svc.clock.now())

    return svc.store.read(read)


def revoke_token(svc: Services, caller: Caller, text: str) -> None:
    """Revoke a token at once; raise `NotFound` unless it is the caller's own, or by an admin."""

    def write(tx: Transaction) -> None:
        _own_token(tx, caller, text, svc.clock.now())
        tx.identity.delete_token(_hash(text))

    svc.store.write(write)


def reset_password(
    store: Store, user_name: str, *, clock: Clock, ids: IdSource, passwords: Passwords
) -> str:
    """Give a user a new, generated password, revoke all of their tokens, return the password.

    For an operator at the machine itself, where perhaps no service runs: no caller is asked for,
    and no more than the store is needed.

    Raises:
        NotFound: There is no such user.
    """
    password = ids.new_secret()
    password_hash = passwords.hash(password)

    def write(tx: Transaction) -> None:
        user = tx.identity.find_user(name=user_name)
        if user is None:
            raise NotFound("user", user_name)
        tx.identity.set_password_hash(user.id, password_hash)
        tx.identity.delete_tokens_of(user.id)
        audit.record(tx, audit.SYSTEM, clock.now(), "user.reset_password", f"user {user_name}")

    store.write(write)
    return password


def list_projects(svc: Services, caller: Caller) -> list[Project]:
    """Return the projects by name: to an admin all, to others those in which they have a role."""
    if caller.is_admin:
        return svc.store.read(lambda tx: tx.identity.all_projects())
    return list_own_projects(svc, caller)


def list_own_projects(svc: Services, caller: Caller) -> list[Project]:
    """Return the projects in which the caller has a role, by name."""
    return svc.store.read(lambda tx: tx.identity.projects_of(caller.user_id))


def list_projects_of(svc: Services, caller: Caller, user_id: str) -> list[Project]:
    """Return the projects in which a user has a role, to that user or an admin."""
    user = get_user(svc, caller, user_id)
    return svc.store.read(lambda tx: tx.identity.projects_of(user.id))


def get_project(svc: Services, caller: Caller, project_id: str) -> Project:
    """Return a project that the caller may see."""
    for project in list_projects(svc, caller):
        if project.id == project_id:
            return project
    raise NotFound("project", project_id)


def list_users(svc: Services, caller: Caller) -> list[User]:
    """Return every user, by name, to an admin."""
    require_admin(caller, "listing users")
    return svc.store.read(lambda tx: tx.identity.all_users())


def get_user(svc: Services, caller: Caller, user_id: str) -> User:
    """Return a user, to an admin or to that user."""
    user = svc.store.read(lambda tx: tx.identity.find_user(user_id=user_id))
    if user is None or not (caller.is_admin or caller.user_id == user.id):
        raise NotFound("user", user_id)
    return user


def _user_by_password(svc: Services, credential: PasswordCredential, now: datetime) -> User:
    ref = credential.user
    key = ref.id or ref.name or ""
    svc.password_attempts.require_allowed(key, credential.address, now)
    user = svc.store.read(lambda tx: tx.identity.find_user(user_id=ref.id, name=ref.name))
    known_hash = user.password_hash if user is not None and ref.in_our_domain else None
    if not svc.passwords.matches(credential.password, known_hash) or user is None:
        svc.password_attempts.failed(key, credential.address, now)
        raise Unauthenticated
    svc.password_attempts.succeeded(key, credential.address)
    return user


def _user_by_token(svc: Services, text: str, now: datetime) -> tuple[User, TokenRecord]:
    def read(tx: Transaction) -> tuple[User, TokenRecord]:
        record = tx.identity.find_token(_hash(text))
        user = None if record is None else tx.identity.find_user(user_id=record.user_id)
        if record is None or record.expires_at <= now or user is None:
            raise Unauthenticated
        return user, record

    return svc.store.read(read)


def _scope_project(tx: Transaction, user: User, scope: Ref | None) -> Project:
    if not user.enabled:
        raise Unauthenticated
    if scope is None:
        if user.default_project_id is None:
            raise Unauthenticated("this user has no default project: name the one to work in")
        scope = Ref(id=user.default_project_id)
    project = None
    if scope.in_our_domain:
        project = tx.identity.find_project(project_id=scope.id, name=scope.name)
    if project is None or not project.enabled or not tx.identity.roles_of(user.id, project.id):
        # One answer for all three: it tells nobody which projects there are.
        raise Unauthenticated("the user has no role in this project, or there is no such project")
    return project


def _view_by_text(tx: Transaction, text: str, now: datetime) -> TokenView:
    record = tx.identity.find_token(_hash(text))
    if record is None or record.expires_at <= now:
        raise Unauthenticated
    user = tx.identity.find_user(user_id=record.user_id)
    project = tx.identity.find_project(project_id=record.project_id)
    if user is None or not user.enabled or project is None or not project.enabled:
        raise Unauthenticated
    view = _view(tx, record, user, project)
    if not view.roles:
        raise Unauthenticated  # Every role in the project was taken away since.
    return view


def _view(tx: Transaction, record: TokenRecord, user: User, project: Project) -> TokenView:
    return TokenView(
        user=user,
        project=project,
        roles=with_implied(tx.identity.roles_of(user.id, project.id)),
        issued_at=record.issued_at,
        expires_at=record.expires_at,
        methods=record.methods,
        audit_id=record.audit_id,
    )


def _own_token(tx: Transaction, caller: Caller, text: str, now: datetime) -> TokenView:
    try:
        view = _view_by_text(tx, text, now)
    except Unauthenticated:
        raise NotFound("token", "given in X-Subject-Token") from None
    if not (caller.is_admin or view.user.id == caller.user_id):
        raise NotFound("token", "given in X-Subject-Token")
    return view


def _hash(text: str) -> str:
    """Return how the store knows a token: it is random enough that SHA-256 needs no salt."""
    return hashlib.sha256(text.encode()).hexdigest()

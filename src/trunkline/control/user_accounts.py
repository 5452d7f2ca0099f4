"""Users: made, changed and deleted by admins; their passwords changed by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from trunkline.control import audit
from trunkline.control.access import of_user, require, require_seen
from trunkline.control.admins import keeping_an_admin
from trunkline.control.field_changes import changed_fields, merged
from trunkline.control.logins import require_password
from trunkline.control.requests import UNSET, Unset, given_fields
from trunkline.control.services import Services
from trunkline.domain.errors import NotFound, Unauthenticated
from trunkline.domain.identity import DEFAULT_DOMAIN, Caller, User
from trunkline.domain.ids import DomainId, ProjectId, UserId
from trunkline.domain.listing import ListQuery
from trunkline.domain.policy import identity_rules as rules
from trunkline.domain.policy.rule import Rule
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class UserUpdate:
    """Changes to a user; UNSET leaves a field alone, as `extra` does what it does not name."""

    name: str | Unset = UNSET
    password: str | Unset | None = field(default=UNSET, repr=False)  # None: nobody logs in by one.
    enabled: bool | Unset = UNSET
    default_project_id: ProjectId | Unset | None = UNSET
    domain_id: DomainId | None = None  # Of a new one alone: it stays. None: the default one.
    extra: Mapping[str, object] = field(default_factory=dict)


def create_user(svc: Services, caller: Caller, asked: UserUpdate) -> User:
    """Make a user, who has no role anywhere yet.

    Raises:
        Forbidden: The policy does not allow it.
        NotFound: There is no such default project, or domain.
        AlreadyExists: The name is taken.
    """
    require(caller, rules.CREATE_USER)
    user_id, at = UserId(svc.ids.new_id()), svc.clock.now()
    domain_id = asked.domain_id or DEFAULT_DOMAIN
    new = User(id=user_id, name="", password_hash="", domain_id=domain_id)
    user = _changed(new, asked, _hash(svc, asked))

    def write(tx: Transaction) -> User:
        if tx.domains.find(domain_id, Lock.SHARED) is None:
            raise NotFound("domain", domain_id)
        _require_default_project(tx, asked)
        tx.identity.insert_user(user)
        audit.record(
            tx, audit.actor_of(caller), at, "user.create", _subject(user),
            details={"user_id": user.id},
        )  # fmt: skip
        return user

    return svc.store.write(write)


def list_users(svc: Services, caller: Caller, query: ListQuery) -> list[User]:
    """Return one page of users, to an admin."""
    require(caller, rules.LIST_USERS)
    return svc.store.read(lambda tx: tx.identity.page_of_users(query))


def get_user(svc: Services, caller: Caller, user_id: str, rule: Rule = rules.SHOW_USER) -> User:
    """Return a user, to whom `rule` allows it; raise `NotFound` to others."""
    user = svc.store.read(lambda tx: tx.identity.find_user(user_id=user_id))
    if user is None:
        raise NotFound("user", user_id)
    require_seen(caller, rule, of_user(user.id), "user", user_id)
    return user


def update_user(svc: Services, caller: Caller, user_id: str, change: UserUpdate) -> User:
    """Change a user. Who is disabled or gets another password has no valid token any more.

    Raises:
        Forbidden: The policy does not allow it.
        NotFound: There is no such user, or default project.
        AlreadyExists: The name is taken.
        StateConflict: Nobody could log in as an admin any more.
    """
    require(caller, rules.UPDATE_USER)
    password_hash, at = _hash(svc, change), svc.clock.now()

    def write(tx: Transaction) -> User:
        known = get_locked(tx, user_id)
        _require_default_project(tx, change)
        user = _changed(known, change, password_hash)
        with keeping_an_admin(tx, "user", known.name):
            tx.identity.update_user(user)
        if not user.enabled or user.password_hash != known.password_hash:
            tx.tokens.delete_of_user(user.id)
        changed = [
            "password" if name == "password_hash" else name for name in changed_fields(known, user)
        ]
        audit.record(
            tx, audit.actor_of(caller), at, "user.update", _subject(user),
            details={"user_id": user.id, "changed": changed},
        )  # fmt: skip
        return user

    return svc.store.write(write)


def change_password(
    svc: Services, caller: Caller, user_id: str, *, original: str, new: str, address: str
) -> None:
    """Change a user's password, by the one that it has been; all tokens are worthless then.

    Raises:
        NotFound: The caller may not see this user.
        Unauthenticated: `original` is not the password.
        TooManyAttempts: Too many wrong ones came before.
    """
    known = get_user(svc, caller, user_id)
    now = svc.clock.now()
    require_password(svc, known, original, address, now)
    password_hash = svc.passwords.hash(new)

    def write(tx: Transaction) -> None:
        user = get_locked(tx, known.id)
        if user.password_hash != known.password_hash:
            raise Unauthenticated  # Another one was given since it was checked.
        tx.identity.set_password_hash(user.id, password_hash)
        tx.tokens.delete_of_user(user.id)
        audit.record(
            tx, audit.actor_of(caller), now, "user.change_password", _subject(user),
            details={"user_id": user.id},
        )  # fmt: skip

    svc.store.write(write)


def delete_user(svc: Services, caller: Caller, user_id: str) -> None:
    """Delete a user with roles, application credentials, tokens and key pairs.

    What the user has made is the project's and stays.

    Raises:
        Forbidden: The policy does not allow it.
        NotFound: There is no such user.
        StateConflict: Nobody could log in as an admin any more.
    """
    require(caller, rules.DELETE_USER)
    at = svc.clock.now()

    def write(tx: Transaction) -> None:
        user = get_locked(tx, user_id)
        with keeping_an_admin(tx, "user", user.name):
            remove_user(tx, caller, at, user_id)

    svc.store.write(write)


def remove_user(tx: Transaction, caller: Caller, at: datetime, user_id: str) -> None:
    """Delete a user with all that is the user's own; raise `NotFound` if there is none."""
    user = get_locked(tx, user_id)
    tx.identity.delete_user(user.id)
    tx.key_pairs.delete_of(user.id)
    audit.record(
        tx, audit.actor_of(caller), at, "user.delete", _subject(user),
        details={"user_id": user.id},
    )  # fmt: skip


def get_locked(tx: Transaction, user_id: str) -> User:
    """Return a user to be changed; raise `NotFound` if there is none."""
    user = tx.identity.find_user(user_id=user_id, lock=Lock.EXCLUSIVE)
    if user is None:
        raise NotFound("user", user_id)
    return user


def _hash(svc: Services, change: UserUpdate) -> str | Unset:
    if change.password is UNSET or isinstance(change.password, Unset):
        return UNSET
    return "" if change.password is None else svc.passwords.hash(change.password)


def _require_default_project(tx: Transaction, change: UserUpdate) -> None:
    wanted = change.default_project_id
    if isinstance(wanted, str) and tx.identity.find_project(project_id=wanted) is None:
        raise NotFound("project", wanted)


def _changed(user: User, change: UserUpdate, password_hash: str | Unset) -> User:
    values = given_fields(change, "name", "enabled", "default_project_id")
    if password_hash is not UNSET:
        values["password_hash"] = password_hash
    return replace(user, **values, extra=merged(user.extra, change.extra))


def _subject(user: User) -> str:
    return f"user {user.name}"

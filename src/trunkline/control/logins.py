"""Credentials: by a password, an application credential or a token; guessers are stopped."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from trunkline.control.services import Services
from trunkline.domain.errors import Unauthenticated
from trunkline.domain.identity import ApplicationCredential, User
from trunkline.domain.ids import DomainId
from trunkline.store.tokens import TokenRecord
from trunkline.store.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """A user or project as a request names it: by ID, or by name in a domain."""

    id: str | None = None
    name: str | None = None
    domain: str | None = None  # ID or name; None: not said.


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordCredential:
    """A user's password. `address` is where it came from."""

    user: Ref
    password: str = field(repr=False)
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretCredential:
    """The secret of an application credential, which goes by its ID, or by its name and user."""

    id: str | None = None
    name: str | None = None
    user: Ref | None = None
    secret: str = field(repr=False)
    address: str = ""


@dataclass(frozen=True, slots=True)
class TokenCredential:
    """A token that is to be exchanged for one of another scope."""

    text: str = field(repr=False)


Credential = PasswordCredential | SecretCredential | TokenCredential


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What a credential has proven."""

    user: User
    methods: tuple[str, ...]
    not_after: datetime  # When a token that is got by it ends at the latest.
    application_credential: ApplicationCredential | None = None


def log_in(svc: Services, credential: Credential, now: datetime) -> Login:
    """Check a credential; it is looked at again when a token is made.

    Raises:
        Unauthenticated: It is wrong, or has expired.
        TooManyAttempts: Too many wrong passwords or secrets came before.
    """
    match credential:
        case PasswordCredential():
            return _by_password(svc, credential, now)
        case SecretCredential():
            return _by_secret(svc, credential, now)
        case TokenCredential():
            return _by_token(svc, credential.text, now)


def require_password(svc: Services, user: User, password: str, address: str, now: datetime) -> None:
    """Raise `Unauthenticated` unless it is the user's, and count it if not."""
    _require(svc, f"user {user.id}", user.password_hash, password, address, now)


def hash_of(token: str) -> str:
    """Return how the store knows a token: it is random enough that SHA-256 needs no salt."""
    return hashlib.sha256(token.encode()).hexdigest()


def _by_password(svc: Services, credential: PasswordCredential, now: datetime) -> Login:
    user = svc.store.read(lambda tx: _find_user(tx, credential.user))
    # Whoever goes by name and by ID has no more tries than others.
    key = _named(credential.user) if user is None else user.id
    stored = None if user is None else user.password_hash
    _require(svc, f"user {key}", stored, credential.password, credential.address, now)
    assert user is not None
    return Login(user=user, methods=("password",), not_after=now + _lifetime(svc))


def _by_secret(svc: Services, credential: SecretCredential, now: datetime) -> Login:
    def read(tx: Transaction) -> tuple[User, ApplicationCredential] | None:
        if credential.id is not None:
            found = tx.application_credentials.find(credential.id)
        else:
            user = None if credential.user is None else _find_user(tx, credential.user)
            if user is None or credential.name is None:
                return None
            found = tx.application_credentials.find_named(user.id, credential.name)
        if found is None:
            return None
        owner = tx.identity.find_user(user_id=found.user_id)
        return None if owner is None else (owner, found)

    known = svc.store.read(read)
    if known is None:
        of = "" if credential.user is None else f" of {_named(credential.user)}"
        key, stored = f"{credential.id or credential.name}{of}", None
    else:
        key, stored = known[1].id, known[1].secret_hash
    what = f"application credential {key}"
    _require(svc, what, stored, credential.secret, credential.address, now)
    assert known is not None
    user, found = known
    if found.expires_at is not None and found.expires_at <= now:
        raise Unauthenticated("the application credential has expired")
    not_after = now + _lifetime(svc)
    return Login(
        user=user,
        methods=("application_credential",),
        not_after=not_after if found.expires_at is None else min(not_after, found.expires_at),
        application_credential=found,
    )


def _by_token(svc: Services, text: str, now: datetime) -> Login:
    def read(tx: Transaction) -> tuple[User, TokenRecord, ApplicationCredential | None]:
        record = tx.tokens.find(hash_of(text))
        user = None if record is None else tx.identity.find_user(user_id=record.user_id)
        if record is None or record.expires_at <= now or user is None:
            raise Unauthenticated
        credential_id = record.application_credential_id
        if credential_id is None:
            return user, record, None
        return user, record, tx.application_credentials.find(credential_id)

    user, record, application_credential = svc.store.read(read)
    return Login(
        user=user,
        methods=tuple(dict.fromkeys((*record.methods, "token"))),
        not_after=min(now + _lifetime(svc), record.expires_at),
        application_credential=application_credential,
    )


def _require(
    svc: Services, key: str, stored: str | None, given: str, address: str, now: datetime
) -> None:
    """Let through who gives what was stored as a hash; None or empty: nobody.

    It takes as long for nobody, so that the time does not tell whom there is.
    """
    attempts = svc.password_attempts
    attempts.require_allowed(key, address, now)
    if not svc.passwords.matches(given, stored or None):
        attempts.failed(key, address, now)
        raise Unauthenticated
    attempts.succeeded(key, address)


def is_in_domain(tx: Transaction, ref: Ref, domain_id: DomainId) -> bool:
    """Say whether a thing of a domain is what is named, as far as the domain goes."""
    if ref.domain is None or ref.domain == domain_id:
        return True
    domain = tx.domains.find(domain_id)
    return domain is not None and domain.name == ref.domain


def _find_user(tx: Transaction, ref: Ref) -> User | None:
    user = tx.identity.find_user(user_id=ref.id, name=ref.name)
    return user if user is not None and is_in_domain(tx, ref, user.domain_id) else None


def _named(ref: Ref) -> str:
    return ref.id or ref.name or ""


def _lifetime(svc: Services) -> timedelta:
    return timedelta(seconds=svc.limits.token_lifetime_seconds)

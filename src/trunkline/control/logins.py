"""Credentials: by a password, an application credential or a token; guessers are stopped."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from trunkline.control.services import Services
from trunkline.domain.errors import Unauthenticated
from trunkline.domain.identity import ApplicationCredential, Domain, User
from trunkline.store.tokens import TokenRecord
from trunkline.store.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """A user, project or domain as a request names it: by ID, or by name; the first two of these
    in a domain.
    """

    id: str | None = None
    name: str | None = None
    domain: Ref | None = None


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
    _require(svc, _guessed_by_id(user.id), user.password_hash, password, address, now)


def hash_of(token: str) -> str:
    """Return how the store knows a token: it is random enough that SHA-256 needs no salt."""
    return hashlib.sha256(token.encode()).hexdigest()


def _by_password(svc: Services, credential: PasswordCredential, now: datetime) -> Login:
    def read(tx: Transaction) -> tuple[User | None, str]:
        user = _find_user(tx, credential.user)
        return user, _guessed(tx, credential.user, user)

    user, key = svc.store.read(read)
    stored = None if user is None else user.password_hash
    _require(svc, key, stored, credential.password, credential.address, now)
    assert user is not None
    return Login(user=user, methods=("password",), not_after=now + _lifetime(svc))


def _by_secret(svc: Services, credential: SecretCredential, now: datetime) -> Login:
    def read(tx: Transaction) -> tuple[User | None, ApplicationCredential | None, str]:
        asked_by = credential.user
        if asked_by is None:
            found = tx.application_credentials.find(credential.id or "")
            key = f"application credential ID {credential.id}"
        else:
            user, name = _find_user(tx, asked_by), credential.name or ""
            found = None if user is None else tx.application_credentials.find_named(user.id, name)
            key = f"application credential named {name!r} of {_guessed(tx, asked_by, user)}"
        if found is None:
            return None, None, key
        owner = tx.identity.find_user(user_id=found.user_id)
        return owner, found, f"application credential ID {found.id}"

    user, found, key = svc.store.read(read)
    stored = None if user is None or found is None else found.secret_hash
    _require(svc, key, stored, credential.secret, credential.address, now)
    assert user is not None
    assert found is not None
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


def find_domain(tx: Transaction, ref: Ref | None) -> Domain | None:
    """Return the domain that a request names, if it names one that there is."""
    if ref is None:
        return None
    return tx.domains.find_named(ref.name or "") if ref.id is None else tx.domains.find(ref.id)


def _find_user(tx: Transaction, ref: Ref) -> User | None:
    if ref.id is not None:
        return tx.identity.find_user(user_id=ref.id)
    domain = find_domain(tx, ref.domain)
    if domain is None:
        return None
    return next(iter(tx.identity.users_named(ref.name or "", domain.id)), None)


def _guessed(tx: Transaction, ref: Ref, user: User | None) -> str:
    """Return by what wrong passwords are counted.

    Whoever goes by ID and by name, in a domain by ID and by name, has no more tries than others.
    Tries by what can't be known to be one user's never count together: that would tell that there
    is none.
    """
    if user is not None:
        return _guessed_by_id(user.id)
    if ref.id is not None:
        return _guessed_by_id(ref.id)
    domain = find_domain(tx, ref.domain)
    if domain is not None:
        return f"user named {ref.name!r} in {domain.id}"
    return f"user named {ref.name!r} in none, {ref.domain}"


def _guessed_by_id(user_id: str) -> str:
    return f"user ID {user_id}"


def _lifetime(svc: Services) -> timedelta:
    return timedelta(seconds=svc.limits.token_lifetime_seconds)

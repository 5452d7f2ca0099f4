"""Application credentials: what programs log in with in place of their users' passwords."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from trunkline.control import audit
from trunkline.control.access import of_user, require
from trunkline.control.access_rules import KnownRule, ensure_rules, with_new_ids
from trunkline.control.services import Services
from trunkline.control.user_accounts import get_locked, get_user
from trunkline.domain.access_rules import AccessRule
from trunkline.domain.errors import ErrorKind, Forbidden, Invalid, NotFound, TrunklineError
from trunkline.domain.identity import ApplicationCredential, Caller, Role
from trunkline.domain.ids import ApplicationCredentialId, UserId
from trunkline.domain.policy import identity_rules as rules
from trunkline.store.transaction import Transaction

CREDENTIALS_OF_USER_MAX: Final = 200


class TooManyApplicationCredentials(TrunklineError):
    """A user has as many application credentials as one may have."""

    code = "identity.too_many_application_credentials"
    kind = ErrorKind.FORBIDDEN

    def __init__(self) -> None:
        super().__init__(
            f"a user has {CREDENTIALS_OF_USER_MAX} application credentials at most: delete one"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationCredentialCreate:
    """What an application credential is to be. `roles` empty: those of the token."""

    name: str
    description: str = ""
    secret: str | None = field(default=None, repr=False)  # None: one is made.
    roles: Sequence[tuple[str, str]] = ()  # Each by its `id` or `name`.
    unrestricted: bool = False
    expires_at: datetime | None = None
    access_rules: Sequence[AccessRule | KnownRule] = ()  # None: it may ask anything.


@dataclass(frozen=True, slots=True)
class ApplicationCredentialView:
    """An application credential with its roles."""

    credential: ApplicationCredential
    roles: tuple[Role, ...]


def create_application_credential(
    svc: Services, caller: Caller, user_id: str, asked: ApplicationCredentialCreate
) -> tuple[str, ApplicationCredentialView]:
    """Make one for the caller, in the project of the token; return its secret, and what it is.

    Raises:
        Forbidden: The user is another one, the token is for no project, or an application
            credential that is restricted is behind it.
        Invalid: A role is none that the token has, an access rule is none of the user's, or the
            time of expiry has passed.
        AlreadyExists: The user has one of that name.
        TooManyApplicationCredentials: The user has too many.
        TooManyAccessRules: Likewise.
    """
    get_user(svc, caller, user_id)
    require(caller, rules.CREATE_APPLICATION_CREDENTIAL, of_user(user_id))
    _require_own(caller, user_id)
    project_id, now = caller.own_project, svc.clock.now()
    if asked.expires_at is not None and asked.expires_at <= now:
        raise Invalid("application_credential.expires_at", "has passed")
    secret = asked.secret or svc.ids.new_secret()
    secret_hash = svc.passwords.hash(secret)
    credential_id = ApplicationCredentialId(svc.ids.new_id().replace("-", ""))
    wanted_rules = with_new_ids(svc, asked.access_rules)

    def write(tx: Transaction) -> ApplicationCredentialView:
        get_locked(tx, user_id)  # Another request would not see this one when it counts.
        if tx.application_credentials.count_of_user(caller.user_id) >= CREDENTIALS_OF_USER_MAX:
            raise TooManyApplicationCredentials
        roles = _roles(tx, caller, asked.roles)
        credential = ApplicationCredential(
            id=credential_id,
            user_id=caller.user_id,
            project_id=project_id,
            name=asked.name,
            description=asked.description,
            secret_hash=secret_hash,
            role_ids=frozenset(role.id for role in roles),
            unrestricted=asked.unrestricted,
            expires_at=asked.expires_at,
            created_at=now,
            access_rules=ensure_rules(tx, caller.user_id, wanted_rules),
        )
        tx.application_credentials.insert(credential)
        _record(tx, caller, now, "application_credential.create", credential)
        return ApplicationCredentialView(credential, tuple(roles))

    return secret, svc.store.write(write)


def list_application_credentials(
    svc: Services, caller: Caller, user_id: str, name: str | None
) -> list[ApplicationCredentialView]:
    """Return those of a user, by name."""
    get_user(svc, caller, user_id, rules.LIST_APPLICATION_CREDENTIALS)

    def read(tx: Transaction) -> list[ApplicationCredentialView]:
        found = tx.application_credentials.of_user(UserId(user_id), name)
        return [_view(tx, each) for each in found]

    return svc.store.read(read)


def get_application_credential(
    svc: Services, caller: Caller, user_id: str, credential_id: str
) -> ApplicationCredentialView:
    """Return one of a user."""
    get_user(svc, caller, user_id, rules.SHOW_APPLICATION_CREDENTIAL)
    return svc.store.read(lambda tx: _view(tx, _get(tx, user_id, credential_id)))


def delete_application_credential(
    svc: Services, caller: Caller, user_id: str, credential_id: str
) -> None:
    """Delete one; tokens that were got by it are worthless then.

    Raises:
        NotFound: There is none, or none that the caller may know of.
        Forbidden: An application credential that is restricted is behind the token.
    """
    get_user(svc, caller, user_id)
    require(caller, rules.DELETE_APPLICATION_CREDENTIAL, of_user(user_id))
    _require_unrestricted(caller)
    at = svc.clock.now()

    def write(tx: Transaction) -> None:
        credential = _get(tx, user_id, credential_id)
        tx.application_credentials.delete([credential.id])
        _record(tx, caller, at, "application_credential.delete", credential)

    svc.store.write(write)


def _require_own(caller: Caller, user_id: str) -> None:
    if caller.user_id != user_id:
        raise Forbidden("creating an application credential for another user")
    _require_unrestricted(caller)


def _require_unrestricted(caller: Caller) -> None:
    if caller.is_restricted:
        raise Forbidden(
            "application credentials are made and deleted by the user, or by one of them that"
            " was made unrestricted"
        )


def _roles(tx: Transaction, caller: Caller, asked: Sequence[tuple[str, str]]) -> list[Role]:
    held = tx.roles.named(caller.roles)
    if not asked:
        return held
    found = {}
    for at, (key, value) in enumerate(asked):
        of_it = [role for role in held if value == (role.id if key == "id" else role.name)]
        if not of_it:
            raise Invalid(f"application_credential.roles[{at}]", "is no role that the token has")
        found[of_it[0].id] = of_it[0]
    return sorted(found.values(), key=lambda role: role.name)


def _get(tx: Transaction, user_id: str, credential_id: str) -> ApplicationCredential:
    found = tx.application_credentials.find(credential_id)
    if found is None or found.user_id != user_id:
        raise NotFound("application credential", credential_id)
    return found


def _view(tx: Transaction, credential: ApplicationCredential) -> ApplicationCredentialView:
    return ApplicationCredentialView(credential, tuple(tx.roles.among(credential.role_ids)))


def _record(
    tx: Transaction, caller: Caller, at: datetime, action: str, credential: ApplicationCredential
) -> None:
    audit.record(
        tx, audit.actor_of(caller), at, action, f"application credential {credential.name}",
        details={"user_id": credential.user_id, "application_credential_id": credential.id},
    )  # fmt: skip

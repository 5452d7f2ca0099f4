"""What Keystone says of a token, and what that makes of whoever sent it."""

from __future__ import annotations

import enum
from contextlib import suppress
from datetime import datetime
from typing import Final

import msgspec

from trunkline.domain.access_rules import AccessMethod, AccessRule, parse_path
from trunkline.domain.errors import Forbidden, TrunklineError, Unauthenticated
from trunkline.domain.identity import ADMIN, Caller
from trunkline.domain.ids import AccessRuleId, ProjectId, UserId
from trunkline.wire.json import decode

DEFAULT_DOMAIN_ID: Final = "default"
ID_CHARACTERS_MAX: Final = 64  # Keystone's own limit; users of an LDAP have as many.
NAME_CHARACTERS_MAX: Final = 200  # Of a name in the audit trail, which has room for 255.


class Unusable(enum.Enum):
    """Why a token gives nobody the right to ask for anything here."""

    INVALID = "invalid"  # Unknown, expired or revoked, or its user or project is disabled.
    UNSCOPED = "unscoped"
    OF_A_DOMAIN = "of a domain"

    @property
    def error(self) -> TrunklineError:
        """A new exception that says so."""
        match self:
            case Unusable.INVALID:
                return Unauthenticated()
            case Unusable.UNSCOPED:
                return Forbidden("the token is for no project: ask Keystone for one that is")
            case Unusable.OF_A_DOMAIN:
                return Forbidden(
                    "the token is for a domain: ask Keystone for one for a project, or the system"
                )


class _Named(msgspec.Struct, frozen=True):
    id: str
    name: str = ""


class _InDomain(msgspec.Struct, frozen=True):
    id: str
    name: str
    domain: _Named


class _Role(msgspec.Struct, frozen=True):
    name: str


class _Rule(msgspec.Struct, frozen=True):
    id: str
    service: str
    method: str
    path: str


class _Credential(msgspec.Struct, frozen=True):
    access_rules: tuple[_Rule, ...] | None = None  # None: anything may be asked by it.


class _Token(msgspec.Struct, frozen=True):
    user: _InDomain
    expires_at: datetime
    roles: tuple[_Role, ...] = ()
    project: _InDomain | None = None
    system: dict[str, bool] | None = None
    domain: _Named | None = None
    application_credential: _Credential | None = None
    is_domain: bool = False  # The project stands for a whole domain.
    # Said only where Keystone names one project as the cloud's admins' own.
    is_admin_project: bool = True


class _Body(msgspec.Struct, frozen=True):
    token: _Token


class _Expiry(msgspec.Struct, frozen=True):
    expires_at: datetime


class _ExpiryBody(msgspec.Struct, frozen=True):
    token: _Expiry


def read_token(body: bytes) -> Caller | Unusable:
    """Return whom a token speaks for, by Keystone's answer to its validation.

    Its roles are those that Keystone lists, which adds the implied ones itself. The role `admin`
    is left out where Keystone says that the project is not the cloud's admins' own.

    Raises:
        ValueError: It is no such answer.
    """
    token = decode(body, _Body).token
    _require_fit(token)
    roles = {role.name for role in token.roles}
    if not token.is_admin_project:
        roles -= {ADMIN}
    is_system = bool(token.system and token.system.get("all"))
    if token.domain is not None or token.is_domain:
        return Unusable.OF_A_DOMAIN
    if token.project is None and not is_system:
        return Unusable.UNSCOPED
    access_rules = _access_rules(token.application_credential)
    if access_rules is None:
        return Unusable.INVALID
    return Caller(
        user_id=UserId(token.user.id),
        user_name=_name_of(token.user),
        roles=frozenset(roles),
        project_id=None if token.project is None else ProjectId(token.project.id),
        project_name="" if token.project is None else _name_of(token.project),
        is_system=is_system,
        access_rules=access_rules,
        expires_at=token.expires_at,
    )


def read_expiry(body: bytes) -> datetime:
    """Return until when a token that was just got is valid; raise `ValueError` as `read_token`."""
    expires_at = decode(body, _ExpiryBody).token.expires_at
    if expires_at.tzinfo is None:
        raise ValueError("a time without its zone")
    return expires_at


def _access_rules(credential: _Credential | None) -> tuple[AccessRule, ...] | None:
    """Return what may be asked by a credential, where none of them is anything; None: nothing.

    Keystone takes paths that say nothing clear, with a brace alone: such a rule allows nothing.
    """
    if credential is None or credential.access_rules is None:
        return ()
    found = []
    for rule in credential.access_rules:
        with suppress(ValueError):
            found.append(
                AccessRule(
                    id=AccessRuleId(rule.id),
                    service=rule.service,
                    method=AccessMethod(rule.method),
                    path=parse_path(rule.path),
                )
            )
    return tuple(found) or None


def _require_fit(token: _Token) -> None:
    ids = [token.user.id] + ([] if token.project is None else [token.project.id])
    if any(not 0 < len(each) <= ID_CHARACTERS_MAX for each in ids):
        raise ValueError(f"an ID that has not 1 to {ID_CHARACTERS_MAX} characters")
    if token.expires_at.tzinfo is None:
        raise ValueError("a time without its zone")


def _name_of(thing: _InDomain) -> str:
    """Return a name that tells it from others: names are unique in their domain only."""
    name = thing.name[:NAME_CHARACTERS_MAX]
    if thing.domain.id == DEFAULT_DOMAIN_ID:
        return name
    return f"{name}@{thing.domain.name or thing.domain.id}"[:NAME_CHARACTERS_MAX]

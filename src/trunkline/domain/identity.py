"""Who may ask: users, projects, roles, tokens."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from trunkline.domain.access_rules import AccessRule
from trunkline.domain.errors import Forbidden
from trunkline.domain.ids import (
    ApplicationCredentialId,
    DomainId,
    GroupId,
    ProjectId,
    RoleId,
    RoleTarget,
    UserId,
)
from trunkline.domain.policy.language import Target
from trunkline.domain.policy.policy import DEFAULT_POLICY, NO_TARGET, Policy
from trunkline.domain.policy.rule import Rule

ADMIN: Final = "admin"
MANAGER: Final = "manager"
MEMBER: Final = "member"
READER: Final = "reader"

# Each implies the ones after it. Source: Keystone's bootstrap.
DEFAULT_ROLES: Final = (ADMIN, MANAGER, MEMBER, READER)


def with_implied(given: Collection[str]) -> frozenset[str]:
    """Return names of roles, with those that the default ones among them imply."""
    for rank, role in enumerate(DEFAULT_ROLES):
        if role in given:
            return frozenset(given) | frozenset(DEFAULT_ROLES[rank:])
    return frozenset(given)


DEFAULT_DOMAIN: Final = DomainId("default")  # As Keystone's bootstrap makes it. It stays.


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """What users, groups and projects belong to."""

    id: DomainId
    name: str
    description: str = ""
    enabled: bool = True
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What networks, ports, servers and images belong to."""

    id: ProjectId
    name: str  # No other project of its domain has it.
    domain_id: DomainId = DEFAULT_DOMAIN
    parent_id: ProjectId | None = None  # None: it is right below its domain.
    description: str = ""
    enabled: bool = True
    tags: tuple[str, ...] = ()
    extra: Mapping[str, object] = field(default_factory=dict)  # What clients add of their own.


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who logs in. `password_hash` is argon2's encoded form; empty: no password does."""

    id: UserId
    name: str  # No other user of its domain has it.
    password_hash: str
    domain_id: DomainId = DEFAULT_DOMAIN
    enabled: bool = True
    default_project_id: ProjectId | None = None
    extra: Mapping[str, object] = field(default_factory=dict)  # Description, email, and the like.


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role that users can be given. What it allows, rules say by its name."""

    id: RoleId
    name: str  # No other role of its domain has it; or, of those of no domain, of these.
    description: str = ""
    # One of a domain is for that domain's projects, and is good only for what it implies.
    domain_id: DomainId | None = None

    @property
    def is_default(self) -> bool:
        """It is one of those that every installation has, and that stay as they are."""
        return self.name in DEFAULT_ROLES and self.domain_id is None


def all_implied(
    given: Iterable[Role], own: Mapping[RoleId, Collection[Role]]
) -> Mapping[RoleId, Role]:
    """Return roles with those that they imply, by ID; `own` says which an operator's imply.

    What the default roles imply is left out.
    """
    found: dict[RoleId, Role] = {}
    pending = list(given)
    while pending:
        role = pending.pop()
        if role.id not in found:
            found[role.id] = role
            pending += own.get(role.id, ())
    return found


def names_had(given: Iterable[Role], own: Mapping[RoleId, Collection[Role]]) -> frozenset[str]:
    """Return the names that rules know of whoever was given roles: with the implied ones, and
    without those of domains, which could be called anything.
    """
    found = all_implied(given, own).values()
    return with_implied({role.name for role in found if role.domain_id is None})


# What roles are had in and tokens are for: a project, by its ID, or one of these.
SYSTEM: Final = RoleTarget("system")
DOMAIN: Final = RoleTarget("domain")  # The default one; another: `d:` and its ID.
_DOMAIN_PREFIX: Final = "d:"


def target_of_domain(domain_id: DomainId) -> RoleTarget:
    """Return what stands for a domain where roles are had."""
    return DOMAIN if domain_id == DEFAULT_DOMAIN else RoleTarget(f"{_DOMAIN_PREFIX}{domain_id}")


def domain_in(target: RoleTarget) -> DomainId | None:
    """Return the domain that a target is, if it is one."""
    if target == DOMAIN:
        return DEFAULT_DOMAIN
    if target.startswith(_DOMAIN_PREFIX):
        return DomainId(target.removeprefix(_DOMAIN_PREFIX))
    return None


def project_in(target: RoleTarget) -> ProjectId | None:
    """Return the project that a target is, if it is one."""
    if target == SYSTEM or domain_in(target) is not None:
        return None
    return ProjectId(target)


class HolderKind(StrEnum):
    """What can be given roles."""

    USER = "user"
    GROUP = "group"  # Of users: each of them has the role by it.


@dataclass(frozen=True, slots=True)
class RoleHolder:
    """A user or a group of users, as one that is given roles."""

    kind: HolderKind
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleAssignment:
    """A role that a user or a group was given itself."""

    holder: RoleHolder
    role_id: RoleId
    target: RoleTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class UserGroup:
    """Users who have what roles it was given."""

    id: GroupId
    domain_id: DomainId
    name: str
    description: str = ""
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationCredential:
    """What a program logs in with in place of its user's password, in one project."""

    id: ApplicationCredentialId
    user_id: UserId
    project_id: ProjectId
    name: str
    description: str
    secret_hash: str  # As of a password: a user may have chosen it.
    role_ids: frozenset[RoleId]
    unrestricted: bool  # May make and delete application credentials.
    expires_at: datetime | None
    created_at: datetime
    access_rules: tuple[AccessRule, ...] = ()  # What may be asked by it; none: anything.


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who is asking, for one request: made from a token, or by the program for itself.

    One that speaks for the system, or whose token has no scope at all, speaks for no project.
    """

    user_id: UserId
    user_name: str
    roles: frozenset[str]  # By name, in what the token is for; the implied ones are among them.
    project_id: ProjectId | None
    project_name: str = ""
    is_system: bool = False  # The token is for the whole of the system.
    is_restricted: bool = False  # An application credential that may make no others is behind it.
    access_rules: tuple[AccessRule, ...] = ()  # Of that credential; none: it may ask anything.
    request_id: str = ""  # `req-…`, as in the response header and in audit rows.
    expires_at: datetime | None = None
    policy: Policy = field(default=DEFAULT_POLICY, repr=False)  # By which the caller is judged.

    @property
    def own_project(self) -> ProjectId:
        """The project that what the caller makes belongs to.

        Raises:
            Forbidden: The caller speaks for none.
        """
        if self.project_id is None:
            raise Forbidden("this needs a token for a project")
        return self.project_id

    def may(self, rule: Rule, target: Target = NO_TARGET) -> bool:
        """Say whether the policy allows the caller what `rule` is about, on the thing concerned."""
        return self.policy.allows(rule, self, target)

    def may_on_all(self, rule: Rule) -> bool:
        """Say whether it is allowed on the things of every project and user."""
        return self.policy.allows_on_all(rule, self)

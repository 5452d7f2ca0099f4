"""Role assignments: which user or group has which role in which project, domain or the system."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Final

from trunkline.control import audit
from trunkline.control.access import require
from trunkline.control.admins import keeping_an_admin
from trunkline.control.services import Services
from trunkline.domain.errors import Forbidden, Invalid, NotFound
from trunkline.domain.identity import (
    SYSTEM,
    Caller,
    Domain,
    HolderKind,
    Project,
    Role,
    RoleAssignment,
    RoleHolder,
    User,
    UserGroup,
    domain_in,
    names_had,
    project_in,
)
from trunkline.domain.ids import (
    ApplicationCredentialId,
    GroupId,
    ProjectId,
    RoleId,
    RoleTarget,
    UserId,
)
from trunkline.domain.policy import identity_rules as rules
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction

ASSIGNMENTS_SHOWN_MAX: Final = 10_000  # In one list, which has no pages.


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentView:
    """A role that a user or a group has, with what to call its parts by."""

    user: User | None  # None: the group itself.
    role: Role
    target: RoleTarget
    project: Project | None
    prior: Role | None  # The role that was given and implies this one; None: it was given itself.
    group: UserGroup | None = None  # That was given it, the user being in it.


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentFilter:
    """Which role assignments are asked for; None leaves a part open."""

    user_id: str | None = None
    group_id: str | None = None
    role_id: str | None = None
    target: RoleTarget | None = None
    effective: bool = False  # What users have: by groups too, with implied roles, less domains'.


def grant_role(svc: Services, caller: Caller, given: RoleAssignment) -> None:
    """Give a user or a group a role; that it has it already is as well.

    Raises:
        Forbidden: The policy does not allow it.
        NotFound: There is no such user or group, role, project or domain.
        Invalid: The role is of a domain, and is to be had in the system.
    """
    require(caller, rules.CREATE_GRANT)
    at = svc.clock.now()

    def write(tx: Transaction) -> None:
        named, project = _named(tx, given), _known_target(tx, given.target)
        of = named.role.domain_id
        if of is not None and given.target == SYSTEM:
            raise Invalid(
                "role_id", f"{named.role.name} is of a domain: it can't be had in the system"
            )
        if of is not None and project is not None and project.domain_id != of:
            raise Forbidden(
                f"giving {named.role.name}, which is of another domain than the project"
            )
        if tx.roles.grant(given):
            _record(tx, caller, at, "role.assign", named, project)

    svc.store.write(write)


def revoke_role(svc: Services, caller: Caller, given: RoleAssignment) -> None:
    """Take a role back; from a user, with the application credentials that rested on it.

    Raises:
        Forbidden: The policy does not allow it.
        NotFound: The user or group does not have the role, or there is no such thing.
        StateConflict: Nobody could log in as an admin any more.
    """
    require(caller, rules.REVOKE_GRANT)
    at = svc.clock.now()

    def write(tx: Transaction) -> None:
        named, project = _named(tx, given), None
        if given.holder.kind is HolderKind.GROUP:
            _take(tx, named)
        else:
            project = _known_target(tx, given.target)
            with keeping_an_admin(tx, "user", named.holder.name):
                _take(tx, named)
            if project is not None:
                groundless = _groundless(tx, UserId(given.holder.id), project.id)
                tx.application_credentials.delete(groundless)
        _record(tx, caller, at, "role.unassign", named, project)

    svc.store.write(write)


def require_given(svc: Services, caller: Caller, given: RoleAssignment) -> None:
    """Raise `NotFound` unless a user or a group was given a role itself."""
    name = f"{given.role_id} of group {given.holder.id}"
    if given.holder.kind is HolderKind.USER:
        name = svc.store.read(lambda tx: _named(tx, given)).name
    found = list_given(svc, caller, given.holder, given.target)
    if given.role_id not in {role.id for role in found}:
        raise NotFound("role assignment", name)


def list_given(svc: Services, caller: Caller, holder: RoleHolder, target: RoleTarget) -> list[Role]:
    """Return the roles that a user or a group was given in a target, by name; to an admin.

    Raises:
        Forbidden: The policy does not allow it.
        NotFound: There is no such user or group, project or domain.
    """
    require(caller, rules.LIST_GRANTS)

    def read(tx: Transaction) -> list[Role]:
        _known_holder(tx, holder)
        _known_target(tx, target)
        return tx.roles.given_itself(holder, target)

    return svc.store.read(read)


def has_system_role(svc: Services, caller: Caller) -> bool:
    """Say whether the caller has a role in the system, itself or by a group."""
    return bool(svc.store.read(lambda tx: tx.roles.given(caller.user_id, SYSTEM)))


def list_own_domains(svc: Services, caller: Caller) -> list[Domain]:
    """Return the enabled domains in which the caller has a role, itself or by a group, by name."""

    def read(tx: Transaction) -> list[Domain]:
        own, given = tx.roles.implied(), tx.roles.given_in_domains(caller.user_id)
        usable = [domain_id for domain_id, roles in given.items() if names_had(roles, own)]
        return [domain for domain in tx.domains.among(usable) if domain.enabled]

    return svc.store.read(read)


def list_assignments(
    svc: Services, caller: Caller, wanted: AssignmentFilter
) -> list[AssignmentView]:
    """Return role assignments by user, target and role, up to a number; to an admin."""
    require(caller, rules.LIST_ROLE_ASSIGNMENTS)

    def read(tx: Transaction) -> list[AssignmentView]:
        roles = {role.id: role for role in tx.roles.all()}
        own = tx.roles.implied() if wanted.effective else {}
        given = _given(tx, wanted, _that_give(wanted, roles, own))
        users = {
            user.id: user
            for user in tx.identity.users_among({one.user_id for one in given if one.user_id})
        }
        groups = {
            group.id: group
            for group in tx.user_groups.among({one.group_id for one in given if one.group_id})
        }
        of = {project for one in given if (project := project_in(one.target)) is not None}
        projects = {project.id: project for project in tx.identity.projects_among(of)}
        by_name = {role.name: role for role in roles.values() if role.domain_id is None}
        views: list[AssignmentView] = []
        for each in given:
            role, project_id = roles[each.role_id], project_in(each.target)
            had = [role]
            if wanted.effective:
                had = [by_name[name] for name in sorted(names_had([role], own))]
            views.extend(
                AssignmentView(
                    user=None if each.user_id is None else users[each.user_id],
                    group=None if each.group_id is None else groups[each.group_id],
                    role=one,
                    target=each.target,
                    project=None if project_id is None else projects[project_id],
                    prior=None if one.id == role.id else role,
                )
                for one in sorted(had, key=lambda one: one.id != role.id)  # What was given first.
                if wanted.role_id in (None, one.id)
            )
        return views[:ASSIGNMENTS_SHOWN_MAX]

    return svc.store.read(read)


@dataclass(frozen=True, slots=True)
class _Given:
    """A role that was given: to a user, a group, or (both) a user by a group."""

    user_id: UserId | None
    group_id: GroupId | None
    role_id: RoleId
    target: RoleTarget


def _given(tx: Transaction, wanted: AssignmentFilter, role_ids: list[str] | None) -> list[_Given]:
    """Return what was given, to users first; what groups have to each member, if effective."""
    limit = ASSIGNMENTS_SHOWN_MAX
    given_to = partial(tx.roles.assignments, role_ids=role_ids, target=wanted.target, limit=limit)
    found: list[_Given] = []
    if wanted.group_id is None:
        found += [
            _Given(UserId(each.holder.id), None, each.role_id, each.target)
            for each in given_to(HolderKind.USER, holder_id=wanted.user_id)
        ]
    if wanted.user_id is not None and not wanted.effective:
        return found
    of_groups = [
        (GroupId(each.holder.id), each)
        for each in given_to(HolderKind.GROUP, holder_id=wanted.group_id)
    ]
    if not wanted.effective:
        return found + [
            _Given(None, group_id, each.role_id, each.target) for group_id, each in of_groups
        ]
    members = tx.user_groups.members_of(
        {group_id for group_id, _ in of_groups}, user_id=wanted.user_id, limit=limit
    )
    by_groups = (
        _Given(user_id, group_id, each.role_id, each.target)
        for group_id, each in of_groups
        for user_id in members.get(group_id, ())
    )
    return found + list(islice(by_groups, limit - len(found)))


def _that_give(
    wanted: AssignmentFilter, roles: dict[RoleId, Role], own: Mapping[RoleId, Collection[Role]]
) -> list[str] | None:
    """Return which roles may be behind those that are asked for; None: any."""
    if wanted.role_id is None:
        return None
    asked = roles.get(RoleId(wanted.role_id))
    if asked is None or not wanted.effective:
        return [wanted.role_id]
    if asked.domain_id is not None:
        return []  # It counts for what it implies alone.
    return [role.id for role in roles.values() if asked.name in names_had([role], own)]


def _groundless(
    tx: Transaction, user_id: UserId, project_id: ProjectId
) -> list[ApplicationCredentialId]:
    """Return a user's application credentials with roles that the user no longer has."""
    left = tx.roles.with_implied(tx.roles.given(user_id, RoleTarget(project_id)))
    return [
        credential.id
        for credential in tx.application_credentials.of_user_in(user_id, project_id)
        if any(role.name not in left for role in tx.roles.among(credential.role_ids))
    ]


@dataclass(frozen=True, slots=True)
class _Named:
    """A role assignment, with what to call its parts by."""

    given: RoleAssignment
    holder: User | UserGroup
    role: Role

    @property
    def name(self) -> str:
        """What to call the whole by: `reader of user bob`."""
        return f"{self.role.name} of {self.given.holder.kind} {self.holder.name}"


def _named(tx: Transaction, given: RoleAssignment) -> _Named:
    role = tx.roles.find(given.role_id)
    if role is None:
        raise NotFound("role", given.role_id)
    return _Named(given, _known_holder(tx, given.holder), role)


def _known_holder(tx: Transaction, holder: RoleHolder) -> User | UserGroup:
    found: User | UserGroup | None
    if holder.kind is HolderKind.GROUP:
        found = tx.user_groups.find(holder.id)
    else:
        found = tx.identity.find_user(user_id=holder.id)
    if found is None:
        raise NotFound(holder.kind, holder.id)
    return found


def _known_target(tx: Transaction, target: RoleTarget) -> Project | None:
    """Return the project that a target is, if it is one; raise `NotFound` if it is not there."""
    project_id, domain_id = project_in(target), domain_in(target)
    if domain_id is not None and tx.domains.find(domain_id, tx.lock(Lock.SHARED)) is None:
        raise NotFound("domain", domain_id)
    if project_id is None:
        return None
    project = tx.identity.find_project(project_id=project_id)
    if project is None:
        raise NotFound("project", project_id)
    return project


def _take(tx: Transaction, named: _Named) -> None:
    if not tx.roles.revoke(named.given):
        raise NotFound("role assignment", named.name)


def _record(
    tx: Transaction,
    caller: Caller,
    at: datetime,
    action: str,
    named: _Named,
    project: Project | None,
) -> None:
    given, holder = named.given, named.holder
    where = given.target if project is None else f"project {project.name}"
    is_user = given.holder.kind is HolderKind.USER
    what = f"role {named.name} in {where}" if is_user else f"group {holder.name}"
    audit.record(
        tx, audit.actor_of(caller), at, action, what,
        details={
            f"{given.holder.kind}_id": holder.id, "role_id": given.role_id, "target": given.target,
        },
    )  # fmt: skip

"""Role assignments: who has which role in which project, the domain or the system."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final

from trunkline.control import audit
from trunkline.control.access import require
from trunkline.control.admins import keeping_an_admin
from trunkline.control.services import Services
from trunkline.domain.errors import NotFound
from trunkline.domain.identity import (
    SYSTEM,
    Caller,
    Project,
    Role,
    RoleAssignment,
    User,
    UserGroup,
    domain_in,
    project_in,
    with_implied,
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
    effective: bool = False  # What users have: by groups as well, with implied roles.


def grant_role(
    svc: Services, caller: Caller, *, user_id: str, role_id: str, target: RoleTarget
) -> None:
    """Give a user a role; that the user has it already is as well.

    Raises:
        Forbidden: The policy does not allow it.
        NotFound: There is no such user, role or project.
    """
    require(caller, rules.CREATE_GRANT)
    at = svc.clock.now()

    def write(tx: Transaction) -> None:
        view = _known(tx, user_id, role_id, target)
        if tx.roles.grant(_assignment(view)):
            _record(tx, caller, at, "role.assign", view)

    svc.store.write(write)


def revoke_role(
    svc: Services, caller: Caller, *, user_id: str, role_id: str, target: RoleTarget
) -> None:
    """Take a role from a user, with the application credentials that rested on it.

    Raises:
        Forbidden: The policy does not allow it.
        NotFound: There is no such user, role or project, or the user does not have the role.
        StateConflict: Nobody could log in as an admin any more.
    """
    require(caller, rules.REVOKE_GRANT)
    at = svc.clock.now()

    def write(tx: Transaction) -> None:
        view = _known(tx, user_id, role_id, target)
        with keeping_an_admin(tx, "user", view.user.name):
            if not tx.roles.revoke(_assignment(view)):
                raise NotFound("role assignment", f"{view.role.name} of user {view.user.name}")
        if view.project is not None:
            tx.application_credentials.delete(_groundless(tx, view.user.id, view.project.id))
        _record(tx, caller, at, "role.unassign", view)

    svc.store.write(write)


def has_role(
    svc: Services, caller: Caller, *, user_id: str, role_id: str, target: RoleTarget
) -> None:
    """Raise `NotFound` unless the user was given the role."""
    view = svc.store.read(lambda tx: _known(tx, user_id, role_id, target))
    given = list_given(svc, caller, user_id=user_id, target=target)
    if view.role not in given:
        raise NotFound("role assignment", f"{view.role.name} of user {view.user.name}")


def list_given(svc: Services, caller: Caller, *, user_id: str, target: RoleTarget) -> list[Role]:
    """Return the roles that a user was given in a target, by name; to an admin.

    Raises:
        Forbidden: The policy does not allow it.
        NotFound: There is no such user or project.
    """
    require(caller, rules.LIST_GRANTS)

    def read(tx: Transaction) -> list[Role]:
        _known_user(tx, user_id)
        known_target(tx, target)
        return tx.roles.given_itself(UserId(user_id), target)

    return svc.store.read(read)


def has_system_role(svc: Services, caller: Caller) -> bool:
    """Say whether the caller has a role in the system, itself or by a group."""
    return bool(svc.store.read(lambda tx: tx.roles.given(caller.user_id, SYSTEM)))


def list_assignments(
    svc: Services, caller: Caller, wanted: AssignmentFilter
) -> list[AssignmentView]:
    """Return role assignments by user, target and role, up to a number; to an admin."""
    require(caller, rules.LIST_ROLE_ASSIGNMENTS)

    def read(tx: Transaction) -> list[AssignmentView]:
        roles = {role.id: role for role in tx.roles.all()}
        also = tx.roles.implied() if wanted.effective else {}
        given = _given(tx, wanted, _that_give(wanted, roles, also))
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
        by_name = {role.name: role for role in roles.values()}
        views: list[AssignmentView] = []
        for each in given:
            role, project_id = roles[each.role_id], project_in(each.target)
            implied = with_implied([role.name], also) - {role.name} if wanted.effective else ()
            views.extend(
                AssignmentView(
                    user=None if each.user_id is None else users[each.user_id],
                    group=None if each.group_id is None else groups[each.group_id],
                    role=by_name[name],
                    target=each.target,
                    project=None if project_id is None else projects[project_id],
                    prior=None if name == role.name else role,
                )
                for name in (role.name, *sorted(implied))
                if wanted.role_id in (None, by_name[name].id)
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
    found: list[_Given] = []
    if wanted.group_id is None:
        found += [
            _Given(each.user_id, None, each.role_id, each.target)
            for each in tx.roles.assignments(
                user_id=wanted.user_id, role_ids=role_ids, target=wanted.target, limit=limit
            )
        ]
    if wanted.user_id is not None and not wanted.effective:
        return found
    of_groups = tx.user_groups.assignments(
        group_id=wanted.group_id, role_ids=role_ids, target=wanted.target, limit=limit
    )
    if not wanted.effective:
        return found + [
            _Given(None, each.group_id, each.role_id, each.target) for each in of_groups
        ]
    members = tx.user_groups.members_of(
        {each.group_id for each in of_groups}, user_id=wanted.user_id, limit=limit
    )
    by_groups = (
        _Given(user_id, each.group_id, each.role_id, each.target)
        for each in of_groups
        for user_id in members.get(each.group_id, ())
    )
    return found + list(islice(by_groups, limit - len(found)))


def _that_give(
    wanted: AssignmentFilter, roles: dict[RoleId, Role], also: Mapping[str, Collection[str]]
) -> list[str] | None:
    """Return which roles may be behind those that are asked for; None: any."""
    if wanted.role_id is None:
        return None
    asked = roles.get(RoleId(wanted.role_id))
    if asked is None or not wanted.effective:
        return [wanted.role_id]
    return [role.id for role in roles.values() if asked.name in with_implied([role.name], also)]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _UserRole:
    """A role that a user is given, and where."""

    user: User
    role: Role
    target: RoleTarget
    project: Project | None


def _known(tx: Transaction, user_id: str, role_id: str, target: RoleTarget) -> _UserRole:
    return _UserRole(
        role=known_role(tx, role_id),
        user=_known_user(tx, user_id),
        target=target,
        project=known_target(tx, target),
    )


def known_role(tx: Transaction, role_id: str) -> Role:
    """Return a role; raise `NotFound` if there is none."""
    role = tx.roles.find(role_id)
    if role is None:
        raise NotFound("role", role_id)
    return role


def _known_user(tx: Transaction, user_id: str) -> User:
    user = tx.identity.find_user(user_id=user_id)
    if user is None:
        raise NotFound("user", user_id)
    return user


def known_target(tx: Transaction, target: RoleTarget) -> Project | None:
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


def _assignment(view: _UserRole) -> RoleAssignment:
    return RoleAssignment(user_id=view.user.id, role_id=view.role.id, target=view.target)


def _record(tx: Transaction, caller: Caller, at: datetime, action: str, view: _UserRole) -> None:
    where = view.target if view.project is None else f"project {view.project.name}"
    audit.record(
        tx, audit.actor_of(caller), at, action,
        f"role {view.role.name} of user {view.user.name} in {where}",
        details={"user_id": view.user.id, "role_id": view.role.id, "target": view.target},
    )  # fmt: skip

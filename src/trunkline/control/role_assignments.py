"""Role assignments: who has which role in which project, the domain or the system."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from trunkline.control import audit
from trunkline.control.access import require
from trunkline.control.admins import keeping_an_admin
from trunkline.control.services import Services
from trunkline.domain.errors import NotFound
from trunkline.domain.identity import (
    Caller,
    Project,
    Role,
    RoleAssignment,
    User,
    project_in,
    with_implied,
)
from trunkline.domain.ids import ApplicationCredentialId, ProjectId, RoleId, RoleTarget, UserId
from trunkline.domain.policy import identity_rules as rules
from trunkline.store.transaction import Transaction

ASSIGNMENTS_SHOWN_MAX: Final = 10_000  # In one list, which has no pages.


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentView:
    """A role that a user has, with what to call its parts by."""

    user: User
    role: Role
    target: RoleTarget
    project: Project | None
    prior: Role | None  # The role that was given and implies this one; None: it was given itself.


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentFilter:
    """Which role assignments are asked for; None leaves a part open."""

    user_id: str | None = None
    role_id: str | None = None
    target: RoleTarget | None = None
    effective: bool = False  # With the roles that those given imply.


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
        _known_project(tx, target)
        return tx.roles.given(UserId(user_id), target)

    return svc.store.read(read)


def list_own_targets(svc: Services, caller: Caller) -> frozenset[RoleTarget]:
    """Return what the caller has a role in."""

    def read(tx: Transaction) -> frozenset[RoleTarget]:
        given = tx.roles.assignments(user_id=caller.user_id, limit=ASSIGNMENTS_SHOWN_MAX)
        return frozenset(each.target for each in given)

    return svc.store.read(read)


def list_assignments(
    svc: Services, caller: Caller, wanted: AssignmentFilter
) -> list[AssignmentView]:
    """Return role assignments by user, target and role, up to a number; to an admin."""
    require(caller, rules.LIST_ROLE_ASSIGNMENTS)

    def read(tx: Transaction) -> list[AssignmentView]:
        roles = {role.id: role for role in tx.roles.all()}
        given = tx.roles.assignments(
            user_id=wanted.user_id,
            role_ids=_that_give(wanted, roles),
            target=wanted.target,
            limit=ASSIGNMENTS_SHOWN_MAX,
        )
        users = {user.id: user for user in tx.identity.users_among({a.user_id for a in given})}
        of = {project for a in given if (project := project_in(a.target)) is not None}
        projects = {project.id: project for project in tx.identity.projects_among(of)}
        by_name = {role.name: role for role in roles.values()}
        views: list[AssignmentView] = []
        for each in given:
            role, project_id = roles[each.role_id], project_in(each.target)
            implied = with_implied([role.name]) - {role.name} if wanted.effective else frozenset()
            views.extend(
                AssignmentView(
                    user=users[each.user_id],
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


def _that_give(wanted: AssignmentFilter, roles: dict[RoleId, Role]) -> list[str] | None:
    """Return which roles may be behind those that are asked for; None: any."""
    if wanted.role_id is None:
        return None
    asked = roles.get(RoleId(wanted.role_id))
    if asked is None or not wanted.effective:
        return [wanted.role_id]
    return [role.id for role in roles.values() if asked.name in with_implied([role.name])]


def _groundless(
    tx: Transaction, user_id: UserId, project_id: ProjectId
) -> list[ApplicationCredentialId]:
    """Return a user's application credentials with roles that the user no longer has."""
    left = with_implied(role.name for role in tx.roles.given(user_id, RoleTarget(project_id)))
    return [
        credential.id
        for credential in tx.application_credentials.of_user_in(user_id, project_id)
        if any(role.name not in left for role in tx.roles.among(credential.role_ids))
    ]


def _known(tx: Transaction, user_id: str, role_id: str, target: RoleTarget) -> AssignmentView:
    role = tx.roles.find(role_id)
    if role is None:
        raise NotFound("role", role_id)
    return AssignmentView(
        user=_known_user(tx, user_id),
        role=role,
        target=target,
        project=_known_project(tx, target),
        prior=None,
    )


def _known_user(tx: Transaction, user_id: str) -> User:
    user = tx.identity.find_user(user_id=user_id)
    if user is None:
        raise NotFound("user", user_id)
    return user


def _known_project(tx: Transaction, target: RoleTarget) -> Project | None:
    project_id = project_in(target)
    if project_id is None:
        return None
    project = tx.identity.find_project(project_id=project_id)
    if project is None:
        raise NotFound("project", project_id)
    return project


def _assignment(view: AssignmentView) -> RoleAssignment:
    return RoleAssignment(user_id=view.user.id, role_id=view.role.id, target=view.target)


def _record(
    tx: Transaction, caller: Caller, at: datetime, action: str, view: AssignmentView
) -> None:
    where = view.target if view.project is None else f"project {view.project.name}"
    audit.record(
        tx, audit.actor_of(caller), at, action,
        f"role {view.role.name} of user {view.user.name} in {where}",
        details={"user_id": view.user.id, "role_id": view.role.id, "target": view.target},
    )  # fmt: skip

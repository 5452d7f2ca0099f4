"""Projects: made, changed and deleted by admins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from trunkline.control import audit
from trunkline.control.access import of_project, require
from trunkline.control.admins import keeping_an_admin
from trunkline.control.field_changes import changed_fields, merged
from trunkline.control.requests import UNSET, Unset, given_fields
from trunkline.control.services import Services
from trunkline.control.user_accounts import get_user
from trunkline.domain.errors import InUse, Invalid, NotFound
from trunkline.domain.identity import DEFAULT_DOMAIN, Caller, Project
from trunkline.domain.ids import DomainId, ProjectId, RoleTarget
from trunkline.domain.listing import ListQuery
from trunkline.domain.policy import identity_rules as rules
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction

DEPTH_MAX: Final = 5  # As Keystone's: projects from the domain down.


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectUpdate:
    """Changes to a project; UNSET leaves a field alone, as `extra` does what it does not name."""

    name: str | Unset = UNSET
    description: str | Unset = UNSET
    enabled: bool | Unset = UNSET
    # Of a new one alone: these two stay. None: the parent's domain, or else the default one.
    domain_id: DomainId | None = None
    parent_id: ProjectId | None = None
    tags: tuple[str, ...] | Unset = UNSET
    extra: Mapping[str, object] = field(default_factory=dict)


def create_project(svc: Services, caller: Caller, asked: ProjectUpdate) -> Project:
    """Make a project.

    Raises:
        Forbidden: The policy does not allow it.
        NotFound: There is no such domain.
        Invalid: There is no such parent in the domain, or it is too far down.
        AlreadyExists: The name is taken.
    """
    require(caller, rules.CREATE_PROJECT)
    project_id, at = ProjectId(svc.ids.new_id()), svc.clock.now()

    def write(tx: Transaction) -> Project:
        domain_id = _domain_of_new(tx, asked)
        project = _changed(
            Project(id=project_id, name="", domain_id=domain_id, parent_id=asked.parent_id), asked
        )
        tx.identity.insert_project(project)
        audit.record(
            tx, audit.actor_of(caller), at, "project.create", _subject(project),
            details={"project_id": project.id},
        )  # fmt: skip
        return project

    return svc.store.write(write)


def _domain_of_new(tx: Transaction, asked: ProjectUpdate) -> DomainId:
    """Return the domain of a new project, which can't be deleted before the project is there."""
    domain_id = asked.domain_id
    parent_id, depth = asked.parent_id, 1
    while parent_id is not None:
        parent = tx.identity.find_project(project_id=parent_id, lock=Lock.SHARED)
        if parent is None or domain_id not in (None, parent.domain_id):
            raise Invalid("project.parent_id", f"there is no project {parent_id} in the domain")
        domain_id, parent_id, depth = parent.domain_id, parent.parent_id, depth + 1
    if depth > DEPTH_MAX:
        raise Invalid("project.parent_id", f"at most {DEPTH_MAX} projects are below one another")
    domain_id = domain_id or DEFAULT_DOMAIN
    if tx.domains.find(domain_id, Lock.SHARED) is None:
        raise NotFound("domain", domain_id)
    return domain_id


def list_projects(svc: Services, caller: Caller, query: ListQuery) -> list[Project]:
    """Return one page of all projects, to an admin."""
    require(caller, rules.LIST_PROJECTS)
    return svc.store.read(lambda tx: tx.identity.page_of_projects(query))


def list_own_projects(svc: Services, caller: Caller) -> list[Project]:
    """Return the projects in which the caller has a role, by name."""
    return svc.store.read(lambda tx: tx.identity.projects_of(caller.user_id))


def list_projects_of(svc: Services, caller: Caller, user_id: str) -> list[Project]:
    """Return the projects in which a user has a role, to that user or an admin."""
    user = get_user(svc, caller, user_id, rules.LIST_USER_PROJECTS)
    return svc.store.read(lambda tx: tx.identity.projects_of(user.id))


def get_project(svc: Services, caller: Caller, project_id: str) -> Project:
    """Return a project, to an admin or to who has a role in it; raise `NotFound` to others."""

    def read(tx: Transaction) -> Project:
        project = tx.identity.find_project(project_id=project_id)
        if project is None or not (
            caller.may(rules.SHOW_PROJECT, of_project(project.id))
            or tx.roles.given(caller.user_id, RoleTarget(project.id))
        ):
            raise NotFound("project", project_id)
        return project

    return svc.store.read(read)


def update_project(
    svc: Services, caller: Caller, project_id: str, change: ProjectUpdate
) -> Project:
    """Change a project; one that is disabled lets nobody work in it any more.

    Raises:
        Forbidden: The policy does not allow it.
        NotFound: There is no such project.
        AlreadyExists: The name is taken.
        StateConflict: Nobody could log in as an admin any more.
    """
    return _update(svc, caller, project_id, lambda known: _changed(known, change))


def tag_project(
    svc: Services, caller: Caller, project_id: str, tag: str, *, tags_max: int
) -> Project:
    """Add a tag to a project; raise `Invalid` if that were too many."""

    def change(known: Project) -> Project:
        tags = tuple(dict.fromkeys((*known.tags, tag)))
        if len(tags) > tags_max:
            raise Invalid("tag", f"a project has {tags_max} of them at most")
        return replace(known, tags=tags)

    return _update(svc, caller, project_id, change)


def untag_project(svc: Services, caller: Caller, project_id: str, tag: str) -> Project:
    """Take a tag from a project; raise `NotFound` if it does not have it."""

    def change(known: Project) -> Project:
        if tag not in known.tags:
            raise NotFound("project tag", tag)
        return replace(known, tags=tuple(each for each in known.tags if each != tag))

    return _update(svc, caller, project_id, change)


def _update(
    svc: Services, caller: Caller, project_id: str, change: Callable[[Project], Project]
) -> Project:
    require(caller, rules.UPDATE_PROJECT)
    at = svc.clock.now()

    def write(tx: Transaction) -> Project:
        known = get_locked(tx, project_id)
        project = change(known)
        with keeping_an_admin(tx, "project", known.name):
            tx.identity.update_project(project)
        if not project.enabled:
            tx.tokens.delete_for(RoleTarget(project.id))
        audit.record(
            tx, audit.actor_of(caller), at, "project.update", _subject(project),
            details={"project_id": project.id, "changed": changed_fields(known, project)},
        )  # fmt: skip
        return project

    return svc.store.write(write)


def delete_project(svc: Services, caller: Caller, project_id: str) -> None:
    """Delete a project that owns nothing any more, with its roles, credentials and quotas.

    Raises:
        Forbidden: The policy does not allow it.
        NotFound: There is no such project.
        InUse: It owns something.
        StateConflict: Nobody could log in as an admin any more.
    """
    require(caller, rules.DELETE_PROJECT)
    at = svc.clock.now()

    def write(tx: Transaction) -> None:
        project = get_locked(tx, project_id)
        with keeping_an_admin(tx, "project", project.name):
            remove_project(tx, caller, at, project_id)

    svc.store.write(write)


def remove_project(
    tx: Transaction, caller: Caller, at: datetime, project_id: str, *, with_children: bool = False
) -> None:
    """Delete a project that owns nothing any more; what is below it goes `with_children` only.

    Raises:
        NotFound: There is no such project.
        InUse: It owns something, or has projects below it.
    """
    project = get_locked(tx, project_id)
    if owned := tx.identity.owned_by(project.id):
        left = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in owned.items())
        raise InUse("project", project.name, f"it still owns {left}")
    if not with_children and tx.identity.has_children(project.id):
        raise InUse("project", project.name, "there are projects below it")
    tx.identity.delete_project(project.id)
    tx.quotas.delete_of(project.id)
    audit.record(
        tx, audit.actor_of(caller), at, "project.delete", _subject(project),
        details={"project_id": project.id},
    )  # fmt: skip


def get_locked(tx: Transaction, project_id: str) -> Project:
    """Return a project to be changed; raise `NotFound` if there is none."""
    project = tx.identity.find_project(project_id=project_id, lock=Lock.EXCLUSIVE)
    if project is None:
        raise NotFound("project", project_id)
    return project


def _changed(project: Project, change: ProjectUpdate) -> Project:
    values = given_fields(change, "name", "description", "enabled", "tags")
    return replace(project, **values, extra=merged(project.extra, change.extra))


def _subject(project: Project) -> str:
    return f"project {project.name}"

"""Role assignments: given, looked at and taken away, in projects, the domain and the system."""

from __future__ import annotations

from typing import Final

from trunkline.api.http import Request, Response
from trunkline.api.identity import lists, render
from trunkline.control import role_assignments
from trunkline.control.domains import domain_names
from trunkline.control.role_assignments import AssignmentFilter
from trunkline.control.services import Services
from trunkline.domain.errors import Invalid, NotFound
from trunkline.domain.identity import (
    SYSTEM,
    HolderKind,
    RoleAssignment,
    RoleHolder,
    project_in,
    target_of_domain,
)
from trunkline.domain.ids import DomainId, RoleId, RoleTarget

_FILTERS: Final = frozenset({
    "user.id", "group.id", "role.id", "scope.project.id", "scope.domain.id", "scope.system",
    "scope.OS-INHERIT:inherited_to", "effective", "include_names", "include_subtree",
})  # fmt: skip


def grant(svc: Services, request: Request) -> Response:
    """Give a role: of a group, all who are in it have it."""
    role_assignments.grant_role(svc, request.caller, _named_by(request))
    return Response(status=204)


def check(svc: Services, request: Request) -> Response:
    """Answer 204 if the role was given to the user or group itself."""
    role_assignments.require_given(svc, request.caller, _named_by(request))
    return Response(status=204)


def revoke(svc: Services, request: Request) -> Response:
    """Take a role back."""
    role_assignments.revoke_role(svc, request.caller, _named_by(request))
    return Response(status=204)


def list_given(svc: Services, request: Request) -> Response:
    """Answer the roles that were given to the user or group itself."""
    found = role_assignments.list_given(
        svc, request.caller, _holder_of(request), _target_of(request)
    )
    shown = [render.role(request, role) for role in found]
    return Response(body=lists.collection(request, "roles", shown))


def list_(svc: Services, request: Request) -> Response:
    """Answer role assignments, by user, role and scope; with `effective`, also implied ones."""
    query = request.query
    for name in query.names():
        if name not in _FILTERS:
            known = ", ".join(sorted(_FILTERS))
            raise Invalid(name[:64], f"not a filter here; there are {known}")
    system, domain = query.find("scope.system"), query.find("scope.domain.id")
    targets = {
        RoleTarget(value)
        for value in (
            _of_project(query.find("scope.project.id")),
            None if system is None else SYSTEM,
            None if domain is None else target_of_domain(DomainId(domain)),
        )
        if value is not None
    }
    if len(targets) > 1:
        raise Invalid("scope", "asks for more than one of project, domain and system")
    # Nothing is inherited; and nothing that stands for a domain or the system is a project.
    project = _of_project(query.find("scope.project.id"))
    nothing = "scope.OS-INHERIT:inherited_to" in query or (
        project is not None and project_in(project) is None
    )
    wanted = AssignmentFilter(
        user_id=query.find("user.id"),
        group_id=query.find("group.id"),
        role_id=query.find("role.id"),
        target=targets.pop() if targets else None,
        effective=_is_set(request, "effective"),
    )
    found = role_assignments.list_assignments(svc, request.caller, wanted)
    names = domain_names(svc) if _is_set(request, "include_names") else None
    shown = [render.assignment(request, view, names) for view in ([] if nothing else found)]
    body = dict(lists.collection(request, "role_assignments", shown))
    if len(shown) >= role_assignments.ASSIGNMENTS_SHOWN_MAX:
        body["truncated"] = True
    return Response(body=body)


def _of_project(value: str | None) -> RoleTarget | None:
    """Return the project that a list is filtered by, even if there can be none of that name."""
    return None if value is None else RoleTarget(value)


def list_own_domains(svc: Services, request: Request) -> Response:
    """Answer the domains that the caller may have a token for."""
    found = role_assignments.list_own_domains(svc, request.caller)
    shown = [render.domain(request, domain) for domain in found]
    return Response(body=lists.collection(request, "domains", shown))


def list_own_systems(svc: Services, request: Request) -> Response:
    """Answer whether the caller may have a token for the system."""
    shown = [{"all": True}] if role_assignments.has_system_role(svc, request.caller) else []
    return Response(body=lists.collection(request, "system", shown))


def _is_set(request: Request, name: str) -> bool:
    value = request.query.find(name)
    return value is not None and bool(lists.flag(value))


def _named_by(request: Request) -> RoleAssignment:
    """Return the role assignment that a path is about, whether there is one or not."""
    role_id = RoleId(request.params["role_id"])
    return RoleAssignment(holder=_holder_of(request), role_id=role_id, target=_target_of(request))


def _holder_of(request: Request) -> RoleHolder:
    params = request.params
    if "group_id" in params:
        return RoleHolder(HolderKind.GROUP, params["group_id"])
    return RoleHolder(HolderKind.USER, params["user_id"])


def _target_of(request: Request) -> RoleTarget:
    params = request.params
    if "project_id" in params:
        target = RoleTarget(params["project_id"])
        if project_in(target) is None:
            raise NotFound("project", params["project_id"])
        return target
    if "domain_id" in params:
        return target_of_domain(DomainId(params["domain_id"]))
    return SYSTEM

"""Projects, users, roles and the one domain: looked at, by those who may."""

from __future__ import annotations

from trunkline.api.http import Request, Response
from trunkline.api.identity import render
from trunkline.control import identity
from trunkline.control.identity import DOMAIN_ID, DOMAIN_NAME
from trunkline.control.services import Services
from trunkline.domain.errors import NotFound
from trunkline.domain.identity import DEFAULT_ROLES, Project


def list_projects(svc: Services, request: Request) -> Response:
    """``GET /v3/projects?name=…``."""
    return _projects(request, identity.list_projects(svc, request.caller))


def list_own_projects(svc: Services, request: Request) -> Response:
    """``GET /v3/auth/projects``: those in which the caller has a role."""
    return _projects(request, identity.list_own_projects(svc, request.caller))


def list_projects_of_user(svc: Services, request: Request) -> Response:
    """``GET /v3/users/{user_id}/projects``."""
    found = identity.list_projects_of(svc, request.caller, request.params["user_id"])
    return _projects(request, found)


def show_project(svc: Services, request: Request) -> Response:
    """``GET /v3/projects/{id}``."""
    found = identity.get_project(svc, request.caller, request.params["id"])
    return Response(body={"project": render.project(request, found)})


def list_users(svc: Services, request: Request) -> Response:
    """``GET /v3/users?name=…``."""
    found = identity.list_users(svc, request.caller)
    names, ours = request.query.all("name"), _in_our_domain(request)
    shown = [render.user(request, u) for u in found if ours and (not names or u.name in names)]
    return Response(body=render.collection(request, "users", shown))


def show_user(svc: Services, request: Request) -> Response:
    """``GET /v3/users/{id}``."""
    found = identity.get_user(svc, request.caller, request.params["id"])
    return Response(body={"user": render.user(request, found)})


def list_domains(_svc: Services, request: Request) -> Response:
    """``GET /v3/domains?name=…``."""
    wanted = request.query.find("name") in (None, DOMAIN_NAME)
    shown = [render.domain(request)] if wanted else []
    return Response(body=render.collection(request, "domains", shown))


def show_domain(_svc: Services, request: Request) -> Response:
    """``GET /v3/domains/{id}``."""
    if request.params["id"] != DOMAIN_ID:
        raise NotFound("domain", request.params["id"])
    return Response(body={"domain": render.domain(request)})


def list_roles(_svc: Services, request: Request) -> Response:
    """``GET /v3/roles?name=…``."""
    names = request.query.all("name")
    shown = [render.role(request, role) for role in DEFAULT_ROLES if not names or role in names]
    return Response(body=render.collection(request, "roles", shown))


def show_role(_svc: Services, request: Request) -> Response:
    """``GET /v3/roles/{id}``."""
    for role in DEFAULT_ROLES:
        if render.role_id(role) == request.params["id"]:
            return Response(body={"role": render.role(request, role)})
    raise NotFound("role", request.params["id"])


def _projects(request: Request, found: list[Project]) -> Response:
    names, ours = request.query.all("name"), _in_our_domain(request)
    shown = [render.project(request, p) for p in found if ours and (not names or p.name in names)]
    return Response(body=render.collection(request, "projects", shown))


def _in_our_domain(request: Request) -> bool:
    return request.query.find("domain_id") in (None, DOMAIN_ID)

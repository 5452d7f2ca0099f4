"""Users, projects and tokens in Keystone's words."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final

from trunkline.api.http import Request
from trunkline.control.application_credentials import ApplicationCredentialView
from trunkline.control.identity import TokenView
from trunkline.control.logins import DOMAIN_ID, DOMAIN_NAME
from trunkline.control.role_assignments import AssignmentView
from trunkline.domain.identity import SYSTEM, Project, Role, User

REGION: Final = "RegionOne"
DOMAIN: Final = MappingProxyType({"id": DOMAIN_ID, "name": DOMAIN_NAME})
_EXPIRY: Final = "%Y-%m-%dT%H:%M:%S.%f"  # Keystone's: of application credentials without the Z.
SERVICES: Final = (  # Type, name, and the path that clients are to start from.
    ("identity", "keystone", "/identity"),
    ("compute", "nova", "/compute/v2.1"),
    ("network", "neutron", "/network"),
    ("image", "glance", "/image"),
    ("placement", "placement", "/placement"),
)


def token(request: Request, view: TokenView, *, with_catalog: bool) -> Mapping[str, object]:
    """Render what a token stands for."""
    body: dict[str, object] = {
        "methods": list(view.methods),
        "user": {
            "domain": dict(DOMAIN),
            "id": view.user.id,
            "name": view.user.name,
            "password_expires_at": None,
        },
        "audit_ids": [view.audit_id],
        "expires_at": time(view.expires_at),
        "issued_at": time(view.issued_at),
    }
    if view.project is not None:
        project = {"domain": dict(DOMAIN), "id": view.project.id, "name": view.project.name}
        body |= {"project": project, "is_domain": False}
    elif view.is_system:
        body["system"] = {"all": True}
    else:
        return body  # Of no scope: neither roles nor catalog.
    body["roles"] = [{"id": role.id, "name": role.name} for role in view.roles]
    if (credential := view.application_credential) is not None:
        body["application_credential"] = {
            "id": credential.id,
            "name": credential.name,
            "restricted": not credential.unrestricted,
        }
    return body | ({"catalog": catalog(request)} if with_catalog else {})


def catalog(request: Request) -> Sequence[Mapping[str, object]]:
    """Render where each service is, as the client that asks reaches us."""
    shown = []
    for service in services(request):
        of_it = [each for each in endpoints(request) if each["service_id"] == service["id"]]
        names = ("id", "interface", "region", "region_id", "url")
        shown.append(
            {name: service[name] for name in ("id", "type", "name")}
            | {"endpoints": [{name: each[name] for name in names} for each in of_it]}
        )
    return shown


def services(request: Request) -> Sequence[Mapping[str, object]]:
    """Render the services that the catalog names."""
    return [
        {
            "id": _stable_id("service", kind),
            "type": kind,
            "name": name,
            "description": None,
            "enabled": True,
            "links": _self(request, f"services/{_stable_id('service', kind)}"),
        }
        for kind, name, _ in SERVICES
    ]


def endpoints(request: Request) -> Sequence[Mapping[str, object]]:
    """Render where the services of the catalog are."""
    shown = []
    for kind, _, path in SERVICES:
        for interface in ("public", "internal", "admin"):
            endpoint_id = _stable_id("endpoint", kind, interface)
            shown.append(
                {
                    "id": endpoint_id,
                    "service_id": _stable_id("service", kind),
                    "interface": interface,
                    "region": REGION,
                    "region_id": REGION,
                    "url": request.base_url + path,
                    "enabled": True,
                    "links": _self(request, f"endpoints/{endpoint_id}"),
                }
            )
    return shown


def region(request: Request) -> Mapping[str, object]:
    """Render the region."""
    return {
        "id": REGION,
        "description": "",
        "parent_region_id": None,
        "links": _self(request, f"regions/{REGION}"),
    }


def project(request: Request, item: Project) -> Mapping[str, object]:
    """Render a project."""
    return {
        **item.extra,
        "id": item.id,
        "name": item.name,
        "domain_id": DOMAIN_ID,
        "description": item.description,
        "enabled": item.enabled,
        "parent_id": DOMAIN_ID,
        "is_domain": False,
        "tags": list(item.tags),
        "options": {},
        "links": _self(request, f"projects/{item.id}"),
    }


def user(request: Request, item: User) -> Mapping[str, object]:
    """Render a user, without anything of the password."""
    shown = {
        **item.extra,
        "id": item.id,
        "name": item.name,
        "domain_id": DOMAIN_ID,
        "enabled": item.enabled,
        "password_expires_at": None,
        "options": {},
        "links": _self(request, f"users/{item.id}"),
    }
    if item.default_project_id is not None:
        shown["default_project_id"] = item.default_project_id
    return shown


def domain(request: Request) -> Mapping[str, object]:
    """Render the domain."""
    return {
        "id": DOMAIN_ID,
        "name": DOMAIN_NAME,
        "description": "The default domain",
        "enabled": True,
        "tags": [],
        "options": {},
        "links": _self(request, f"domains/{DOMAIN_ID}"),
    }


def role(request: Request, item: Role) -> Mapping[str, object]:
    """Render a role."""
    return {
        "id": item.id,
        "name": item.name,
        "domain_id": None,
        "description": item.description or None,
        "options": {"immutable": True} if item.is_default else {},
        "links": _self(request, f"roles/{item.id}"),
    }


def role_link(request: Request, item: Role) -> Mapping[str, object]:
    """Render a role as a part of something else."""
    return {"id": item.id, "name": item.name, "links": _self(request, f"roles/{item.id}")}


def assignment(request: Request, view: AssignmentView, *, with_names: bool) -> Mapping[str, object]:
    """Render a role assignment."""

    def named(item: User | Project) -> Mapping[str, object]:
        names = {"name": item.name, "domain": dict(DOMAIN)} if with_names else {}
        return {"id": item.id, **names}

    in_domain = dict(DOMAIN) if with_names else {"id": DOMAIN_ID}
    if view.project is not None:
        scope, path = {"project": named(view.project)}, f"projects/{view.project.id}"
    elif view.target == SYSTEM:
        scope, path = {"system": {"all": True}}, "system"
    else:
        scope, path = {"domain": in_domain}, f"domains/{DOMAIN_ID}"
    given = view.prior or view.role
    at = f"{request.base_url}/identity/v3"
    links = {"assignment": f"{at}/{path}/users/{view.user.id}/roles/{given.id}"}
    if view.prior is not None:
        links["prior_role"] = f"{at}/roles/{view.prior.id}/implies/{view.role.id}"
    name = {"name": view.role.name} if with_names else {}
    return {
        "role": {"id": view.role.id, **name},
        "user": named(view.user),
        "scope": scope,
        "links": links,
    }


def application_credential(
    request: Request, view: ApplicationCredentialView
) -> Mapping[str, object]:
    """Render an application credential, without its secret."""
    item = view.credential
    path = f"users/{item.user_id}/application_credentials/{item.id}"
    return {
        "id": item.id,
        "name": item.name,
        "description": item.description or None,
        "user_id": item.user_id,
        "project_id": item.project_id,
        "system": None,
        "roles": [{"id": role.id, "name": role.name, "domain_id": None} for role in view.roles],
        "expires_at": None if item.expires_at is None else item.expires_at.strftime(_EXPIRY),
        "unrestricted": item.unrestricted,
        "links": _self(request, path),
    }


def own_link(request: Request) -> Mapping[str, object]:
    """Render where what was asked for is."""
    return {"self": request.base_url + request.path}


def time(at: datetime) -> str:
    """Render a time."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _self(request: Request, path: str) -> Mapping[str, object]:
    return {"self": f"{request.base_url}/identity/v3/{path}"}


def _stable_id(*parts: str) -> str:
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:32]

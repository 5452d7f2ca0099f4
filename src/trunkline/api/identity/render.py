"""Users, projects and tokens in Keystone's words."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from trunkline.api.http import Request
from trunkline.control.application_credentials import ApplicationCredentialView
from trunkline.control.identity import TokenView
from trunkline.control.role_assignments import AssignmentView
from trunkline.domain.access_rules import AccessRule
from trunkline.domain.identity import (
    ApplicationCredential,
    Domain,
    Project,
    Role,
    User,
    UserGroup,
    domain_in,
)
from trunkline.domain.ids import DomainId

REGION: Final = "RegionOne"
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
            "domain": _domain_link(view.user_domain),
            "id": view.user.id,
            "name": view.user.name,
            "password_expires_at": None,
        },
        "audit_ids": [view.audit_id],
        "expires_at": time(view.expires_at),
        "issued_at": time(view.issued_at),
    }
    if view.project is not None:
        assert view.project_domain is not None, "every project is of one"
        in_domain = _domain_link(view.project_domain)
        project = {"domain": in_domain, "id": view.project.id, "name": view.project.name}
        body |= {"project": project, "is_domain": False}
    elif view.domain is not None:
        body["domain"] = _domain_link(view.domain)
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
            **_access_rules(credential),
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
        "domain_id": item.domain_id,
        "description": item.description,
        "enabled": item.enabled,
        "parent_id": item.parent_id or item.domain_id,
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
        "domain_id": item.domain_id,
        "enabled": item.enabled,
        "password_expires_at": None,
        "options": {},
        "links": _self(request, f"users/{item.id}"),
    }
    if item.default_project_id is not None:
        shown["default_project_id"] = item.default_project_id
    return shown


def domain(request: Request, item: Domain) -> Mapping[str, object]:
    """Render a domain."""
    return {
        **item.extra,
        "id": item.id,
        "name": item.name,
        "description": item.description,
        "enabled": item.enabled,
        "tags": [],
        "options": {},
        "links": _self(request, f"domains/{item.id}"),
    }


def group(request: Request, item: UserGroup) -> Mapping[str, object]:
    """Render a group of users."""
    return {
        **item.extra,
        "id": item.id,
        "name": item.name,
        "domain_id": item.domain_id,
        "description": item.description,
        "links": _self(request, f"groups/{item.id}"),
    }


def _domain_link(item: Domain) -> Mapping[str, object]:
    return {"id": item.id, "name": item.name}


def role(request: Request, item: Role) -> Mapping[str, object]:
    """Render a role."""
    return {
        "id": item.id,
        "name": item.name,
        "domain_id": item.domain_id,
        "description": item.description or None,
        "options": {"immutable": True} if item.is_default else {},
        "links": _self(request, f"roles/{item.id}"),
    }


def role_link(request: Request, item: Role) -> Mapping[str, object]:
    """Render a role as a part of something else."""
    return {"id": item.id, "name": item.name, "links": _self(request, f"roles/{item.id}")}


def assignment(
    request: Request, view: AssignmentView, names: Mapping[DomainId, str] | None
) -> Mapping[str, object]:
    """Render a role assignment, with names if those of domains are given."""

    def in_domain(domain_id: DomainId) -> Mapping[str, object]:
        return {"id": domain_id} | ({} if names is None else {"name": names.get(domain_id, "")})

    def named(item: User | UserGroup | Project) -> Mapping[str, object]:
        told = {} if names is None else {"name": item.name, "domain": in_domain(item.domain_id)}
        return {"id": item.id, **told}

    domain_id = domain_in(view.target)
    if view.project is not None:
        scope, path = {"project": named(view.project)}, f"projects/{view.project.id}"
    elif domain_id is not None:
        scope, path = {"domain": in_domain(domain_id)}, f"domains/{domain_id}"
    else:
        scope, path = {"system": {"all": True}}, "system"
    given = view.prior or view.role
    at = f"{request.base_url}/identity/v3"
    if view.group is not None:
        whose, holder = {"group": named(view.group)}, f"groups/{view.group.id}"
        if view.user is not None:
            whose = {"user": named(view.user)}
    else:
        assert view.user is not None, "it is of a user or a group"
        whose, holder = {"user": named(view.user)}, f"users/{view.user.id}"
    links = {"assignment": f"{at}/{path}/{holder}/roles/{given.id}"}
    if view.group is not None and view.user is not None:
        links["membership"] = f"{at}/groups/{view.group.id}/users/{view.user.id}"
    if view.prior is not None:
        links["prior_role"] = f"{at}/roles/{view.prior.id}/implies/{view.role.id}"
    role: dict[str, object] = {"id": view.role.id}
    if names is not None:
        role["name"] = view.role.name
        if view.role.domain_id is not None:
            role["domain"] = in_domain(view.role.domain_id)
    return {
        "role": role,
        **whose,
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
        **_access_rules(item),
        "links": _self(request, path),
    }


def access_rule(request: Request, user_id: str, rule: AccessRule) -> Mapping[str, object]:
    """Render an access rule of a user."""
    path = f"users/{user_id}/access_rules/{rule.id}"
    return {**_access_rule(rule), "links": _self(request, path)}


def _access_rules(item: ApplicationCredential) -> Mapping[str, object]:
    """Render those of an application credential; as in Keystone, one without any has no word."""
    shown = [_access_rule(rule) for rule in item.access_rules]
    return {"access_rules": shown} if shown else {}


def _access_rule(rule: AccessRule) -> Mapping[str, object]:
    return {
        "id": rule.id,
        "service": rule.service,
        "method": rule.method.value,
        "path": rule.path,
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

"""Users, projects and tokens in Keystone's words."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final

from trunkline.api.http import Request
from trunkline.control.identity import DOMAIN_ID, DOMAIN_NAME, TokenView
from trunkline.domain.identity import Project, User

REGION: Final = "RegionOne"
DOMAIN: Final = MappingProxyType({"id": DOMAIN_ID, "name": DOMAIN_NAME})
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
        "expires_at": _time(view.expires_at),
        "issued_at": _time(view.issued_at),
        "project": {"domain": dict(DOMAIN), "id": view.project.id, "name": view.project.name},
        "is_domain": False,
        "roles": [{"id": role_id(name), "name": name} for name in sorted(view.roles)],
    }
    return body | ({"catalog": catalog(request)} if with_catalog else {})


def catalog(request: Request) -> Sequence[Mapping[str, object]]:
    """Render where each service is, as the client that asks reaches us."""
    return [
        {
            "id": _stable_id("service", kind),
            "type": kind,
            "name": name,
            "endpoints": [
                {
                    "id": _stable_id("endpoint", kind, interface),
                    "interface": interface,
                    "region": REGION,
                    "region_id": REGION,
                    "url": request.base_url + path,
                }
                for interface in ("public", "internal", "admin")
            ],
        }
        for kind, name, path in SERVICES
    ]


def project(request: Request, item: Project) -> Mapping[str, object]:
    """Render a project."""
    return {
        "id": item.id,
        "name": item.name,
        "domain_id": DOMAIN_ID,
        "description": item.description,
        "enabled": item.enabled,
        "parent_id": DOMAIN_ID,
        "is_domain": False,
        "tags": [],
        "options": {},
        "links": _self(request, f"projects/{item.id}"),
    }


def user(request: Request, item: User) -> Mapping[str, object]:
    """Render a user, without anything of the password."""
    shown = {
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


def role(request: Request, name: str) -> Mapping[str, object]:
    """Render a role."""
    return {
        "id": role_id(name),
        "name": name,
        "domain_id": None,
        "description": None,
        "options": {},
        "links": _self(request, f"roles/{role_id(name)}"),
    }


def role_id(name: str) -> str:
    """Return a role's ID: the same in every installation."""
    return _stable_id("role", name)


def collection(
    request: Request, name: str, items: Sequence[Mapping[str, object]]
) -> Mapping[str, object]:
    """Render a list; Keystone has no pages."""
    links = {"self": request.base_url + request.path, "previous": None, "next": None}
    return {name: list(items), "links": links}


def _self(request: Request, path: str) -> Mapping[str, object]:
    return {"self": f"{request.base_url}/identity/v3/{path}"}


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _stable_id(*parts: str) -> str:
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:32]

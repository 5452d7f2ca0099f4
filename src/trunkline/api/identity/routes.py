"""Every route of the identity face."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from trunkline.api.identity import (
    access_rules,
    application_credentials,
    catalog,
    domains,
    groups,
    not_served,
    projects,
    role_assignments,
    roles,
    tokens,
    users,
)
from trunkline.api.routing import Auth, Lane, Route, delete, get, patch, post, put
from trunkline.domain.policy import identity_rules as rules

_TOKENS: Final = "/identity/v3/auth/tokens"
_PROJECTS: Final = "/identity/v3/projects"
_USERS: Final = "/identity/v3/users"
_ROLES: Final = "/identity/v3/roles"
_IMPLIED: Final = "/identity/v3/roles/{id}/implies/{implied_id}"
_DOMAINS: Final = "/identity/v3/domains"
_GROUPS: Final = "/identity/v3/groups"
_CREDENTIALS: Final = "/identity/v3/users/{user_id}/application_credentials"
_ACCESS_RULES: Final = "/identity/v3/users/{user_id}/access_rules"


def _hashing(route: Route) -> Route:
    """Return a route whose handler hashes a password."""
    return replace(route, lane=Lane.SLOW)


def _assignments(of: str) -> tuple[Route, ...]:
    """Return the routes of role assignments in one kind of thing."""
    return tuple(
        route
        for holder in ("users/{user_id}", "groups/{group_id}")
        for route in _given_to(f"/identity/v3/{of}/{holder}/roles")
    )


def _given_to(path: str) -> tuple[Route, ...]:
    return (
        get(path, role_assignments.list_given, rules.LIST_GRANTS),
        get(path + "/{role_id}", role_assignments.check, rules.LIST_GRANTS),
        put(path + "/{role_id}", role_assignments.grant, rules.CREATE_GRANT),
        delete(path + "/{role_id}", role_assignments.revoke, rules.REVOKE_GRANT),
    )


ROUTES: Final[tuple[Route, ...]] = (
    _hashing(post(_TOKENS, tokens.issue, Auth.PUBLIC)),
    get(_TOKENS, tokens.show, Auth.LOGIN),
    delete(_TOKENS, tokens.revoke, Auth.LOGIN),
    get("/identity/v3/auth/catalog", tokens.catalog),
    get("/identity/v3/auth/projects", projects.list_own, Auth.LOGIN),
    get("/identity/v3/auth/domains", role_assignments.list_own_domains, Auth.LOGIN),
    get("/identity/v3/auth/system", role_assignments.list_own_systems, Auth.LOGIN),
    get(_PROJECTS, projects.list_, rules.LIST_PROJECTS),
    post(_PROJECTS, projects.create, rules.CREATE_PROJECT),
    get(_PROJECTS + "/{id}", projects.show),
    patch(_PROJECTS + "/{id}", projects.update, rules.UPDATE_PROJECT),
    delete(_PROJECTS + "/{id}", projects.delete, rules.DELETE_PROJECT),
    get(_PROJECTS + "/{id}/tags", projects.list_tags),
    put(_PROJECTS + "/{id}/tags", projects.put_tags, rules.UPDATE_PROJECT),
    delete(_PROJECTS + "/{id}/tags", projects.delete_tags, rules.UPDATE_PROJECT),
    get(_PROJECTS + "/{id}/tags/{tag}", projects.show_tag),
    put(_PROJECTS + "/{id}/tags/{tag}", projects.add_tag, rules.UPDATE_PROJECT),
    delete(_PROJECTS + "/{id}/tags/{tag}", projects.delete_tag, rules.UPDATE_PROJECT),
    get(_USERS, users.list_, rules.LIST_USERS),
    _hashing(post(_USERS, users.create, rules.CREATE_USER)),
    get(_USERS + "/{id}", users.show, Auth.LOGIN),
    _hashing(patch(_USERS + "/{id}", users.update, rules.UPDATE_USER)),
    delete(_USERS + "/{id}", users.delete, rules.DELETE_USER),
    _hashing(post(_USERS + "/{user_id}/password", users.change_password, Auth.LOGIN)),
    get(_USERS + "/{user_id}/projects", projects.list_of_user, Auth.LOGIN),
    get(_USERS + "/{user_id}/groups", groups.list_of_user, Auth.LOGIN),
    get(_CREDENTIALS, application_credentials.list_),
    _hashing(post(_CREDENTIALS, application_credentials.create)),
    get(_CREDENTIALS + "/{id}", application_credentials.show),
    delete(_CREDENTIALS + "/{id}", application_credentials.delete),
    get(_ACCESS_RULES, access_rules.list_),
    get(_ACCESS_RULES + "/{id}", access_rules.show),
    delete(_ACCESS_RULES + "/{id}", access_rules.delete),
    get(_ROLES, roles.list_, rules.LIST_ROLES),
    post(_ROLES, roles.create, rules.CREATE_ROLE),
    get(_ROLES + "/{id}", roles.show, rules.SHOW_ROLE),
    patch(_ROLES + "/{id}", roles.update, rules.UPDATE_ROLE),
    delete(_ROLES + "/{id}", roles.delete, rules.DELETE_ROLE),
    get(_ROLES + "/{id}/implies", roles.list_implied, rules.SHOW_ROLE),
    get(_IMPLIED, roles.show_implied, rules.SHOW_ROLE),
    Route(method="HEAD", path=_IMPLIED, handler=roles.check_implied, auth=rules.SHOW_ROLE),
    put(_IMPLIED, roles.imply, rules.CREATE_IMPLIED_ROLE),
    delete(_IMPLIED, roles.imply_no_more, rules.DELETE_IMPLIED_ROLE),
    get("/identity/v3/role_inferences", roles.list_inferences, rules.LIST_ROLES),
    get("/identity/v3/role_assignments", role_assignments.list_, rules.LIST_ROLE_ASSIGNMENTS),
    *_assignments("projects/{project_id}"),
    *_assignments("domains/{domain_id}"),
    *_assignments("system"),
    get(_DOMAINS, domains.list_),
    post(_DOMAINS, domains.create, rules.CREATE_DOMAIN),
    get(_DOMAINS + "/{id}", domains.show),
    patch(_DOMAINS + "/{id}", domains.update, rules.UPDATE_DOMAIN),
    delete(_DOMAINS + "/{id}", domains.delete, rules.DELETE_DOMAIN),
    get(_GROUPS, groups.list_, rules.LIST_GROUPS),
    post(_GROUPS, groups.create, rules.CREATE_GROUP),
    get(_GROUPS + "/{id}", groups.show, rules.SHOW_GROUP),
    patch(_GROUPS + "/{id}", groups.update, rules.UPDATE_GROUP),
    delete(_GROUPS + "/{id}", groups.delete, rules.DELETE_GROUP),
    get(_GROUPS + "/{id}/users", groups.list_users, rules.LIST_GROUP_USERS),
    get(_GROUPS + "/{id}/users/{user_id}", groups.check_user, Auth.LOGIN),
    put(_GROUPS + "/{id}/users/{user_id}", groups.add_user, rules.ADD_GROUP_USER),
    delete(_GROUPS + "/{id}/users/{user_id}", groups.remove_user, rules.REMOVE_GROUP_USER),
    get("/identity/v3/regions", catalog.list_regions),
    get("/identity/v3/regions/{id}", catalog.show_region),
    post("/identity/v3/regions", not_served.catalog),
    get("/identity/v3/services", catalog.list_services, rules.LIST_SERVICES),
    get("/identity/v3/services/{id}", catalog.show_service, rules.SHOW_SERVICE),
    post("/identity/v3/services", not_served.catalog),
    get("/identity/v3/endpoints", catalog.list_endpoints, rules.LIST_ENDPOINTS),
    get("/identity/v3/endpoints/{id}", catalog.show_endpoint, rules.SHOW_ENDPOINT),
    post("/identity/v3/endpoints", not_served.catalog),
    get("/identity/v3/OS-TRUST/trusts", not_served.trusts),
    post("/identity/v3/OS-TRUST/trusts", not_served.trusts),
    get("/identity/v3/credentials", not_served.credentials),
    post("/identity/v3/credentials", not_served.credentials),
)

"""Every route of the identity face."""

from __future__ import annotations

from typing import Final

from trunkline.api.identity import directory, tokens
from trunkline.api.routing import Auth, Lane, Route, delete, get
from trunkline.domain.policy import identity_rules as rules

ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="POST",
        path="/identity/v3/auth/tokens",
        handler=tokens.issue,
        auth=Auth.PUBLIC,
        lane=Lane.SLOW,
    ),
    get("/identity/v3/auth/tokens", tokens.show),
    delete("/identity/v3/auth/tokens", tokens.revoke),
    get("/identity/v3/auth/catalog", tokens.catalog),
    get("/identity/v3/auth/projects", directory.list_own_projects),
    get("/identity/v3/projects", directory.list_projects),
    get("/identity/v3/projects/{id}", directory.show_project),
    get("/identity/v3/users", directory.list_users, rules.LIST_USERS),
    get("/identity/v3/users/{id}", directory.show_user),
    get("/identity/v3/users/{user_id}/projects", directory.list_projects_of_user),
    get("/identity/v3/domains", directory.list_domains),
    get("/identity/v3/domains/{id}", directory.show_domain),
    get("/identity/v3/roles", directory.list_roles, rules.LIST_ROLES),
    get("/identity/v3/roles/{id}", directory.show_role, rules.SHOW_ROLE),
)

"""What the identity face allows, in Keystone's names."""

from __future__ import annotations

from typing import Final

from trunkline.domain.policy.rule import (
    ADMIN,
    ADMIN_READER,
    OF_PROJECT,
    OF_USER,
    PROJECT_READER,
    SELF,
    SELF_READER,
    Rule,
)

LIST_PROJECTS = Rule("identity:list_projects", ADMIN_READER, "listing all projects", reads=True)
SHOW_PROJECT = Rule(
    "identity:get_project", PROJECT_READER, "seeing a project", OF_PROJECT, reads=True
)
CREATE_PROJECT = Rule("identity:create_project", ADMIN, "creating a project")
UPDATE_PROJECT = Rule("identity:update_project", ADMIN, "changing a project")
DELETE_PROJECT = Rule("identity:delete_project", ADMIN, "deleting a project")

LIST_USERS = Rule("identity:list_users", ADMIN_READER, "listing users", reads=True)
SHOW_USER = Rule("identity:get_user", SELF_READER, "seeing a user", OF_USER, reads=True)
LIST_USER_PROJECTS = Rule(
    "identity:list_user_projects",
    SELF_READER,
    "listing the projects of a user",
    OF_USER,
    reads=True,
)
CREATE_USER = Rule("identity:create_user", ADMIN, "creating a user")
UPDATE_USER = Rule("identity:update_user", ADMIN, "changing a user")
DELETE_USER = Rule("identity:delete_user", ADMIN, "deleting a user")

LIST_ROLES = Rule("identity:list_roles", ADMIN_READER, "listing roles", reads=True)
SHOW_ROLE = Rule("identity:get_role", ADMIN_READER, "seeing a role", reads=True)
CREATE_ROLE = Rule("identity:create_role", ADMIN, "creating a role")
UPDATE_ROLE = Rule("identity:update_role", ADMIN, "changing a role")
DELETE_ROLE = Rule("identity:delete_role", ADMIN, "deleting a role")

CREATE_GRANT = Rule("identity:create_grant", ADMIN, "giving a user a role")
REVOKE_GRANT = Rule("identity:revoke_grant", ADMIN, "taking a role from a user")
LIST_GRANTS = Rule(
    "identity:list_grants", ADMIN_READER, "listing the roles of a user in one place", reads=True
)
LIST_ROLE_ASSIGNMENTS = Rule(
    "identity:list_role_assignments", ADMIN_READER, "listing role assignments", reads=True
)

# An application credential is made by its user alone: it has the roles of the user's own token.
CREATE_APPLICATION_CREDENTIAL = Rule(
    "identity:create_application_credential",
    "user_id:%(user_id)s",
    "creating an application credential",
    OF_USER,
)
LIST_APPLICATION_CREDENTIALS = Rule(
    "identity:list_application_credentials",
    SELF_READER,
    "listing application credentials",
    OF_USER,
    reads=True,
)
SHOW_APPLICATION_CREDENTIAL = Rule(
    "identity:get_application_credential",
    SELF_READER,
    "seeing an application credential",
    OF_USER,
    reads=True,
)
DELETE_APPLICATION_CREDENTIAL = Rule(
    "identity:delete_application_credential", SELF, "deleting an application credential", OF_USER
)

LIST_SERVICES = Rule("identity:list_services", ADMIN_READER, "listing services", reads=True)
SHOW_SERVICE = Rule("identity:get_service", ADMIN_READER, "seeing a service", reads=True)
LIST_ENDPOINTS = Rule("identity:list_endpoints", ADMIN_READER, "listing endpoints", reads=True)
SHOW_ENDPOINT = Rule("identity:get_endpoint", ADMIN_READER, "seeing an endpoint", reads=True)

VALIDATE_TOKEN = Rule(
    "identity:validate_token", SELF_READER, "seeing what a token stands for", OF_USER, reads=True
)
REVOKE_TOKEN = Rule("identity:revoke_token", SELF, "revoking a token", OF_USER)

RULES: Final = tuple(value for value in globals().values() if isinstance(value, Rule))

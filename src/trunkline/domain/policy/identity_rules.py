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

LIST_DOMAINS = Rule("identity:list_domains", ADMIN_READER, "listing all domains", reads=True)
SHOW_DOMAIN = Rule("identity:get_domain", ADMIN_READER, "seeing a domain", reads=True)
CREATE_DOMAIN = Rule("identity:create_domain", ADMIN, "creating a domain")
UPDATE_DOMAIN = Rule("identity:update_domain", ADMIN, "changing a domain")
DELETE_DOMAIN = Rule("identity:delete_domain", ADMIN, "deleting a domain")

LIST_GROUPS = Rule("identity:list_groups", ADMIN_READER, "listing groups", reads=True)
SHOW_GROUP = Rule("identity:get_group", ADMIN_READER, "seeing a group", reads=True)
CREATE_GROUP = Rule("identity:create_group", ADMIN, "creating a group")
UPDATE_GROUP = Rule("identity:update_group", ADMIN, "changing a group")
DELETE_GROUP = Rule("identity:delete_group", ADMIN, "deleting a group")
LIST_GROUP_USERS = Rule(
    "identity:list_users_in_group", ADMIN_READER, "listing the users of a group", reads=True
)
CHECK_GROUP_USER = Rule(
    "identity:check_user_in_group",
    SELF_READER,
    "seeing whether a user is in a group",
    OF_USER,
    reads=True,
)
ADD_GROUP_USER = Rule("identity:add_user_to_group", ADMIN, "putting a user into a group")
REMOVE_GROUP_USER = Rule("identity:remove_user_from_group", ADMIN, "taking a user out of a group")
LIST_USER_GROUPS = Rule(
    "identity:list_groups_for_user",
    SELF_READER,
    "listing the groups of a user",
    OF_USER,
    reads=True,
)

LIST_ROLES = Rule("identity:list_roles", ADMIN_READER, "listing roles", reads=True)
SHOW_ROLE = Rule("identity:get_role", ADMIN_READER, "seeing a role", reads=True)
CREATE_ROLE = Rule("identity:create_role", ADMIN, "creating a role")
UPDATE_ROLE = Rule("identity:update_role", ADMIN, "changing a role")
DELETE_ROLE = Rule("identity:delete_role", ADMIN, "deleting a role")

CREATE_IMPLIED_ROLE = Rule("identity:create_implied_role", ADMIN, "having a role imply another")
DELETE_IMPLIED_ROLE = Rule(
    "identity:delete_implied_role", ADMIN, "having a role imply another no more"
)

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

LIST_ACCESS_RULES = Rule(
    "identity:list_access_rules", SELF_READER, "listing access rules", OF_USER, reads=True
)
SHOW_ACCESS_RULE = Rule(
    "identity:get_access_rule", SELF_READER, "seeing an access rule", OF_USER, reads=True
)
DELETE_ACCESS_RULE = Rule("identity:delete_access_rule", SELF, "deleting an access rule", OF_USER)

LIST_SERVICES = Rule("identity:list_services", ADMIN_READER, "listing services", reads=True)
SHOW_SERVICE = Rule("identity:get_service", ADMIN_READER, "seeing a service", reads=True)
LIST_ENDPOINTS = Rule("identity:list_endpoints", ADMIN_READER, "listing endpoints", reads=True)
SHOW_ENDPOINT = Rule("identity:get_endpoint", ADMIN_READER, "seeing an endpoint", reads=True)

VALIDATE_TOKEN = Rule(
    "identity:validate_token", SELF_READER, "seeing what a token stands for", OF_USER, reads=True
)
REVOKE_TOKEN = Rule("identity:revoke_token", SELF, "revoking a token", OF_USER)

RULES: Final = tuple(value for value in globals().values() if isinstance(value, Rule))

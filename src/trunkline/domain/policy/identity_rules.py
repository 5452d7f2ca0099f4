"""What the identity face allows, in Keystone's names."""

from __future__ import annotations

from typing import Final

from trunkline.domain.policy.rule import (
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
LIST_USERS = Rule("identity:list_users", ADMIN_READER, "listing users", reads=True)
SHOW_USER = Rule("identity:get_user", SELF_READER, "seeing a user", OF_USER, reads=True)
LIST_USER_PROJECTS = Rule(
    "identity:list_user_projects",
    SELF_READER,
    "listing the projects of a user",
    OF_USER,
    reads=True,
)
LIST_ROLES = Rule("identity:list_roles", ADMIN_READER, "listing roles", reads=True)
SHOW_ROLE = Rule("identity:get_role", ADMIN_READER, "seeing a role", reads=True)
VALIDATE_TOKEN = Rule(
    "identity:validate_token", SELF_READER, "seeing what a token stands for", OF_USER, reads=True
)
REVOKE_TOKEN = Rule("identity:revoke_token", SELF, "revoking a token", OF_USER)

RULES: Final = tuple(value for value in globals().values() if isinstance(value, Rule))

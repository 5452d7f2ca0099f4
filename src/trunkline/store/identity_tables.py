"""Who may ask: projects, users, roles, credentials, tokens; and what is shared with whom."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from trunkline.store.columns import Json, UtcTime
from trunkline.store.metadata import ID, NAME, USER_ID, metadata

projects = Table(
    "projects",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", NAME, nullable=False),
    Column("domain_id", ID, nullable=False, index=True),
    Column("parent_id", ID, nullable=True, index=True),
    Column("description", Text, nullable=False, default=""),
    Column("enabled", Boolean, nullable=False, default=True),
    Column("tags", Json(tuple[str, ...]), nullable=False),
    Column("extra", Json, nullable=False),
    UniqueConstraint("name", "domain_id"),  # In this order it finds names without a domain too.
)

users = Table(
    "users",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", NAME, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("domain_id", ID, nullable=False, index=True),
    Column("enabled", Boolean, nullable=False, default=True),
    Column("default_project_id", ID, nullable=True),
    Column("extra", Json, nullable=False),
    UniqueConstraint("name", "domain_id"),
)

NO_DOMAIN: Final = ""  # Of a role; null would be another one in each row, to a constraint.

roles = Table(
    "roles",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", NAME, nullable=False),
    Column("description", Text, nullable=False),
    Column("domain_id", ID, nullable=False, index=True),
    UniqueConstraint("name", "domain_id"),
)

# `target` is a project's ID, `system`, `domain` or `d:ID`; the project stands beside it so that
# nobody is given a role in one that is being deleted.
role_assignments = Table(
    "role_assignments",
    metadata,
    Column("user_id", ID, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("target", ID, primary_key=True),
    Column("role_id", ID, ForeignKey("roles.id", ondelete="CASCADE"), primary_key=True),
    Column("project_id", ID, ForeignKey("projects.id", ondelete="CASCADE"), nullable=True),
    Index("ix_role_assignments_target", "target"),
    Index("ix_role_assignments_role_id", "role_id"),
)

application_credentials = Table(
    "application_credentials",
    metadata,
    Column("id", ID, primary_key=True),
    Column("user_id", ID, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column(
        "project_id",
        ID,
        ForeignKey("projects.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("name", NAME, nullable=False),
    Column("description", Text, nullable=False),
    Column("secret_hash", Text, nullable=False),
    Column("unrestricted", Boolean, nullable=False),
    Column("expires_at", UtcTime, nullable=True),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("user_id", "name"),
)

application_credential_roles = Table(
    "application_credential_roles",
    metadata,
    Column(
        "credential_id",
        ID,
        ForeignKey("application_credentials.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("role_id", ID, ForeignKey("roles.id", ondelete="CASCADE"), primary_key=True),
    Index("ix_application_credential_roles_role_id", "role_id"),
)

access_rules = Table(
    "access_rules",
    metadata,
    Column("id", ID, primary_key=True),
    Column("user_id", ID, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("service", String(64), nullable=False),
    Column("method", String(8), nullable=False),
    Column("path", String(225), nullable=False),
    UniqueConstraint("user_id", "service", "method", "path"),
)

# A credential that lost its rules could ask anything: a rule of one can't be deleted. What is
# deleted with its user goes in no certain order, so that this is looked at in the end.
application_credential_access_rules = Table(
    "application_credential_access_rules",
    metadata,
    Column(
        "credential_id",
        ID,
        ForeignKey("application_credentials.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column(
        "access_rule_id",
        ID,
        ForeignKey("access_rules.id", deferrable=True, initially="DEFERRED"),
        primary_key=True,
    ),
    Index("ix_application_credential_access_rules_access_rule_id", "access_rule_id"),
)

# Tokens are kept as SHA-256 of their text: who reads the database can't use them.
tokens = Table(
    "tokens",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("user_id", ID, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("target", ID, nullable=True, index=True),  # As of role assignments; null: of no scope.
    Column(
        "application_credential_id",
        ID,
        ForeignKey("application_credentials.id", ondelete="CASCADE"),
        nullable=True,
        index=True,
    ),
    Column("issued_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False, index=True),
    Column("methods", Json, nullable=False),
    Column("audit_id", String(32), nullable=False),
)

enrolment_tokens = Table(
    "enrolment_tokens",
    metadata,
    Column("id", ID, primary_key=True),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("host_name", NAME, nullable=True),
    Column("created_by", NAME, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False, index=True),
    Column("used_at", UtcTime, nullable=True),
    Column("used_by", NAME, nullable=True),
)

key_pairs = Table(
    "key_pairs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", USER_ID, nullable=False),
    Column("name", NAME, nullable=False),
    Column("public_key", Text, nullable=False),
    Column("fingerprint", String(47), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("user_id", "name"),
)

# Which projects may use a flavor that is not public.
flavor_access = Table(
    "flavor_access",
    metadata,
    Column("flavor_id", NAME, ForeignKey("flavors.id", ondelete="CASCADE"), primary_key=True),
    Column("project_id", ID, primary_key=True),
)

# The projects that an image is shared with.
image_members = Table(
    "image_members",
    metadata,
    Column("image_id", ID, ForeignKey("images.id", ondelete="CASCADE"), primary_key=True),
    Column("project_id", ID, primary_key=True, index=True),
    Column("status", String(16), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)

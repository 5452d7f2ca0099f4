"""Domains, groups of users, the roles that groups have, and which roles imply others."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Table, Text, UniqueConstraint

from trunkline.store.columns import Json
from trunkline.store.metadata import ID, NAME, metadata

domains = Table(
    "domains",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", NAME, nullable=False, unique=True),
    Column("description", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("extra", Json, nullable=False),
)

user_groups = Table(
    "user_groups",
    metadata,
    Column("id", ID, primary_key=True),
    Column("domain_id", ID, ForeignKey("domains.id", ondelete="CASCADE"), nullable=False),
    Column("name", NAME, nullable=False),
    Column("description", Text, nullable=False),
    Column("extra", Json, nullable=False),
    UniqueConstraint("domain_id", "name"),
)

user_group_members = Table(
    "user_group_members",
    metadata,
    Column("group_id", ID, ForeignKey("user_groups.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", ID, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Index("ix_user_group_members_user_id", "user_id"),
)

# As role assignments of users.
group_role_assignments = Table(
    "group_role_assignments",
    metadata,
    Column("group_id", ID, ForeignKey("user_groups.id", ondelete="CASCADE"), primary_key=True),
    Column("target", ID, primary_key=True, index=True),
    Column("role_id", ID, ForeignKey("roles.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column(
        "project_id", ID, ForeignKey("projects.id", ondelete="CASCADE"), nullable=True, index=True
    ),
)

# Besides those that the default roles imply.
implied_roles = Table(
    "implied_roles",
    metadata,
    Column("prior_id", ID, ForeignKey("roles.id", ondelete="CASCADE"), primary_key=True),
    Column(
        "implied_id", ID, ForeignKey("roles.id", ondelete="CASCADE"), primary_key=True, index=True
    ),
)

"""Identity: domains besides the default one, projects below others, groups, implied roles.

Revision ID: 0034
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    """Add tables and columns; all users and projects that there are are of the default domain."""
    domains = op.create_table(
        "domains",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("extra", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_domains"),
        sa.UniqueConstraint("name", name="uq_domains_name"),
    )
    default = {"id": "default", "name": "Default", "description": "The default domain"}
    op.bulk_insert(domains, [default | {"enabled": True, "extra": "{}"}])
    for table in ("projects", "users"):
        column = sa.Column("domain_id", sa.String(36), nullable=False, server_default="default")
        op.add_column(table, column)
        op.create_index(f"ix_{table}_domain_id", table, ["domain_id"])
    op.add_column("projects", sa.Column("parent_id", sa.String(36), nullable=True))
    op.create_index("ix_projects_parent_id", "projects", ["parent_id"])
    op.create_table(
        "user_groups",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("domain_id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("extra", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_user_groups"),
        sa.UniqueConstraint("domain_id", "name", name="uq_user_groups_domain_id_name"),
        _key("user_groups", "domain_id", "domains"),
    )
    op.create_table(
        "user_group_members",
        sa.Column("group_id", sa.String(36), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "user_id", name="pk_user_group_members"),
        _key("user_group_members", "group_id", "user_groups"),
        _key("user_group_members", "user_id", "users"),
    )
    op.create_index("ix_user_group_members_user_id", "user_group_members", ["user_id"])
    op.create_table(
        "group_role_assignments",
        sa.Column("group_id", sa.String(36), nullable=False),
        sa.Column("target", sa.String(36), nullable=False),
        sa.Column("role_id", sa.String(36), nullable=False),
        sa.Column("project_id", sa.String(36), nullable=True),
        sa.PrimaryKeyConstraint("group_id", "target", "role_id", name="pk_group_role_assignments"),
        _key("group_role_assignments", "group_id", "user_groups"),
        _key("group_role_assignments", "role_id", "roles"),
        _key("group_role_assignments", "project_id", "projects"),
    )
    for indexed in ("target", "role_id", "project_id"):
        name = f"ix_group_role_assignments_{indexed}"
        op.create_index(name, "group_role_assignments", [indexed])
    op.create_table(
        "implied_roles",
        sa.Column("prior_id", sa.String(36), nullable=False),
        sa.Column("implied_id", sa.String(36), nullable=False),
        sa.PrimaryKeyConstraint("prior_id", "implied_id", name="pk_implied_roles"),
        _key("implied_roles", "prior_id", "roles"),
        _key("implied_roles", "implied_id", "roles"),
    )
    op.create_index("ix_implied_roles_implied_id", "implied_roles", ["implied_id"])


def _key(table: str, column: str, of: str) -> sa.ForeignKeyConstraint:
    """Return the reference that goes with the row it names."""
    return sa.ForeignKeyConstraint(
        [column], [f"{of}.id"], name=f"fk_{table}_{column}", ondelete="CASCADE"
    )

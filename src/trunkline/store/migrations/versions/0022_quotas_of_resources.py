"""Quotas: of servers, cores, memory, networks, subnets, ports and guarantees, and for all projects.

Revision ID: 0022
"""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Rename what quotas are of, add their guards, and have the sizes of servers in columns."""
    with op.batch_alter_table("quotas") as quotas:
        quotas.alter_column(
            "kind",
            new_column_name="resource",
            existing_type=sa.String(8),
            type_=sa.String(16),
            existing_nullable=False,
        )
    op.create_table(
        "quota_guards",
        sa.Column("project_id", sa.String(36), nullable=False),
        sa.PrimaryKeyConstraint("project_id", name="pk_quota_guards"),
    )
    for name in ("vcpus", "memory_mib"):
        op.add_column("servers", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
    connection = op.get_bind()
    sizes = [
        {"id": server_id, **{name: json.loads(flavor)[name] for name in ("vcpus", "memory_mib")}}
        for server_id, flavor in connection.execute(sa.text("SELECT id, flavor FROM servers"))
    ]
    if sizes:
        connection.execute(
            sa.text("UPDATE servers SET vcpus = :vcpus, memory_mib = :memory_mib WHERE id = :id"),
            sizes,
        )

"""Servers: the NUMA node that each is confined to; and what these use of each node.

Revision ID: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add a column and a table; no server was confined before."""
    op.add_column("servers", sa.Column("numa_node", sa.Integer(), nullable=True))
    op.create_table(
        "numa_uses",
        sa.Column("host_id", sa.String(36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("vcpus_used", sa.Integer(), nullable=False),
        sa.Column("memory_mib_used", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "vcpus_used >= 0 AND memory_mib_used >= 0", name="ck_numa_uses_not_negative"
        ),
        sa.ForeignKeyConstraint(["host_id"], ["hosts.id"], name="fk_numa_uses_host_id"),
        sa.PrimaryKeyConstraint("host_id", "number", name="pk_numa_uses"),
    )

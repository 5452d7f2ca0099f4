"""Quotas: how many devices a project may hold.

Revision ID: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add their table, and a way to a project's allocations."""
    op.create_table(
        "quotas",
        sa.Column("project_id", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("physical_network", sa.String(255), nullable=False),
        sa.Column("most", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "kind", "physical_network", name="pk_quotas"),
    )
    op.create_index("ix_allocations_project_id", "allocations", ["project_id"])

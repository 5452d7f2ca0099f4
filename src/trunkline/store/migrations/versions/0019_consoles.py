"""Consoles: what is asked for, and answered.

Revision ID: 0019
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Add a table, and a count of asks for each host."""
    op.add_column(
        "hosts", sa.Column("consoles_asked", sa.Integer(), nullable=False, server_default="0")
    )
    op.create_table(
        "consoles",
        sa.Column("server_id", sa.String(36), nullable=False),
        sa.Column("host_id", sa.String(36), nullable=False),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("answered", sa.Integer(), nullable=False),
        sa.Column("said", sa.LargeBinary(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("server_id", name=op.f("pk_consoles")),
        sa.ForeignKeyConstraint(["host_id"], ["hosts.id"], name=op.f("fk_consoles_host_id")),
    )
    op.create_index(op.f("ix_consoles_host_id"), "consoles", ["host_id"])
    op.create_index(op.f("ix_consoles_asked_at"), "consoles", ["asked_at"])

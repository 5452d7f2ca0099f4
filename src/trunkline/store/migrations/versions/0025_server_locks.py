"""Servers: locks, hints, and what their images said of themselves. Events: by whom, as an ID.

Revision ID: 0025
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """Add columns; servers made before are not locked, and of their hints nothing is known."""
    op.add_column("servers", sa.Column("locked_by", sa.String(16), nullable=True))
    op.add_column("servers", sa.Column("locked_reason", sa.Text(), nullable=True))
    for name in ("image_properties", "scheduler_hints"):
        column = sa.Column(name, sa.Text(), nullable=False, server_default="{}")
        op.add_column("servers", column)
    op.add_column("events", sa.Column("user_id", sa.String(36), nullable=True))

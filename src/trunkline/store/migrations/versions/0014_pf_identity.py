"""Devices: PFs that can't be told apart, and what an operator says of them.

Revision ID: 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add columns; nothing is in doubt yet."""
    op.add_column("devices", sa.Column("fence", sa.Text(), nullable=False, server_default=""))
    op.add_column("devices", sa.Column("said_at", sa.String(16), nullable=True))

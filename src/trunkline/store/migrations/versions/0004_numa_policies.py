"""NUMA policies of ports and servers; NULL: none.

Revision ID: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add a column to each."""
    op.add_column("ports", sa.Column("numa_policy", sa.String(16), nullable=True))
    op.add_column("servers", sa.Column("numa_policy", sa.String(16), nullable=True))

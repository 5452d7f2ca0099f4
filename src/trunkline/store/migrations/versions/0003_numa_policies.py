"""NUMA policies of ports and servers; NULL: none.

Revision ID: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add a column to each."""
    op.add_column("ports", sa.Column("numa_policy", sa.String(16), nullable=True))
    op.add_column("servers", sa.Column("numa_policy", sa.String(16), nullable=True))

"""Servers: affinity and anti-affinity of their NICs.

Revision ID: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add a column; servers made before have no rules."""
    rules = sa.Column("nic_rules", sa.Text(), nullable=False, server_default="[]")
    op.add_column("servers", rules)

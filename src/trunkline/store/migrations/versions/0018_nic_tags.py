"""Servers: what their owners call their NICs.

Revision ID: 0018
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Add a column; NICs made before have no names."""
    op.add_column("servers", sa.Column("nic_tags", sa.Text(), nullable=False, server_default="{}"))

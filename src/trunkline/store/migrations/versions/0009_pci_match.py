"""Ports: conditions of their own for their devices.

Revision ID: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add a column; ports made before have none."""
    op.add_column("ports", sa.Column("pci_match", sa.Text(), nullable=False, server_default="[]"))

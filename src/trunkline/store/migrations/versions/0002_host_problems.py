"""Hosts: what stands in the way of their agents, and the agents' former runs.

Revision ID: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add two columns, with what they mean where nothing is known."""
    op.add_column("hosts", sa.Column("problem", sa.Text(), nullable=False, server_default=""))
    op.add_column("hosts", sa.Column("former_runs", sa.Text(), nullable=False, server_default="[]"))

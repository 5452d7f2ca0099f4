"""What people call segments, and what they say of hosts.

Revision ID: 0029
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    """Add columns; nobody has said anything yet."""
    op.add_column("segments", sa.Column("name", sa.String(length=255), nullable=True))
    op.add_column("segments", sa.Column("description", sa.Text(), nullable=True))
    op.add_column("hosts", sa.Column("description", sa.Text(), nullable=True))

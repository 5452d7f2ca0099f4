"""Which disk of its server a host is to have.

Revision ID: 0037
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"


def upgrade() -> None:
    """Add a column. The servers that there are have the disk that they were made with."""
    column = sa.Column("disk_number", sa.Integer(), nullable=False, server_default="1")
    op.add_column("servers", column)

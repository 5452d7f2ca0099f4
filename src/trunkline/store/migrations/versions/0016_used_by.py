"""Devices: who has them besides servers.

Revision ID: 0016
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add a column; no host has told of such a use yet."""
    op.add_column("devices", sa.Column("used_by", sa.Text(), nullable=False, server_default=""))

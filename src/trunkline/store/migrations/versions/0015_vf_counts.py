"""Devices: how many VFs an operator wants a PF to have.

Revision ID: 0015
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Add a column; nobody has said anything yet."""
    op.add_column("devices", sa.Column("vf_count_wanted", sa.Integer(), nullable=True))

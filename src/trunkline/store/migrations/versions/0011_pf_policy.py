"""Networks: how their VFs are laid over PFs.

Revision ID: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add a column; networks made before go on to spread."""
    policy = sa.Column("pf_policy", sa.String(16), nullable=False, server_default="spread")
    op.add_column("networks", policy)

"""NICs that are attached to servers, and detached from them.

Revision ID: 0032
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    """Add two columns; servers made before have the NICs that they were made with, in order."""
    op.add_column(
        "bindings", sa.Column("generation", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.add_column("servers", sa.Column("places", sa.Text(), nullable=True))

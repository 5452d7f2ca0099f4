"""Networks: an outer tag of 802.1ad.

Revision ID: 0020
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Add a column; networks made before go on with 802.1Q."""
    op.add_column(
        "networks", sa.Column("qinq", sa.Boolean(), nullable=False, server_default=sa.false())
    )

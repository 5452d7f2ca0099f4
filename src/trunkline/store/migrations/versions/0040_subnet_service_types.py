"""Subnets for ports of some device owners alone; when segments were made and changed.

Revision ID: 0040
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"

# What replicas of before, which run on while others are upgraded, give the segments that they make.
UNKNOWN = "1970-01-01T00:00:00.000000Z"


def upgrade() -> None:
    """Add columns. Subnets are for all ports; segments are taken to be as old as their networks."""
    op.add_column(
        "subnets", sa.Column("service_types", sa.Text(), nullable=False, server_default="[]")
    )
    for name in ("created_at", "updated_at"):
        op.add_column(
            "segments", sa.Column(name, sa.String(27), nullable=False, server_default=UNKNOWN)
        )
    op.add_column(
        "segments", sa.Column("revision", sa.Integer(), nullable=False, server_default="0")
    )
    op.execute(
        "UPDATE segments SET"
        " created_at = (SELECT created_at FROM networks WHERE networks.id = segments.network_id),"
        " updated_at = (SELECT created_at FROM networks WHERE networks.id = segments.network_id)"
    )

"""Servers: passwords that guests are told, access addresses, and who fits disks.

Revision ID: 0033
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    """Add columns; of servers made before nothing was said."""
    for column in (
        sa.Column("admin_password", sa.Text(), nullable=True),
        sa.Column("access_ipv4", sa.String(15), nullable=False, server_default=""),
        sa.Column("access_ipv6", sa.String(39), nullable=False, server_default=""),
        sa.Column("disk_config", sa.String(6), nullable=False, server_default="MANUAL"),
    ):
        op.add_column("servers", column)

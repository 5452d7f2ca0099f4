"""Quotas of security groups' rules, whose name is longer than the column was.

Revision ID: 0031
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    """Widen the column; SQLite minds no lengths, but its schema is to be the same."""
    with op.batch_alter_table("quotas") as quotas:
        quotas.alter_column("resource", existing_type=sa.String(16), type_=sa.String(32))

"""Users that are Keystone's: those of an LDAP have IDs of 64 characters.

Revision ID: 0027
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    """Widen columns; SQLite holds text of any length in them as they are."""
    if op.get_bind().dialect.name == "sqlite":
        return
    for table in ("servers", "key_pairs", "events"):
        op.alter_column(table, "user_id", existing_type=sa.String(36), type_=sa.String(64))

"""Names of users and projects are unique in their domain; passwords of guests are forgotten.

Revision ID: 0038
"""

from __future__ import annotations

from alembic import op

revision = "0038"
down_revision = "0036"


def upgrade() -> None:
    """Widen two constraints, which no row can stand against: names were told apart everywhere.

    A guest that has run has been told its password.
    """
    for table in ("projects", "users"):
        with op.batch_alter_table(table) as changed:
            changed.drop_constraint(f"uq_{table}_name", type_="unique")
            changed.create_unique_constraint(f"uq_{table}_name_domain_id", ["name", "domain_id"])
    op.execute("UPDATE servers SET admin_password = NULL WHERE launched_at IS NOT NULL")

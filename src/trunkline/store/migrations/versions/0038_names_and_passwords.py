"""Names of users, projects and roles are unique in a domain; passwords of guests are forgotten.

Revision ID: 0038
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"


def upgrade() -> None:
    """Widen constraints, which no row can stand against: names were told apart everywhere.

    The roles that there are are of no domain. A guest that has run has been told its password; a
    server on no host has failed or is deleted, and will have no guest.
    """
    domain = sa.Column("domain_id", sa.String(36), nullable=False, server_default="")
    op.add_column("roles", domain)
    op.create_index("ix_roles_domain_id", "roles", ["domain_id"])
    for table in ("projects", "users", "roles"):
        with op.batch_alter_table(table) as changed:
            changed.drop_constraint(f"uq_{table}_name", type_="unique")
            changed.create_unique_constraint(f"uq_{table}_name_domain_id", ["name", "domain_id"])
    op.execute(
        "UPDATE servers SET admin_password = NULL WHERE launched_at IS NOT NULL OR host_id IS NULL"
    )

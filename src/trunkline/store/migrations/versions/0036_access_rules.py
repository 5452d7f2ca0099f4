"""Access rules of application credentials.

Revision ID: 0036
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"


def upgrade() -> None:
    """Add two tables. The application credentials that there are have no rules."""
    op.create_table(
        "access_rules",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("service", sa.String(64), nullable=False),
        sa.Column("method", sa.String(8), nullable=False),
        sa.Column("path", sa.String(225), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_access_rules"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_access_rules_user_id", ondelete="CASCADE"
        ),
        sa.UniqueConstraint(
            "user_id", "service", "method", "path",
            name="uq_access_rules_user_id_service_method_path",
        ),
    )  # fmt: skip
    name = "application_credential_access_rules"
    op.create_table(
        name,
        sa.Column("credential_id", sa.String(36), nullable=False),
        sa.Column("access_rule_id", sa.String(36), nullable=False),
        sa.PrimaryKeyConstraint("credential_id", "access_rule_id", name=f"pk_{name}"),
        sa.ForeignKeyConstraint(
            ["credential_id"], ["application_credentials.id"],
            name="fk_application_credential_access_rules_credential_id", ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["access_rule_id"], ["access_rules.id"],
            name="fk_application_credential_access_rules_access_rule_id",
            deferrable=True, initially="DEFERRED",
        ),
    )  # fmt: skip
    op.create_index(f"ix_{name}_access_rule_id", name, ["access_rule_id"])

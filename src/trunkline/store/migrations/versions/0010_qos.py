"""QoS policies, and which port and which network has which.

Revision ID: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the tables; rates of ports, which nobody could set, are said by policies now."""
    op.create_table(
        "qos_policies",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("default_of", sa.String(length=36), nullable=True),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.Column("updated_at", sa.String(length=27), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_qos_policies")),
        sa.UniqueConstraint("default_of", name=op.f("uq_qos_policies_default_of")),
    )
    for name in ("project_id", "name"):
        op.create_index(op.f(f"ix_qos_policies_{name}"), "qos_policies", [name])
    op.create_table(
        "qos_rules",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column(
            "policy_id",
            sa.String(length=36),
            sa.ForeignKey(
                "qos_policies.id", name=op.f("fk_qos_rules_policy_id"), ondelete="CASCADE"
            ),
            nullable=False,
        ),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("direction", sa.String(length=16), nullable=False),
        sa.Column("kbps", sa.Integer(), nullable=False),
        sa.Column("burst_kbits", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_qos_rules")),
        sa.UniqueConstraint(
            "policy_id", "type", "direction", name=op.f("uq_qos_rules_policy_id_type_direction")
        ),
    )
    for table in ("networks", "ports"):
        # SQLite takes a column that refers to another table only in its own words.
        op.execute(
            f"ALTER TABLE {table} ADD COLUMN qos_policy_id VARCHAR(36)"
            f" CONSTRAINT fk_{table}_qos_policy_id REFERENCES qos_policies (id)"
        )
        op.create_index(op.f(f"ix_{table}_qos_policy_id"), table, ["qos_policy_id"])
    for name in ("min_tx_rate_mbps", "max_tx_rate_mbps"):
        op.drop_column("ports", name)

"""Shares: networks, QoS policies and security groups, with projects or with everybody.

Revision ID: 0035
"""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"

_NAMESPACE = uuid.UUID("3b0f6b1e-6c5e-4d0e-9a55-5b1d3f5b7c11")


def upgrade() -> None:
    """Add a table; what is shared with everybody already is on record in it."""
    shares = op.create_table(
        "shares",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("object_id", sa.String(36), nullable=False),
        sa.Column("target", sa.String(36), nullable=False),
        sa.Column("project_id", sa.String(36), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_shares"),
        sa.UniqueConstraint("object_id", "target", name="uq_shares_object_id_target"),
    )
    op.create_index("ix_shares_project_id", "shares", ["project_id"])
    found = []
    for table, kind in (("networks", "network"), ("qos_policies", "qos_policy")):
        rows = op.get_bind().execute(
            sa.select(sa.column("id", sa.Text()), sa.column("project_id", sa.Text()))
            .select_from(sa.table(table))
            .where(sa.column("shared", sa.Boolean()).is_(True))
        )
        found += [
            {
                "id": str(uuid.uuid5(_NAMESPACE, row.id)),
                "kind": kind,
                "object_id": row.id,
                "target": "*",
                "project_id": row.project_id,
            }
            for row in rows
        ]
    if found:
        op.bulk_insert(shares, found)

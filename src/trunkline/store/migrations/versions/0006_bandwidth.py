"""What PFs can guarantee, and what allocations were guaranteed.

Revision ID: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the table, empty, and two columns: nothing has been guaranteed so far."""
    op.create_table(
        "bandwidths",
        sa.Column(
            "device_id",
            sa.String(length=36),
            sa.ForeignKey("devices.id", name=op.f("fk_bandwidths_device_id"), ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column(
            "host_id",
            sa.String(length=36),
            sa.ForeignKey("hosts.id", name=op.f("fk_bandwidths_host_id")),
            nullable=False,
        ),
        sa.Column("egress_mbps", sa.Integer(), nullable=True),
        sa.Column("ingress_mbps", sa.Integer(), nullable=True),
        sa.Column("egress_owed", sa.Integer(), nullable=False),
        sa.Column("ingress_owed", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "egress_owed >= 0 AND ingress_owed >= 0",
            name=op.f("ck_bandwidths_owed_not_negative"),
        ),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_bandwidths")),
    )
    op.create_index(op.f("ix_bandwidths_host_id"), "bandwidths", ["host_id"])
    for name in ("egress_mbps", "ingress_mbps"):
        op.add_column(
            "allocations", sa.Column(name, sa.Integer(), nullable=False, server_default="0")
        )

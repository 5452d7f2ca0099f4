"""What new security groups have rules of.

Revision ID: 0039
"""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"

_NAMESPACE = uuid.UUID("9d3ce0c5-4d0a-4f5e-8b43-0b3a3a0f4d5c")
_NAME = "default_security_group_rules"


def upgrade() -> None:
    """Add a table, with the rules that all groups were made with until now."""
    table = op.create_table(
        _NAME,
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("direction", sa.String(16), nullable=False),
        sa.Column("ethertype", sa.String(8), nullable=False),
        sa.Column("protocol", sa.String(16), nullable=True),
        sa.Column("port_range_min", sa.Integer(), nullable=True),
        sa.Column("port_range_max", sa.Integer(), nullable=True),
        sa.Column("remote_ip_prefix", sa.String(64), nullable=True),
        sa.Column("about_parent", sa.Boolean(), nullable=False),
        sa.Column("about_group_id", sa.String(36), nullable=True),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("in_default", sa.Boolean(), nullable=False),
        sa.Column("in_others", sa.Boolean(), nullable=False),
        sa.Column("meaning_in_default", sa.String(160), nullable=True),
        sa.Column("meaning_in_others", sa.String(160), nullable=True),
        sa.PrimaryKeyConstraint("id", name=f"pk_{_NAME}"),
        sa.ForeignKeyConstraint(
            ["about_group_id"], ["security_groups.id"],
            name=f"fk_{_NAME}_about_group_id", ondelete="CASCADE",
        ),
        sa.UniqueConstraint("meaning_in_default", name=f"uq_{_NAME}_meaning_in_default"),
        sa.UniqueConstraint("meaning_in_others", name=f"uq_{_NAME}_meaning_in_others"),
    )  # fmt: skip
    op.create_index(f"ix_{_NAME}_about_group_id", _NAME, ["about_group_id"])
    op.bulk_insert(
        table,
        [
            _row(direction, ethertype)
            for direction in ("egress", "ingress")
            for ethertype in ("IPv4", "IPv6")
        ],
    )


def _row(direction: str, ethertype: str) -> dict[str, object]:
    """As Neutron has them: all may be sent, and ports of a default group get all of each other."""
    is_egress = direction == "egress"
    meaning = f"{direction}/{ethertype}////{'' if is_egress else 'PARENT'}/"
    return {
        "id": str(uuid.uuid5(_NAMESPACE, f"{direction} {ethertype}")),
        "direction": direction,
        "ethertype": ethertype,
        "about_parent": not is_egress,
        "description": f"Legacy default SG rule for {direction} traffic",
        "in_default": True,
        "in_others": is_egress,
        "meaning_in_default": meaning,
        "meaning_in_others": meaning if is_egress else None,
    }

"""Security groups, their rules, and which port has which.

Revision ID: 0024
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    """Add the tables. Ports made before are in no group: nothing filters by one."""
    op.create_table(
        "security_groups",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("stateful", sa.Boolean(), nullable=False),
        sa.Column("default_of", sa.String(length=36), nullable=True),
        sa.Column("tags", sa.Text(), nullable=False),
        *_times(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_security_groups")),
        sa.UniqueConstraint("default_of", name=op.f("uq_security_groups_default_of")),
    )
    for name in ("project_id", "name"):
        op.create_index(op.f(f"ix_security_groups_{name}"), "security_groups", [name])
    op.create_table(
        "security_group_rules",
        sa.Column("id", sa.String(length=36), nullable=False),
        _group("security_group_rules", "group_id", nullable=False, ondelete="CASCADE"),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("direction", sa.String(length=16), nullable=False),
        sa.Column("ethertype", sa.String(length=8), nullable=False),
        sa.Column("protocol", sa.String(length=16), nullable=True),
        sa.Column("port_range_min", sa.Integer(), nullable=True),
        sa.Column("port_range_max", sa.Integer(), nullable=True),
        sa.Column("remote_ip_prefix", sa.String(length=64), nullable=True),
        _group("security_group_rules", "remote_group_id", nullable=True, ondelete="CASCADE"),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("meaning", sa.String(length=160), nullable=False),
        *_times(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_security_group_rules")),
        sa.UniqueConstraint(
            "group_id", "meaning", name=op.f("uq_security_group_rules_group_id_meaning")
        ),
    )
    for name in ("project_id", "remote_group_id"):
        op.create_index(op.f(f"ix_security_group_rules_{name}"), "security_group_rules", [name])
    op.create_table(
        "security_group_ports",
        sa.Column(
            "port_id",
            sa.String(length=36),
            sa.ForeignKey(
                "ports.id", name=op.f("fk_security_group_ports_port_id"), ondelete="CASCADE"
            ),
            nullable=False,
        ),
        _group("security_group_ports", "group_id", nullable=False, ondelete=None),
        sa.PrimaryKeyConstraint("port_id", "group_id", name=op.f("pk_security_group_ports")),
    )
    op.create_index("ix_security_group_ports_group_id", "security_group_ports", ["group_id"])


def _group(table: str, name: str, *, nullable: bool, ondelete: str | None) -> sa.Column[str]:
    refers = sa.ForeignKey("security_groups.id", name=op.f(f"fk_{table}_{name}"), ondelete=ondelete)
    return sa.Column(name, sa.String(length=36), refers, nullable=nullable)


def _times() -> tuple[sa.Column[str], sa.Column[str], sa.Column[int]]:
    return (
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.Column("updated_at", sa.String(length=27), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
    )

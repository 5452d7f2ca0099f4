"""Pools: why their PF is out of service.

Revision ID: 0013
"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add a column; PFs that were reported without a link, or without a driver, are out."""
    op.add_column("pools", sa.Column("problem", sa.Text(), nullable=False, server_default=""))
    here = sa.text("problem <> ''")
    op.create_index(
        "ix_pools_out_of_service", "pools", ["kin_id"], sqlite_where=here, postgresql_where=here
    )
    pools = sa.table("pools", sa.column("kin_id"), sa.column("problem"))
    devices = sa.table("devices", sa.column("id"), sa.column("kind"), sa.column("device"))
    connection = op.get_bind()
    pfs = connection.execute(
        sa.select(devices.c.id, devices.c.device).where(devices.c.kind == "pf")
    )
    for pf_id, device in pfs.all():
        problem = _problem(json.loads(device)["function"])
        if problem:
            connection.execute(
                sa.update(pools).where(pools.c.kin_id == pf_id).values(problem=problem)
            )


def _problem(pf: dict[str, Any]) -> str:
    name = pf.get("ifname") or pf["address"]
    if pf.get("driver") == "vfio-pci":
        return ""
    if pf.get("driver") is None:
        return f"{name} has no driver"
    return "" if pf.get("link_up", True) else f"{name} has no link"

"""Devices: what the driver of a PF can set for its VFs is an attribute of these.

Revision ID: 0003
"""

from __future__ import annotations

import json
from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_ALL: Final = ("link_state", "max_tx_rate", "min_tx_rate", "spoof_check", "trust", "vlan_qos")
_LACKING: Final = {
    "mlx5_core": (),
    "mlx4_core": ("min_tx_rate", "trust"),
    "ixgbe": ("link_state", "min_tx_rate"),
    "i40e": ("min_tx_rate",),
    "ice": (),
    "igb": ("link_state", "min_tx_rate"),
    "bnxt_en": ("vlan_qos",),
}


def upgrade() -> None:
    """Add them to what is known of each VF: agents say nothing of what has not changed."""
    connection = op.get_bind()
    for name in ("devices", "pools"):
        table = sa.table(name, sa.column("kind"), sa.column("attributes"))
        is_vf = table.c.kind == "vf"
        texts = connection.scalars(sa.select(table.c.attributes).where(is_vf).distinct()).all()
        for text in texts:
            connection.execute(
                sa.update(table)
                .where(is_vf, table.c.attributes == text)
                .values(attributes=_extended(text))
            )


def _extended(text: str) -> str:
    known = json.loads(text)
    lacking = _LACKING.get(known.get("driver", ""))
    able = [] if lacking is None else [name for name in _ALL if name not in lacking]
    facts = {key: value for key, value in known.items() if not key.startswith("e.")}
    tags = {key: value for key, value in known.items() if key.startswith("e.")}
    whole = facts | {f"can.{name}": "true" for name in able} | tags
    return json.dumps(whole, separators=(",", ":"), ensure_ascii=False)

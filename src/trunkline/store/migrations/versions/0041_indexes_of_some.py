"""Indexes leave out rows that have no value there: most events, say, are about no device.

Revision ID: 0041
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"

COLUMNS = {
    "ports": ("pci_flavor", "qos_policy_id"),
    "allocations": ("port_id", "server_id", "wire"),
    "bindings": ("server_id", "segment_id", "device_id"),
    "servers": ("host_id", "image_id", "group_id", "terminated_at"),
    "events": ("host", "server_id", "port_id", "device_id"),
}


def upgrade() -> None:
    """Make these indexes anew."""
    for table, columns in COLUMNS.items():
        for column in columns:
            here = sa.text(f"{column} IS NOT NULL")
            name = f"ix_{table}_{column}"
            op.drop_index(name, table)
            op.create_index(name, table, [column], sqlite_where=here, postgresql_where=here)

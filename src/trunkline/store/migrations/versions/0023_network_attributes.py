"""Tags; IPv6 modes of subnets; address pairs and DHCP options of ports.

Revision ID: 0023
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Add columns; what was made before has none of these."""
    for table in ("networks", "subnets", "ports", "qos_policies"):
        op.add_column(table, _empty_list("tags"))
    for name in ("allowed_address_pairs", "extra_dhcp_opts"):
        op.add_column("ports", _empty_list(name))
    for name in ("ipv6_ra_mode", "ipv6_address_mode"):
        op.add_column("subnets", sa.Column(name, sa.String(length=32), nullable=True))


def _empty_list(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False, server_default="[]")

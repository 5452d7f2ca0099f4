"""The schema of what the service keeps for itself: who does what, and facts of the installation."""

from __future__ import annotations

from sqlalchemy import Column, String, Table, Text

from trunkline.store.columns import UtcTime
from trunkline.store.metadata import metadata

# Background tasks run under a lease, so that of several replicas one does.
leases = Table(
    "leases",
    metadata,
    Column("task", String(64), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("expires_at", UtcTime, nullable=False),
)

# Facts of the installation, e.g. when it was first started.
settings = Table(
    "settings",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

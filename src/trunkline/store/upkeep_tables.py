"""The schema of what the service keeps for itself: who follows, who tends, facts of it all."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, String, Table, Text

from trunkline.store.columns import UtcTime
from trunkline.store.metadata import ID, SERIAL, metadata

# The change feed. `transaction` is PostgreSQL's number of the writing transaction; 0 on SQLite. Why
# it is read in that order is told in `changes.py`.
changes = Table(
    "changes",
    metadata,
    Column("number", SERIAL, primary_key=True, autoincrement=True),
    Column("transaction", BigInteger, nullable=False),
    Column("host_id", ID, nullable=False),
    Index("ix_changes_transaction", "transaction", "number"),
    sqlite_autoincrement=True,
)

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

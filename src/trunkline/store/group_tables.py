"""The tables of what says which hosts go with which servers: server groups and host aggregates."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table

from trunkline.store.columns import Json, UtcTime
from trunkline.store.metadata import ID, NAME, SERIAL, USER_ID, metadata

# The members of a group are the servers that name it in `group_id`. Placing any of them raises its
# generation, which guards what was decided from where the others were.
server_groups = Table(
    "server_groups",
    metadata,
    Column("id", ID, primary_key=True),
    Column("project_id", ID, nullable=False),
    Column("user_id", USER_ID, nullable=False),
    Column("name", NAME, nullable=False),
    Column("policy", String(24), nullable=False),
    Column("max_per_host", Integer, nullable=True),
    Column("generation", Integer, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Index("ix_server_groups_project_id", "project_id", "created_at", "id"),
)

aggregates = Table(
    "aggregates",
    metadata,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("uuid", ID, nullable=False, unique=True),
    Column("name", NAME, nullable=False, unique=True),
    Column("metadata", Json(dict[str, str]), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=True),
    sqlite_autoincrement=True,
)

aggregate_hosts = Table(
    "aggregate_hosts",
    metadata,
    Column(
        "aggregate_id", SERIAL, ForeignKey("aggregates.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("host_id", ID, ForeignKey("hosts.id"), primary_key=True, index=True),
    Column("number", Integer, nullable=False),  # In the order in which they were added.
)

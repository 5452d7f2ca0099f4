"""The schema of security groups."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from trunkline.store.columns import Json, UtcTime
from trunkline.store.metadata import ID, NAME, metadata

security_groups = Table(
    "security_groups",
    metadata,
    Column("id", ID, primary_key=True),
    Column("project_id", ID, nullable=False, index=True),
    Column("name", NAME, nullable=False, index=True),
    Column("description", Text, nullable=False),
    Column("stateful", Boolean, nullable=False),
    # The project of which it is the default; None: it is none. A project has one at most.
    Column("default_of", ID, nullable=True, unique=True),
    Column("tags", Json(tuple[str, ...]), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("revision", Integer, nullable=False),
)

security_group_rules = Table(
    "security_group_rules",
    metadata,
    Column("id", ID, primary_key=True),
    Column("group_id", ID, ForeignKey("security_groups.id", ondelete="CASCADE"), nullable=False),
    Column("project_id", ID, nullable=False, index=True),
    Column("direction", String(16), nullable=False),
    Column("ethertype", String(8), nullable=False),
    Column("protocol", String(16), nullable=True),
    Column("port_range_min", Integer, nullable=True),
    Column("port_range_max", Integer, nullable=True),
    Column("remote_ip_prefix", String(64), nullable=True),
    # A rule about a group ends with that group.
    Column(
        "remote_group_id",
        ID,
        ForeignKey("security_groups.id", ondelete="CASCADE"),
        nullable=True,
        index=True,
    ),
    Column("description", Text, nullable=False),
    Column("meaning", String(160), nullable=False),  # No two rules of a group mean the same.
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("revision", Integer, nullable=False),
    UniqueConstraint("group_id", "meaning"),
)

default_security_group_rules = Table(
    "default_security_group_rules",
    metadata,
    Column("id", ID, primary_key=True),
    Column("direction", String(16), nullable=False),
    Column("ethertype", String(8), nullable=False),
    Column("protocol", String(16), nullable=True),
    Column("port_range_min", Integer, nullable=True),
    Column("port_range_max", Integer, nullable=True),
    Column("remote_ip_prefix", String(64), nullable=True),
    Column("about_parent", Boolean, nullable=False),  # About the group that gets it,
    # or about this one, with which it ends.
    Column(
        "about_group_id",
        ID,
        ForeignKey("security_groups.id", ondelete="CASCADE"),
        nullable=True,
        index=True,
    ),
    Column("description", Text, nullable=False),
    Column("in_default", Boolean, nullable=False),
    Column("in_others", Boolean, nullable=False),
    # What it means, where it is used: no two that go into one group mean the same.
    Column("meaning_in_default", String(160), nullable=True, unique=True),
    Column("meaning_in_others", String(160), nullable=True, unique=True),
)

security_group_ports = Table(
    "security_group_ports",
    metadata,
    Column("port_id", ID, ForeignKey("ports.id", ondelete="CASCADE"), primary_key=True),
    Column("group_id", ID, ForeignKey("security_groups.id"), primary_key=True),
    Index("ix_security_group_ports_group_id", "group_id"),
)

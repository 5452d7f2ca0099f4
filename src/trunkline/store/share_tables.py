"""With whom networks, QoS policies and security groups are shared."""

from __future__ import annotations

from sqlalchemy import Column, String, Table, UniqueConstraint

from trunkline.store.metadata import ID, metadata

# What is shared with everybody says so itself, too, where it has a word for that (`shared`).
shares = Table(
    "shares",
    metadata,
    Column("id", ID, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("object_id", ID, nullable=False),
    Column("target", ID, nullable=False),
    Column("project_id", ID, nullable=False, index=True),
    UniqueConstraint("object_id", "target"),
)

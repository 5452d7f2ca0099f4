"""Allocations: reserved after their use.

Revision ID: 0021
"""

from __future__ import annotations

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Change no table: versions that do not know the state must not start on rows that have it."""

"""Facts of the installation, e.g. the hash of the key that agents enrol with."""

from __future__ import annotations

from sqlalchemy import Connection, select

from trunkline.store.statements import insert_or_update
from trunkline.store.upkeep_tables import settings


class Settings:
    """Rows of settings."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, key: str) -> str | None:
        """Return a setting's value, if it was ever set."""
        value: str | None = self._connection.scalar(
            select(settings.c.value).where(settings.c.key == key)
        )
        return value

    def put(self, key: str, value: str) -> None:
        """Set it."""
        # Not delete and insert: of two replicas that start together, one would fail.
        statement = insert_or_update(self._connection, settings).values(key=key, value=value)
        self._connection.execute(
            statement.on_conflict_do_update(index_elements=["key"], set_={"value": value})
        )

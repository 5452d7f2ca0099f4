"""Leases: of several replicas, one at a time does a background task."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, or_

from trunkline.store.statements import insert_or_update
from trunkline.store.upkeep_tables import leases


class Leases:
    """Rows of leases: one for each task that was ever done."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def take(self, task: str, holder: str, *, now: datetime, until: datetime) -> bool:
        """Take or renew a lease; False: somebody else has it, and it has not run out."""
        taken = self._connection.execute(
            insert_or_update(self._connection, leases)
            .values(task=task, holder=holder, expires_at=until)
            .on_conflict_do_update(
                index_elements=["task"],
                set_={"holder": holder, "expires_at": until},
                where=or_(leases.c.holder == holder, leases.c.expires_at <= now),
            )
            .returning(leases.c.task)
        )
        return taken.first() is not None

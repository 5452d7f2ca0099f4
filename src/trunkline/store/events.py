"""The audit trail."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select

from trunkline.domain.audit import AuditEvent
from trunkline.domain.errors import Invalid
from trunkline.domain.listing import ListQuery
from trunkline.store.prepared import Prepared
from trunkline.store.statements import insert_row
from trunkline.store.tables import events

_INSERT = Prepared(insert_row(events))
_COLUMNS = tuple(column.name for column in events.c if column.name != "number")


class Events:
    """Rows of audit events: added, never changed, forgotten when they are old."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._added: list[AuditEvent] = []

    def add(self, event: AuditEvent) -> None:
        """Record an event in the transaction of the change it tells of."""
        self._added.append(event)

    def flush(self) -> None:
        """Write what was added; the store does so before the transaction ends."""
        rows = [{name: getattr(event, name) for name in _COLUMNS} for event in self._added]
        self._added.clear()
        _INSERT.run_many(self._connection, rows)

    def purge(self, before: datetime, *, limit: int) -> int:
        """Forget up to `limit` of the oldest events, as far as they are from before a time."""
        self.flush()
        # Numbers rise with time but for the clocks of replicas, so no index on time is needed.
        oldest = select(events.c.number).order_by(events.c.number).limit(limit)
        return self._connection.execute(
            delete(events).where(events.c.number.in_(oldest), events.c.at < before)
        ).rowcount

    def of_server(self, server_id: str, *, limit: int) -> list[AuditEvent]:
        """Return the newest events of a server, newest first; `limit` of them at most."""
        query = select(events).where(events.c.server_id == server_id)
        rows: Any = self._connection.execute(
            query.order_by(events.c.number.desc()).limit(limit)
        ).mappings()
        return [AuditEvent(**row) for row in rows]

    def page(self, query: ListQuery) -> list[AuditEvent]:
        """Return one page of events, newest first; the marker is an event's number."""
        self.flush()
        statement = select(events).order_by(events.c.number.desc()).limit(query.page_size)
        for name, values in query.equals.items():
            if name not in events.c:
                raise Invalid(name, "not something to filter events by")
            statement = statement.where(events.c[name].in_(values))
        if query.visible_to is not None:
            statement = statement.where(events.c.project_id == query.visible_to)
        if query.marker is not None:
            if not query.marker.isdecimal():
                raise Invalid("marker", "not an event's number")
            statement = statement.where(events.c.number < int(query.marker))
        rows: Any = self._connection.execute(statement).mappings()
        return [AuditEvent(**row) for row in rows]

"""The feed of changes: which hosts have changed, for replicas that keep an index of all hosts.

A reader takes changes in the order of the transactions that made them, and only those below the
oldest transaction still running. Neither their numbers nor the time of their commits would do:
whoever began earlier may take a higher number, or commit later.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from sqlalchemy import (
    Connection,
    bindparam,
    delete,
    insert,
    literal,
    select,
    text,
    tuple_,
)

from trunkline.domain.ids import HostId
from trunkline.store.prepared import Prepared
from trunkline.store.tables import hosts
from trunkline.store.upkeep_tables import changes

READ_AT_ONCE_MAX: Final = 10_000

_NOTE = Prepared(insert(changes).values(transaction=0, host_id=bindparam("host_id")).inline())
_NOTE_ON_POSTGRESQL = Prepared(
    insert(changes)
    .values(transaction=text("pg_current_xact_id()::text::bigint"), host_id=bindparam("host_id"))
    .inline()
)
_POSITION = (changes.c.transaction, changes.c.number)
_NEWEST_FIRST = tuple(column.desc() for column in _POSITION)


class ChangePosition(NamedTuple):
    """How far a reader has got: the change that it read last."""

    transaction: int  # 0 on SQLite, where commits are in the order of numbers.
    number: int


NO_CHANGE: Final = ChangePosition(0, 0)


class Changes:
    """Rows of the feed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._on_postgresql = connection.dialect.name == "postgresql"

    def note(self, host_id: HostId) -> None:
        """Tell that a host has changed."""
        statement = _NOTE_ON_POSTGRESQL if self._on_postgresql else _NOTE
        statement.run(self._connection, {"host_id": host_id})

    def newest(self) -> ChangePosition:
        """Return where a reader begins that has just read every host."""
        return self._newest(behind=0)

    def since(self, position: ChangePosition) -> tuple[ChangePosition, list[HostId]]:
        """Read on from `position`: how far that got, and the hosts that changed, each once.

        If changes were purged that the reader has not seen, any host may have changed.
        """
        rows = self._connection.execute(
            select(*_POSITION, changes.c.host_id)
            # With the one that was read last: as long as it is there, none after it was purged.
            .where(tuple_(*_POSITION) >= position, self._settled())
            .order_by(*_POSITION)
            .limit(READ_AT_ONCE_MAX + 1)
        ).all()
        if not rows:
            return position, []
        read = {ChangePosition(row.transaction, row.number): HostId(row.host_id) for row in rows}
        if _is_behind(position, first=next(iter(read))):
            everything = self._connection.scalars(select(hosts.c.id).order_by(hosts.c.id))
            return self.newest(), [HostId(host_id) for host_id in everything]
        read.pop(position, None)
        newest = ChangePosition(rows[-1].transaction, rows[-1].number)
        return newest, list(dict.fromkeys(read.values()))

    def ahead_of(self, position: ChangePosition) -> list[HostId]:
        """Return hosts that have changed as this transaction sees them, and are told of later.

        `position` is as far as `since` gets. They are told again once no transaction runs any more
        that is older than the one that changed them. On SQLite there are none.
        """
        if not self._on_postgresql:
            return []
        rows = self._connection.scalars(
            select(changes.c.host_id).where(tuple_(*_POSITION) > position).distinct()
        )
        return [HostId(host_id) for host_id in rows]

    def purge(self, *, keep: int, limit: int) -> int:
        """Forget up to `limit` of the oldest changes, and say how many; the newest are kept."""
        newest_to_go = self._newest(behind=max(keep, 1))
        oldest = select(changes.c.number).order_by(*_POSITION).limit(limit)
        return self._connection.execute(
            delete(changes).where(changes.c.number.in_(oldest), tuple_(*_POSITION) <= newest_to_go)
        ).rowcount

    def _newest(self, *, behind: int) -> ChangePosition:
        row = self._connection.execute(
            select(*_POSITION)
            .where(self._settled())
            .order_by(*_NEWEST_FIRST)
            .offset(behind)
            .limit(1)
        ).one_or_none()
        return NO_CHANGE if row is None else ChangePosition(*row)

    def _settled(self) -> Any:
        if not self._on_postgresql:
            return literal(value=True)
        return changes.c.transaction < text("pg_snapshot_xmin(pg_current_snapshot())::text::bigint")


def _is_behind(position: ChangePosition, *, first: ChangePosition) -> bool:
    """Say whether changes after `position` were purged, from the first that is still there."""
    if position == NO_CHANGE:  # The feed was empty then: the first change of all has number 1.
        return first.number != 1
    return first != position

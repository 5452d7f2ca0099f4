"""Consoles that somebody asked for: the ask, and for a while the answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from trunkline.domain.console import ConsoleAsk, ConsoleFact
from trunkline.domain.ids import HostId, ServerId
from trunkline.store.prepared import Prepared
from trunkline.store.tables import consoles

_OPEN_OF_HOST: Final = Prepared(
    select(consoles.c.server_id, consoles.c.asked)
    .where(consoles.c.host_id == bindparam("host"), consoles.c.answered < consoles.c.asked)
    .order_by(consoles.c.asked)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleRecord:
    """The last ask for a server's console, and the last answer."""

    host_id: HostId
    asked: int
    answered: int  # As `asked`, or more: `said` and `problem` are what it was answered.
    said: bytes
    problem: str


class Consoles:
    """Rows of consoles: one for each server that was asked for lately."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def ask(self, server_id: ServerId, host_id: HostId, number: int, *, at: datetime) -> None:
        """Record that the console of a server on a host, which is locked, is asked for."""
        asked: dict[str, object] = {"host_id": host_id, "asked": number, "asked_at": at}
        this = consoles.c.server_id == server_id
        found = self._connection.scalar(select(consoles.c.host_id).where(this))
        if found is None:
            nothing = {"server_id": server_id, "answered": 0, "said": b"", "problem": ""}
            self._connection.execute(insert(consoles).values(nothing | asked))
            return
        if found != host_id:
            asked["answered"] = 0  # Numbers are the host's.
        self._connection.execute(update(consoles).where(this).values(asked))

    def open_of_host(self, host_id: HostId) -> tuple[ConsoleAsk, ...]:
        """Return the asks of a host that have no answer, the oldest first."""
        rows = _OPEN_OF_HOST.all(self._connection, {"host": host_id})
        return tuple(ConsoleAsk(server_id=row["server_id"], number=row["asked"]) for row in rows)

    def answer(self, host_id: HostId, fact: ConsoleFact) -> bool:
        """Store an answer, unless a later one is there; say whether it was stored."""
        this = (
            consoles.c.server_id == fact.server_id,
            consoles.c.host_id == host_id,
            consoles.c.answered < fact.number,
            consoles.c.asked >= fact.number,
        )
        answer = {"answered": fact.number, "said": fact.said, "problem": fact.problem}
        return bool(self._connection.execute(update(consoles).where(*this).values(answer)).rowcount)

    def find(self, server_id: ServerId) -> ConsoleRecord | None:
        """Return what is known of a server's console; None: it was not asked for lately."""
        row = self._connection.execute(
            select(
                consoles.c.host_id,
                consoles.c.asked,
                consoles.c.answered,
                consoles.c.said,
                consoles.c.problem,
            ).where(consoles.c.server_id == server_id)
        ).mappings()
        found = row.one_or_none()
        return None if found is None else ConsoleRecord(**found)

    def purge(self, before: datetime, *, limit: int) -> int:
        """Forget up to `limit` consoles that were not asked for since a time."""
        old = select(consoles.c.server_id).where(consoles.c.asked_at < before).limit(limit)
        return self._connection.execute(
            delete(consoles).where(consoles.c.server_id.in_(old))
        ).rowcount

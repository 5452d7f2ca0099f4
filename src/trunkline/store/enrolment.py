"""Enrolment tokens."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, RowMapping, and_, delete, insert, select, update

from trunkline.domain.enrolment import EnrolmentToken
from trunkline.domain.errors import NotFound
from trunkline.domain.ids import EnrolmentTokenId, HostName
from trunkline.store.identity_tables import enrolment_tokens


class EnrolmentTokens:
    """Rows of enrolment_tokens."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> list[EnrolmentToken]:
        """Return every one, newest first."""
        newest = select(enrolment_tokens).order_by(
            enrolment_tokens.c.created_at.desc(), enrolment_tokens.c.id
        )
        return [_token(row) for row in self._connection.execute(newest).mappings()]

    def get(self, token_id: str) -> EnrolmentToken:
        """Return the one with this ID; raise `NotFound` if there is none."""
        wanted = select(enrolment_tokens).where(enrolment_tokens.c.id == token_id)
        row = self._connection.execute(wanted).mappings().one_or_none()
        if row is None:
            raise NotFound("enrolment token", token_id)
        return _token(row)

    def find_by_hash(self, token_hash: str) -> EnrolmentToken | None:
        """Return the one whose text has this hash."""
        wanted = select(enrolment_tokens).where(enrolment_tokens.c.token_hash == token_hash)
        row = self._connection.execute(wanted).mappings().one_or_none()
        return None if row is None else _token(row)

    def insert(self, token: EnrolmentToken, token_hash: str) -> None:
        """Store a new one."""
        self._connection.execute(
            insert(enrolment_tokens).values(**_row(token), token_hash=token_hash)
        )

    def use(self, token_id: EnrolmentTokenId, host: HostName, at: datetime) -> bool:
        """Note that it was used; False if it was already."""
        unused = and_(enrolment_tokens.c.id == token_id, enrolment_tokens.c.used_at.is_(None))
        found = self._connection.execute(
            update(enrolment_tokens).where(unused).values(used_at=at, used_by=host)
        )
        return found.rowcount == 1

    def delete(self, token_id: EnrolmentTokenId) -> None:
        """Forget it."""
        self._connection.execute(delete(enrolment_tokens).where(enrolment_tokens.c.id == token_id))

    def purge(self, before: datetime, *, limit: int) -> int:
        """Forget `limit` of those that expired before that; return how many."""
        old = (
            select(enrolment_tokens.c.id).where(enrolment_tokens.c.expires_at < before).limit(limit)
        )
        found = self._connection.execute(
            delete(enrolment_tokens).where(enrolment_tokens.c.id.in_(old))
        )
        return found.rowcount


def _row(token: EnrolmentToken) -> dict[str, object]:
    row = asdict(token)
    row["host_name"] = row.pop("host")
    return row


def _token(row: RowMapping) -> EnrolmentToken:
    fields = {name: row[name] for name in row if name not in ("token_hash", "host_name")}
    return EnrolmentToken(host=row["host_name"], **fields)

"""Key pairs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from trunkline.domain.errors import AlreadyExists
from trunkline.domain.ids import UserId
from trunkline.domain.key_pair import KeyPair
from trunkline.store.identity_tables import key_pairs

# PostgreSQL's advisory locks of counting. A user's rows would be no guard: there may be none yet.
# Two users may share a number: then one of them waits for the other.
_TURNS = 0x6B657970  # "keyp"
_AWAIT_TURN = select(
    func.pg_advisory_xact_lock(bindparam("domain"), func.hashtext(bindparam("user")))
)


class KeyPairs:
    """Rows of key_pairs."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, user_id: UserId, name: str) -> KeyPair | None:
        """Return a user's key pair of this name, if there is one."""
        statement = select(key_pairs).where(
            key_pairs.c.user_id == user_id, key_pairs.c.name == name
        )
        row = self._connection.execute(statement).mappings().one_or_none()
        return None if row is None else _key_pair(row)

    def of_user(
        self, user_id: UserId, *, after: str | None = None, limit: int | None = None
    ) -> list[KeyPair]:
        """Return a user's key pairs by name, those `after` a name."""
        statement = select(key_pairs).where(key_pairs.c.user_id == user_id)
        if after is not None:
            statement = statement.where(key_pairs.c.name > after)
        rows = self._connection.execute(statement.order_by(key_pairs.c.name).limit(limit))
        return [_key_pair(row) for row in rows.mappings()]

    def count_alone(self, user_id: UserId) -> int:
        """Return how many a user has; no other transaction finds that out until this one ends."""
        if self._connection.dialect.name == "postgresql":
            self._connection.execute(_AWAIT_TURN, {"domain": _TURNS, "user": user_id})
        statement = select(func.count()).where(key_pairs.c.user_id == user_id)
        return self._connection.scalar(statement.select_from(key_pairs)) or 0

    def insert(self, pair: KeyPair) -> KeyPair:
        """Store a new one; return it with its ID. Raise `AlreadyExists` if its name is taken."""
        try:
            done = self._connection.execute(insert(key_pairs).values(_row(pair)))
        except IntegrityError as taken:
            raise AlreadyExists("key pair", pair.name) from taken
        assert done.inserted_primary_key is not None
        return replace(pair, id=done.inserted_primary_key[0])

    def delete_of(self, user_id: UserId) -> None:
        """Forget all of a user."""
        self._connection.execute(delete(key_pairs).where(key_pairs.c.user_id == user_id))

    def delete(self, pair: KeyPair) -> None:
        """Forget one."""
        self._connection.execute(delete(key_pairs).where(key_pairs.c.id == pair.id))


def _row(pair: KeyPair) -> dict[str, Any]:
    return {
        "user_id": pair.user_id,
        "name": pair.name,
        "public_key": pair.public_key,
        "fingerprint": pair.fingerprint,
        "created_at": pair.created_at,
    }


def _key_pair(row: RowMapping) -> KeyPair:
    return KeyPair(**row)

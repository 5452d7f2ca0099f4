"""Row locks, where transactions run side by side (PostgreSQL). SQLite's writes take turns anyway.

A use case that changes what it read locks the row as it reads: the next one to come waits, and
then reads what the first has written. Who only relies on a row (a server on its image) shares it:
others may rely on it too, and nobody changes or deletes it meanwhile.

Locks are taken in one order, so that few wait for each other in a circle: host, server, ports,
networks, QoS policies, image. A circle is no harm but a second's wait: PostgreSQL fails one of the
two, and the store runs that one again.
"""

from __future__ import annotations

import enum
from typing import Any, assert_never

from sqlalchemy import Select


class Lock(enum.Enum):
    """How a row is read."""

    NONE = enum.auto()
    SHARED = enum.auto()  # Nobody changes it until the transaction ends.
    EXCLUSIVE = enum.auto()  # To be changed by this transaction.


def locked(statement: Select[Any], lock: Lock) -> Select[Any]:
    """Return `statement`, locking the rows it reads. Compiles to nothing on SQLite."""
    match lock:
        case Lock.NONE:
            return statement
        case Lock.SHARED:
            return statement.with_for_update(read=True)
        case Lock.EXCLUSIVE:
            # FOR NO KEY UPDATE: rows that refer to this one may be added meanwhile.
            return statement.with_for_update(key_share=True)
    assert_never(lock)

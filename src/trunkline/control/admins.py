"""Nobody is locked out: there is always somebody left who may do everything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from trunkline.domain.errors import StateConflict
from trunkline.store.transaction import Transaction


@contextmanager
def keeping_an_admin(tx: Transaction, what: str, ref: str) -> Iterator[None]:
    """Let a change through unless it leaves nobody who can log in as an admin.

    Raises:
        StateConflict: It would.
    """
    tx.roles.lock_admins()  # Two that take the last two of them would not see each other.
    was = tx.roles.is_anybody_admin()
    yield
    if was and not tx.roles.is_anybody_admin():
        raise StateConflict(
            what, ref, "nobody could log in as an admin any more: make another one first"
        )

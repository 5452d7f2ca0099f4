"""Running a write again when it lost a race."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from trunkline.control.services import RACE_RETRIES_MAX
from trunkline.domain.errors import GenerationMoved, TrunklineError
from trunkline.store.engine import Store
from trunkline.store.transaction import Transaction

T = TypeVar("T")


def write_until_won(
    store: Store,
    use_case: Callable[[Transaction], T],
    *,
    lost: tuple[type[TrunklineError], ...] = (GenerationMoved,),
) -> T:
    """Run `use_case` in a transaction, again from its reading on whenever it lost a race.

    Each time somebody wins, so a fixed number of attempts is enough but for a stampede, which is
    told to slow down by the last loss. On SQLite, where writes take turns, there are no races.

    Args:
        store: Where to write.
        use_case: Reads, decides and writes.
        lost: Errors that say that another transaction was faster.
    """
    for _ in range(RACE_RETRIES_MAX):
        try:
            return store.write(use_case)
        except lost:
            continue
    return store.write(use_case)

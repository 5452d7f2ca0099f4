"""Examples that leave nothing behind: IDs come again from one to the next."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from trunkline.store.engine import Store
from trunkline.store.transaction import Transaction


class _Undo(Exception):
    """Ends an example's transaction."""


def undone(store: Store, example: Callable[[Transaction], None]) -> None:
    """Run `example` in a transaction of which nothing is kept."""

    def run(tx: Transaction) -> None:
        example(tx)
        raise _Undo

    with contextlib.suppress(_Undo):
        store.write(run)

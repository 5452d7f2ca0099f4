"""Forgetting what has been kept long enough: a background task.

It runs under a lease, so that of several replicas one does; and nothing breaks if two do, or if
it ends between any two of its transactions. Nothing that a host may hold is forgotten: a deleted
server stays while one of its devices is on its way back.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Final

from trunkline.control.services import Services
from trunkline.store.transaction import Transaction

_TASK: Final = "purge"
LEASE: Final = timedelta(minutes=10)  # Renewed with each transaction.
# A replica further behind than this reads every host anew, which then takes less.
CHANGES_KEPT: Final = 100_000
CONSOLES_KEPT: Final = timedelta(minutes=1)  # Longer than anybody waits for one.
BATCH_ROWS_MAX: Final = 500  # In a transaction: on SQLite, others wait for it.

_Batch = Callable[[Transaction], int]


def purge(svc: Services, *, holder: str) -> dict[str, int] | None:
    """Forget everything that is old enough; say how many rows of what, None without the lease."""
    purged: dict[str, int] = {}
    for what, batch in _batches(svc).items():
        while True:
            count = svc.store.write(partial(_under_lease, svc=svc, holder=holder, batch=batch))
            if count is None:
                return None
            purged[what] = purged.get(what, 0) + count
            if count < BATCH_ROWS_MAX:
                break
    return purged


def _under_lease(tx: Transaction, *, svc: Services, holder: str, batch: _Batch) -> int | None:
    now = svc.clock.now()
    return batch(tx) if tx.leases.take(_TASK, holder, now=now, until=now + LEASE) else None


def _batches(svc: Services) -> dict[str, _Batch]:
    now, limits, limit = svc.clock.now(), svc.limits, BATCH_ROWS_MAX
    servers_before = now - timedelta(days=limits.deleted_servers_kept_days)
    events_before = now - timedelta(days=limits.events_kept_days)
    return {
        "servers": lambda tx: tx.servers.purge_deleted(servers_before, limit=limit),
        "events": lambda tx: tx.events.purge(events_before, limit=limit),
        "tokens": lambda tx: tx.tokens.purge(now, limit=limit),
        "enrolment tokens": lambda tx: tx.enrolment_tokens.purge(events_before, limit=limit),
        "consoles": lambda tx: tx.consoles.purge(now - CONSOLES_KEPT, limit=limit),
        "changes": lambda tx: tx.changes.purge(keep=CHANGES_KEPT, limit=limit),
    }

"""Running a write again when it lost a race."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from trunkline.control.metrics import RACES_LOST
from trunkline.control.services import RACE_RETRIES_MAX, Services
from trunkline.domain.errors import (
    DeviceTaken,
    GenerationMoved,
    NotEnoughBandwidth,
    StateConflict,
    TrunklineError,
)
from trunkline.domain.ids import HostId
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
            RACES_LOST.inc()
    return store.write(use_case)


def write_as_seen(
    store: Store, use_case: Callable[[Transaction], T], *, seen_revision: int | None
) -> T:
    """Run `use_case` until it won, but once if the caller names what it has seen.

    What has moved since then is the caller's to look at again.
    """
    if seen_revision is not None:
        return store.write(use_case)
    return write_until_won(store, use_case)


def deciding_again(svc: Services, use_case: Callable[[Transaction], T]) -> T:
    """Run a use case that places; after a lost race read that host again and decide again.

    Only the host that moved is read, the rest of the index stands.

    Raises:
        StateConflict: It lost too many races.
    """
    for _ in range(RACE_RETRIES_MAX):
        try:
            return svc.store.write(use_case)
        except GenerationMoved as lost:  # A host, or a port or network that was asked for.
            if lost.what == "host":
                svc.fleet.mark_stale(HostId(lost.ref))
        except (DeviceTaken, NotEnoughBandwidth) as lost_device:
            if lost_device.host_id is None:
                raise  # Named by an admin, not chosen by us.
            svc.fleet.mark_stale(HostId(lost_device.host_id))
        RACES_LOST.inc()
    raise StateConflict("fleet", "", f"lost {RACE_RETRIES_MAX} races for devices; try again")

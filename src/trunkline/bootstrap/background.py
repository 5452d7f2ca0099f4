"""What every control plane does by itself, every so often."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from trunkline.bootstrap.ticker import Ticker
from trunkline.control.purging import purge
from trunkline.control.services import Services

SILENCE_CHECK_SECONDS: Final = 5.0  # How late a silent host is noticed.
PURGE_SECONDS: Final = 300.0  # Often, so that there is little to forget each time.

log = structlog.get_logger()


@contextmanager
def background_tasks(svc: Services, *others: Ticker) -> Iterator[None]:
    """Do them, and `others`, until the block ends."""
    holder = svc.ids.new_id()

    def forget() -> None:
        purged = purge(svc, holder=holder)
        if purged is not None and any(purged.values()):
            log.info("purged", **purged)

    tickers = [
        Ticker("silent hosts", SILENCE_CHECK_SECONDS, svc.fleet.notice_silence),
        Ticker("purge", PURGE_SECONDS, forget),
        *others,
    ]
    for ticker in tickers:
        ticker.start()
    try:
        yield
    finally:
        for ticker in tickers:
            ticker.stop()

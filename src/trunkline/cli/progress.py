"""A line on stderr once something takes longer than a person waits without wondering."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TextIO

PATIENCE_SECONDS: Final = 2.0
_TICK_SECONDS: Final = 1.0
_CLEAR_LINE: Final = "\r\x1b[2K"


@contextmanager
def progress_line(
    doing: str, *, stream: TextIO | None = None, patience_seconds: float = PATIENCE_SECONDS
) -> Iterator[None]:
    """Say on stderr what is being waited for, from `patience_seconds` on.

    On a terminal the line counts the seconds and goes away again; elsewhere it is printed once, so
    that logs don't fill up.
    """
    out = stream or sys.stderr
    done = threading.Event()
    ticker = threading.Thread(
        target=_tick, args=(doing, out, done, patience_seconds), name="progress", daemon=True
    )
    ticker.start()
    try:
        yield
    finally:
        done.set()
        ticker.join()


def _tick(doing: str, out: TextIO, done: threading.Event, patience_seconds: float) -> None:
    if done.wait(patience_seconds):
        return
    if not out.isatty():
        out.write(f"{doing} …\n")
        out.flush()
        return
    waited = patience_seconds
    while True:
        out.write(f"{_CLEAR_LINE}{doing} … {waited:.0f} s")
        out.flush()
        if done.wait(_TICK_SECONDS):
            break
        waited += _TICK_SECONDS
    out.write(_CLEAR_LINE)
    out.flush()

"""Waiting for a state, with a limit and words for what did not come."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from tests.support.patience import HANGS_SECONDS

_LOOK_SECONDS = 0.02


def wait_until(
    holds: Callable[[], object],
    what: str,
    *,
    seconds: float = HANGS_SECONDS,
    look_seconds: float = _LOOK_SECONDS,
) -> None:
    """Return once `holds()` is true; fail if it is not within `seconds`.

    `look_seconds` pass between two looks: more, where looking takes from what is waited for.
    """
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        threading.Event().wait(look_seconds)

"""Waiting for a state, with a limit and words for what did not come."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_LOOK_SECONDS = 0.02


def wait_until(holds: Callable[[], object], what: str, *, seconds: float = 30) -> None:
    """Return once `holds()` is true; fail if it is not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        threading.Event().wait(_LOOK_SECONDS)

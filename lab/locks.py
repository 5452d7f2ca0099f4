"""Locks between processes, kept by the kernel: they end with whoever holds them."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def only_one_on_this_machine(what: str) -> Iterator[None]:
    """Wait until no other process does `what`, whichever tree of sources it works on."""
    path = Path(tempfile.gettempdir()) / f"trunkline-{what}.lock"
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


HELD = "TRUNKLINE_LAB_HELD"  # Set for the processes of the run that has the lab.


@contextmanager
def lab_of_this_machine() -> Iterator[None]:
    """Wait until no other run has the lab; the processes of one run have it together."""
    if HELD in os.environ:
        yield
        return
    with only_one_on_this_machine("lab-host"):
        os.environ[HELD] = "1"
        try:
            yield
        finally:
            del os.environ[HELD]

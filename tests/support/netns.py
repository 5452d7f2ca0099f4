"""Running something in a network namespace of its own: real rtnetlink, and nothing to break."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")

_CLONE_NEWNET = 0x4000_0000  # Linux include/uapi/linux/sched.h.


def in_new_netns(act: Callable[[], T]) -> T:
    """Return what `act` returns, which runs in a thread with a new network namespace.

    Sockets that it opens are in there; what it makes is gone with it. Making a namespace needs
    root (CAP_SYS_ADMIN); without it the test is skipped, and says so.
    """
    results: list[T] = []
    problems: list[BaseException] = []

    def run() -> None:
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.unshare(_CLONE_NEWNET) != 0:
                number = ctypes.get_errno()
                raise PermissionError(number, os.strerror(number))
            results.append(act())
        except BaseException as problem:  # noqa: BLE001  # raised again where the test is
            problems.append(problem)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if problems:
        if isinstance(problems[0], PermissionError):
            pytest.skip(f"needs root, to make a network namespace: {problems[0]}")
        raise problems[0]
    return results[0]

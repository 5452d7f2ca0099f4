"""How fast this machine's time-stamp counter counts, which an emulated one's counts as fast as."""

from __future__ import annotations

import ctypes
import mmap
import time
from collections.abc import Callable

WINDOW_SECONDS = 0.1
TRIES = 5
# rdtsc; shl rdx, 32; or rax, rdx; ret
READ = bytes.fromhex("0f31 48c1e220 4809d0 c3")


def khz() -> int:
    """Measure it, for a tenth of a second."""
    with mmap.mmap(
        -1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    ) as page:
        page.write(READ)
        start = ctypes.c_char.from_buffer(page)
        read = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(start))
        first = _at_once(read)
        while (last := _at_once(read))[1] < first[1] + WINDOW_SECONDS * 1e9:
            continue
        del start, read
    return round((last[0] - first[0]) * 1e6 / (last[1] - first[1]))


def _at_once(read: Callable[[], int]) -> tuple[int, int]:
    """The counter and a clock in nanoseconds, of some tries the one that took least between."""
    tries = []
    for _ in range(TRIES):
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        count = read()
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        tries.append((after - before, count, after))
    _, count, after = min(tries)
    return count, after

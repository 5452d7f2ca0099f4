"""What the benchmarks share: quantiles, and on what machine, how noisy, they were taken."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any, ParamSpec, TypeVar

NOISE_ROUNDS = 200

P = ParamSpec("P")
T = TypeVar("T")


class Series:
    """Single calls, timed one by one: on the wall's clock, and in processor time of the thread.

    On a machine with other work the first has the waiting for a core in it, the second has not.
    """

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.cpu: list[float] = []

    def __len__(self) -> int:
        return len(self.wall)

    def time(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call, and note how long that took."""
        cpu, begun = thread_time(), perf_counter()
        result = function(*args, **kwargs)
        self.wall.append(perf_counter() - begun)
        self.cpu.append(thread_time() - cpu)
        return result

    def extend(self, other: Series) -> None:
        """Add the calls of another."""
        self.wall += other.wall
        self.cpu += other.cpu

    def summary(self, *, unit: float = 1e3) -> dict[str, Any] | None:
        """Count and quantiles, in milliseconds unless `unit` says otherwise; None without calls."""
        if not self.wall:
            return None
        cpu = quantiles(self.cpu, unit=unit)
        return {
            "calls": len(self.wall),
            **quantiles(self.wall, unit=unit),
            "cpu_p50": cpu["p50"],
            "cpu_p99": cpu["p99"],
        }


def quantiles(seconds: Sequence[float], *, unit: float = 1e3) -> dict[str, float]:
    """Median, 99th percentile and maximum, in milliseconds unless `unit` says otherwise."""
    ordered = sorted(seconds)
    return {
        "p50": round(unit * statistics.median(ordered), 4),
        "p99": round(unit * ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)], 4),
        "max": round(unit * ordered[-1], 4),
    }


def machine() -> dict[str, object]:
    """The machine, and how much else was going on: a fixed piece of work, timed many times."""
    taken = []
    for _ in range(NOISE_ROUNDS):
        begun = perf_counter()
        sum(number * number for number in range(20_000))
        taken.append(perf_counter() - begun)
    noise = quantiles(taken)
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "fixed_work_ms": noise,
        "fixed_work_min_ms": round(1e3 * min(taken), 4),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()

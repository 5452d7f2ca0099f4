"""The same work by two services in turn, and by how much one is faster than the other."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any, TypeAlias

from benchmarks.peers.services import Service

Work: TypeAlias = Callable[[int], float | None]  # Its own seconds, if not all of it counts.

WARM_UPS = 3
# Of one series: on a busy machine it ends early, and says how many pairs there were.
SERIES_SECONDS_MAX = 90
PAIRS_MIN = 3


def compare(
    peer: Service, ours: Service, works: tuple[Work, Work], *, pairs: int, target: float
) -> dict[str, Any]:
    """Do the peer's work and ours, in pairs; who comes first changes from pair to pair.

    The first few are not counted. Processor time is of the whole process, with what it does
    besides, such as simulated hosts.
    """
    services = (peer, ours)
    taken: tuple[list[float], list[float]] = ([], [])
    cpu, series_begun = [0.0, 0.0], perf_counter()
    for number in range(WARM_UPS + pairs):
        is_late = perf_counter() - series_begun > SERIES_SECONDS_MAX
        if is_late and len(taken[0]) >= PAIRS_MIN:
            break
        for side in (0, 1) if number % 2 else (1, 0):
            cpu_before, begun = services[side].cpu_seconds(), perf_counter()
            seconds = works[side](number)
            passed = perf_counter() - begun
            if number >= WARM_UPS:
                cpu[side] += services[side].cpu_seconds() - cpu_before
                taken[side].append(passed if seconds is None else seconds)
    done = len(taken[0])
    return {
        "pairs": done,
        "peer_ms": _spread(taken[0]),
        "trunkline_ms": _spread(taken[1]),
        "peer_cpu_ms": round(1e3 * cpu[0] / done, 1),
        "trunkline_cpu_ms": round(1e3 * cpu[1] / done, 1),
        **ratios(*taken),
        "target": target,
    }


def ratios(theirs: Sequence[float], ours: Sequence[float]) -> Mapping[str, float]:
    """Median, least and greatest of the ratios of pairs."""
    each = [their / our for their, our in zip(theirs, ours, strict=True)]
    return {
        "ratio": round(statistics.median(each), 1),
        "ratio_min": round(min(each), 1),
        "ratio_max": round(max(each), 1),
    }


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    return {
        "median": round(1e3 * statistics.median(seconds), 2),
        "min": round(1e3 * min(seconds), 2),
        "max": round(1e3 * max(seconds), 2),
    }

"""Placement beside Nova's own PCI filter, on the same fleets, in the same run.

    python -m benchmarks.filter [--hosts 100 1000 10000] [--pairs 9 5 3]

Nova comes from PyPI into an environment of its own and is not modified: `PciDeviceStats` of each
host, as its scheduler has them, are asked `support_requests` for each request. A pair is one
request, answered by one and then at once by the other; ratios are medians of pairs. Each choice is
held in both before the next request, which is fresh from the seed. Schedulers at work are what is
compared, so just before its turn each answers other fresh requests like it for 50 ms, unless its
own decision takes longer than that anyway. ``numa`` is the same with hosts that have reported two
NUMA nodes, as real ones do; it makes no difference to Trunkline.

``ratio_cpu`` compares processor time, and so leaves out the waiting for a core. ``refusals`` says
which share of the pairs of a request and a host that fits it each one refuses, by the maximum flow
of an independent solver.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

from benchmarks._index import Index, as_view, make_request
from benchmarks._measuring import Series, machine
from benchmarks._raw_fleet import (
    FILLS,
    RawHost,
    Wants,
    feasible_request,
    infeasible_request,
    make_fleet,
)
from benchmarks.filter.nova_process import NovaFilter, Taken, ensure_nova, nova_version
from benchmarks.filter.refusals import count_refusals

NIC_COUNTS = (1, 4, 8)
WARM_UP_SECONDS = 0.05
ALL_FILLS_HOSTS_MAX = 1000  # Larger fleets are measured half full only: Nova takes long.


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hosts", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--pairs", type=int, nargs="+", default=[9, 5, 3], help="for each size")
    parser.add_argument("--fills", nargs="+", choices=FILLS, default=[*FILLS])
    parser.add_argument("--refusal-requests", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    python, before = ensure_nova(), machine()
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="filter-") as scratch:
        fleet_file = Path(scratch) / "fleet.json"

        def start(hosts: Sequence[RawHost]) -> NovaFilter:
            return NovaFilter(python, hosts, fleet_file)

        for host_count, pairs in zip(args.hosts, args.pairs, strict=False):
            result: dict[str, Any] = {"hosts": host_count, "pairs": pairs}
            for fill in args.fills if host_count <= ALL_FILLS_HOSTS_MAX else ["half"]:
                result[fill] = measure(start, host_count, fill, pairs, args.seed)
            results.append(result)
        refusals = count_refusals(start, args.refusal_requests, args.seed)
    report: dict[str, Any] = {"benchmark": "filter", "nova": nova_version(), "machine": before}
    results.append({"hosts": "refusals", **refusals})
    report |= {"machine_after": machine(), "results": results}
    sys.stdout.write(json.dumps(report, indent=1) + "\n")


def measure(
    start: Callable[[Sequence[RawHost]], NovaFilter],
    host_count: int,
    fill: str,
    pairs: int,
    seed: int,
) -> dict[str, Any]:
    """One fleet: each number of NICs, feasible and not, without and with NUMA nodes."""
    dice = Random(f"{seed} {host_count} {fill}")  # Repeatable, and no secret.
    hosts = make_fleet(host_count, fill=FILLS[fill], dice=dice)
    index = Index(as_view(number, host) for number, host in enumerate(hosts))
    gc.collect()
    gc.freeze()
    result: dict[str, Any] = {}
    with start(hosts) as nova:
        contest = Contest(index, nova, hosts, dice)
        for numa in (False, True):
            nova.load(numa=numa)
            nova.check()
            contest.series(
                NIC_COUNTS[0], 1, feasible=True
            )  # What is only done once is not counted.
            for nic_count in NIC_COUNTS:
                for feasible in (True, False):
                    name = f"{nic_count}_nics" + ("" if feasible else "_infeasible")
                    series = contest.series(nic_count, pairs, feasible=feasible)
                    result.setdefault("numa" if numa else "plain", {})[name] = series
    gc.unfreeze()
    return result


class Contest:
    """Requests answered by both, on hosts that stay alike in both."""

    def __init__(self, index: Index, nova: NovaFilter, hosts: list[RawHost], dice: Random) -> None:
        self._index, self._nova, self._hosts, self._dice = index, nova, hosts, dice
        self._nova_seconds = 0.0  # Its last decision.

    def series(self, nic_count: int, pairs: int, *, feasible: bool) -> dict[str, Any] | None:
        """Medians of both, and of the ratio pair by pair; None if the fleet has no room."""
        measured: list[tuple[Taken, Taken]] = []
        for _ in range(pairs):
            wants = self._draw(nic_count, feasible=feasible)
            if wants is None:
                return None
            measured.append(self._pair(wants, feasible=feasible))
        ratios = [nova.seconds / ours.seconds for nova, ours in measured]
        return {
            "nova_ms": round(1e3 * statistics.median(nova.seconds for nova, _ in measured), 3),
            "trunkline_ms": round(1e3 * statistics.median(ours.seconds for _, ours in measured), 4),
            "ratio": round(statistics.median(ratios), 1),
            "ratio_min": round(min(ratios), 1),
            "ratio_cpu": round(
                statistics.median(nova.cpu / ours.cpu for nova, ours in measured), 1
            ),
        }

    def _draw(self, nic_count: int, *, feasible: bool) -> list[Wants] | None:
        if feasible:
            return feasible_request(self._hosts, nic_count, self._dice)
        return infeasible_request(nic_count, self._dice)

    def _pair(self, wants: list[Wants], *, feasible: bool) -> tuple[Taken, Taken]:
        """Return what both took; what was chosen is held in both, and by the raw hosts."""
        others = self._others(len(wants), feasible=feasible)
        if self._nova_seconds < WARM_UP_SECONDS:
            _answer_for_a_while(self._nova.decide, others)
        nova, accepted = self._nova.decide(wants)
        self._nova_seconds = nova.seconds
        request = make_request(wants)
        _answer_for_a_while(lambda other: self._index.decide(make_request(other)), others)
        series = Series()
        placed = series.time(self._index.decide, request)
        assert (placed is not None) == feasible, f"{wants} are to be had: {feasible}"
        assert feasible or not accepted, f"Nova accepts {wants}, which no host has"
        if placed is not None:
            self._index.hold(placed, request)
            number, devices = self._index.chosen(placed)
            for p, vf in devices:
                self._hosts[number].pfs[p].free ^= 1 << vf
            self._nova.set_free(number, self._hosts[number])
        return nova, Taken(series.wall[0], series.cpu[0])

    def _others(self, nic_count: int, *, feasible: bool) -> Iterator[list[Wants]]:
        """Yield other requests like the one that is to be timed; nothing is held for them."""
        while (wants := self._draw(nic_count, feasible=feasible)) is not None:
            yield wants


def _answer_for_a_while(
    decide: Callable[[list[Wants]], object], requests: Iterator[list[Wants]]
) -> None:
    begun = perf_counter()
    while perf_counter() - begun < WARM_UP_SECONDS and (wants := next(requests, None)):
        decide(wants)


if __name__ == "__main__":
    main()

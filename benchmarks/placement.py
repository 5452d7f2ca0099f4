"""How placement's costs grow with the fleet: hosts of 4 PFs with 64 VFs each.

    python -m benchmarks.placement [--hosts 100 1000 10000] [--decisions 2000]

Prints one JSON object. Every request is fresh from the seed, and each choice is held in the index
before the next, an older server leaving for it; no answer is given twice. Times are of single
calls on one core, in milliseconds, in a process of its own for each fleet, with the garbage
collector frozen after the build, as the service does it:

* ``decide``: choosing host and devices, for 1, 4 and 8 NICs, where some host fits and where none;
* ``rules``: the same with rules that all must hold: devices on one NUMA node (``numa``), some NICs
  on one PF (``affinity``) or on a PF each (``anti_affinity``), drawn from a host that has them;
  rules that no host can keep (``contradicting``); NICs described from devices of unlike hosts, with
  rules, which few hosts fit or none (``patchwork``, parted by the answer);
* ``weights``: 4 NICs, with hosts ranked by a weighted sum of four criteria;
* ``hold``: taking the choice; ``change``: one VF taken or freed by the store (microseconds);
* ``explain``: the reasons of all hosts, for a request that none fits; ``explain_by``: by NICs,
  and with rules, for requests that some host fits or none: it is about the hosts that refuse;
  ``page_by``: the same with a page of a hundred hosts of the full list besides;
* ``cpu_p50``, ``cpu_p99``: the same without waiting for a core, which others may have;
* ``capacity``: how many more servers of a shape fit, on each host and in all, without and with
  rules, for 1, 4 and 8 NICs in turn;
* ``build``: from views of all hosts, with the columns; ``kib_per_host``: all that the index holds
  after decisions and changes of every kind, counted by Python in a build of its own.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import sys
import tracemalloc
from collections.abc import Iterable, Iterator
from itertools import count, pairwise
from random import Random
from time import perf_counter
from typing import Any

from benchmarks._index import (
    Hold,
    Index,
    Placed,
    PlacementRequest,
    as_view,
    make_request,
    make_ruled_request,
)
from benchmarks._measuring import Series, machine
from benchmarks._raw_fleet import (
    FILLS,
    PFS_PER_HOST,
    VFS_PER_PF,
    RawHost,
    feasible_request,
    infeasible_request,
    make_fleet,
)
from benchmarks._raw_rules import DRAWS, Draw, RawAsk

NIC_COUNTS = (1, 4, 8)
RULED_NIC_COUNTS = (4, 8)
SERVERS_LIVE = 50  # Older ones leave, so that the fleet stays as full as it is.
SECONDS_MAX = 8.0  # Of one series: a slow engine gets fewer decisions, not the machine.
CHANGES = 2000
EXPLANATIONS = 50  # Of each series.
CAPACITIES = 150
RULED_CAPACITIES = 10  # For each kind of rule and count of NICs.
CHURN = 300  # Decisions of each kind before memory is counted; fewer other questions.


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hosts", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--fills", nargs="+", choices=FILLS, default=[*FILLS])
    parser.add_argument("--decisions", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    before = machine()
    results = []
    for host_count in args.hosts:
        result: dict[str, Any] = {"hosts": host_count}
        for fill in args.fills:
            result[fill] = in_a_process(host_count, fill, args.decisions, args.seed)
        results.append(result)
    for smaller, larger in pairwise(results):
        larger[f"growth_from_{smaller['hosts']}"] = {
            fill: growth(smaller[fill], larger[fill]) for fill in args.fills
        }
    report = {"benchmark": "placement", "machine": before, "machine_after": machine()}
    sys.stdout.write(json.dumps(report | {"results": results}, indent=1) + "\n")


def in_a_process(host_count: int, fill: str, decisions: int, seed: int) -> dict[str, Any]:
    """Measure one fleet where no other has been in memory."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, (host_count, fill, decisions, seed))


def measure(host_count: int, fill: str, decisions: int, seed: int) -> dict[str, Any]:
    """Build a fleet and let it decide."""
    dice = Random(f"{seed} {host_count} {fill}")  # Repeatable, and no secret.
    hosts = make_fleet(host_count, fill=FILLS[fill], dice=dice)
    gc.collect()
    begun = perf_counter()
    index = Index(as_view(number, host) for number, host in enumerate(hosts))
    built = perf_counter()
    gc.collect()
    gc.freeze()

    run = Run(index, hosts, dice)
    decide: dict[str, Any] = {}
    for nic_count in NIC_COUNTS:
        decide[f"{nic_count}_nics"] = run.feasible(nic_count, decisions)
        decide[f"{nic_count}_nics_infeasible"] = run.infeasible(nic_count, decisions)
    rules: dict[str, Any] = {}
    run.ruled(2, 1, DRAWS["affinity"])  # What is only done once is not counted.
    for nic_count in RULED_NIC_COUNTS:
        for name, draw in DRAWS.items():
            found = run.ruled(nic_count, decisions, draw)
            for outcome, series in found.items():
                rules[f"{nic_count}_nics_{name}{outcome}"] = series.summary()
    index.rank_by_weights()
    weights = run.feasible(4, decisions)
    explain, pages = run.explanations(min(EXPLANATIONS, decisions))
    unruled = Series()
    for nic_count in NIC_COUNTS:
        unruled.extend(explain[f"{nic_count}_nics"])
    return {
        "build_seconds": round(built - begun, 3),
        "decide_ms": decide,
        "rules_ms": {name: series for name, series in rules.items() if series},
        "weights_ms": weights,
        "hold_ms": run.holds.summary(),
        "change_us": run.changes().summary(unit=1e6),
        "explain_ms": unruled.summary(),
        "explain_by_ms": {name: series.summary() for name, series in explain.items()},
        "page_by_ms": {name: series.summary() for name, series in pages.items()},
        "capacity_ms": run.capacities(min(CAPACITIES, decisions)).summary(),
        "ruled_capacity_ms": run.ruled_capacities(min(RULED_CAPACITIES, decisions)).summary(),
        "kib_per_host": round(_index_bytes(hosts, decisions, dice) / 1024 / host_count, 2),
    }


def _index_bytes(hosts: list[RawHost], decisions: int, dice: Random) -> int:
    """What an index of these hosts holds after it has been asked for all that there is."""
    most = min(CHURN, decisions)
    gc.collect()
    tracemalloc.start()
    try:
        index = Index(as_view(number, host) for number, host in enumerate(hosts))
        _use(Run(index, hosts, dice), most)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def _use(run: Run, most: int) -> None:
    for nic_count in NIC_COUNTS:
        run.feasible(nic_count, most)
        run.infeasible(nic_count, most)
    for nic_count in RULED_NIC_COUNTS:
        for draw in DRAWS.values():
            run.ruled(nic_count, most, draw)
    run.explanations(most // 30)
    run.capacities(most // 10)


class Run:
    """Requests to one index, with the raw hosts kept as it is."""

    def __init__(self, index: Index, hosts: list[RawHost], dice: Random) -> None:
        self._index, self._hosts, self._dice = index, hosts, dice
        self._servers: list[tuple[Hold, int, list[tuple[int, int]]]] = []
        self._changed: tuple[int, int, int] | None = None  # Host, PF and VF, to be undone.
        self.holds = Series()

    def feasible(self, nic_count: int, decisions: int) -> dict[str, Any] | None:
        """Place servers; None if the fleet has no room for such."""
        series = Series()
        while len(series) < decisions and sum(series.wall) < SECONDS_MAX:
            wants = feasible_request(self._hosts, nic_count, self._dice)
            if wants is None:
                break
            request = make_request(wants)
            placed = series.time(self._index.decide, request)
            assert placed is not None, f"some host fits {wants}"
            self._arrive(placed, request)
        return series.summary()

    def ruled(self, nic_count: int, decisions: int, draw: Draw) -> dict[str, Series]:
        """Ask with rules; by outcome: "" where some host fits, "_infeasible" where none does."""
        found = {"": Series(), "_infeasible": Series()}
        for _ in range(decisions):
            ask = draw(self._hosts, nic_count, self._dice)
            if ask is None or sum(sum(series.wall) for series in found.values()) > SECONDS_MAX:
                break
            request = make_ruled_request(ask)
            timed = Series()
            placed = timed.time(self._index.decide, request)
            found["_infeasible" if placed is None else ""].extend(timed)
            if placed is not None:
                self._arrive(placed, request)
        return found

    def _arrive(self, placed: Placed, request: PlacementRequest) -> None:
        """Hold what was chosen; an older server leaves."""
        hold = self.holds.time(self._index.hold, placed, request)
        number, devices = self._index.chosen(placed)
        for p, vf in devices:
            assert self._hosts[number].pfs[p].free >> vf & 1, "a VF with an owner was chosen"
            self._hosts[number].pfs[p].free ^= 1 << vf
        self._servers.append((hold, number, devices))
        if len(self._servers) > SERVERS_LIVE:
            self._leave()

    def _leave(self) -> None:
        hold, number, devices = self._servers.pop(self._dice.randrange(len(self._servers)))
        self._index.release(hold)
        for p, vf in devices:
            self._hosts[number].pfs[p].free |= 1 << vf

    def infeasible(self, nic_count: int, decisions: int) -> dict[str, Any] | None:
        """Ask for what no host has; the fleet changes in between, as it would."""
        series, changes = Series(), Series()
        while len(series) < decisions and sum(series.wall) < SECONDS_MAX:
            request = make_request(infeasible_request(nic_count, self._dice))
            assert series.time(self._index.decide, request) is None, "no host fits"
            self._change(changes)
        return series.summary()

    def changes(self) -> Series:
        """Time single changes."""
        series = Series()
        for _ in range(CHANGES):
            self._change(series)
        return series

    def _change(self, series: Series) -> None:
        """Let a VF that no server of ours has get an owner or lose it; undo that the next time."""
        held = {(number, p, vf) for _, number, devices in self._servers for p, vf in devices}
        if self._changed is not None and self._changed not in held:
            (number, p, vf), self._changed = self._changed, None
        else:
            drawn = (self._random_vf() for _ in count())
            number, p, vf = self._changed = next(at for at in drawn if at not in held)
        pf = self._hosts[number].pfs[p]
        change = self._index.take_vf if pf.free >> vf & 1 else self._index.free_vf
        series.time(change, number, p, vf)
        pf.free ^= 1 << vf

    def _random_vf(self) -> tuple[int, int, int]:
        dice = self._dice
        return (
            dice.randrange(len(self._hosts)),
            dice.randrange(PFS_PER_HOST),
            dice.randrange(VFS_PER_PF),
        )

    def capacities(self, count: int) -> Series:
        """Time counting how many more servers fit, of shapes that some host can take."""
        series = Series()
        for n in range(count):
            wants = feasible_request(self._hosts, NIC_COUNTS[n % len(NIC_COUNTS)], self._dice)
            if wants is not None:
                assert series.time(self._index.capacity, make_request(wants)), "one fits"
        return series

    def ruled_capacities(self, count: int) -> Series:
        """The same of so many shapes with each kind of rule, some of which no host can take."""
        series = Series()
        for nic_count in RULED_NIC_COUNTS:
            for draw in DRAWS.values():
                for _ in range(count):
                    ask = draw(self._hosts, nic_count, self._dice)
                    if ask is not None:
                        series.time(self._index.capacity, make_ruled_request(ask))
        return series

    def explanations(self, count: int) -> tuple[dict[str, Series], dict[str, Series]]:
        """Time the reasons of requests that fit nowhere, and with rules of others, too.

        Returns:
            The nearest hosts; the same and a page of all that refuse.
        """
        bare: dict[str, Series] = {}
        paged: dict[str, Series] = {}
        for nic_count in NIC_COUNTS:
            wanted = (infeasible_request(nic_count, self._dice) for _ in range(count))
            self._explain(f"{nic_count}_nics", map(make_request, wanted), bare, paged)
        for nic_count in RULED_NIC_COUNTS:
            for name, draw in DRAWS.items():
                ruled = map(make_ruled_request, self._asks(draw, nic_count, count))
                self._explain(f"{nic_count}_nics_{name}", ruled, bare, paged)
        return bare, paged

    def _asks(self, draw: Draw, nic_count: int, count: int) -> Iterator[RawAsk]:
        """So many, or fewer where the fleet gives none."""
        for _ in range(count):
            ask = draw(self._hosts, nic_count, self._dice)
            if ask is None:
                break
            yield ask

    def _explain(
        self,
        name: str,
        requests: Iterable[PlacementRequest],
        bare: dict[str, Series],
        paged: dict[str, Series],
    ) -> None:
        for request in requests:
            times, of_pages = bare.setdefault(name, Series()), paged.setdefault(name, Series())
            if sum(times.wall) >= SECONDS_MAX:
                break
            times.time(self._index.explain, request)
            after = self._hosts[self._dice.randrange(len(self._hosts))].name
            of_pages.time(self._index.explain_page, request, after)


def growth(smaller: dict[str, Any], larger: dict[str, Any]) -> dict[str, float]:
    """How many times a larger fleet's medians of processor time are a smaller one's."""
    pairs = {
        f"decide_{name}": (series, larger["decide_ms"][name])
        for name, series in smaller["decide_ms"].items()
    }
    pairs |= {
        f"rules_{name}": (series, larger["rules_ms"].get(name))
        for name, series in smaller["rules_ms"].items()
    }
    pairs |= {
        f"explain_{name}": (series, larger["explain_by_ms"].get(name))
        for name, series in smaller["explain_by_ms"].items()
    }
    pairs |= {
        f"page_{name}": (series, larger["page_by_ms"].get(name))
        for name, series in smaller["page_by_ms"].items()
    }
    pairs |= {
        name: (smaller[name], larger[name])
        for name in ("change_us", "explain_ms", "capacity_ms", "ruled_capacity_ms", "weights_ms")
    }
    return {
        name: round(after["cpu_p50"] / before["cpu_p50"], 2)
        for name, (before, after) in pairs.items()
        if before and after
    }


if __name__ == "__main__":
    main()

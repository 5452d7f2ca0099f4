"""Durable creates in one process: `create_server` by many threads, control and SQLite below it.

    python -m benchmarks.creates [--hosts 100] [--servers 2000] [--threads 1 32] [--no-profile]

Prints one JSON object. SQLite as the service opens it: WAL, synchronous=FULL, creates that wait at
the same moment share a commit, and none returns before that is synced. Hosts have 4 PFs of 64 VFs
on two physical networks. No HTTP, no agents.

* ``ports_made_before``, ``ports_made_with_it``: whether the NICs name ports or networks;
* ``cpu_ms_per_server``: processor time of all threads, whatever else the machine does;
* ``batches``: one thread, and `batch_size` servers by each call, their ports made with them;
* ``sync_ms``: appending 4 KiB to a file of the same file system, and syncing it;
* ``profile``: the writer's thread, in a run of its own under cProfile (which slows it, so shares
  are to be read, not times): what each package's own code took, and what the steps of a create
  took with all that they call.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from benchmarks._measuring import Series, machine, quantiles
from tests.support.world import DEMO, PHY1, PHY2, AgentByHand, a_card, a_flavor, a_network, a_world
from trunkline.control.ports import create_ports
from trunkline.control.requests import NicRequest, PortCreate, ServerCreate
from trunkline.control.servers import create_server, create_servers
from trunkline.control.services import Services
from trunkline.domain.ids import FlavorId
from trunkline.domain.network import Network
from trunkline.domain.port import VnicType
from trunkline.domain.server import ServerState

NIC_COUNTS = (1, 4)
VFS_PER_PF = 64
SERVERS_PER_HOST_MAX = 60  # By vCPUs.
SYNCS = 50
BATCH_SIZE = 100  # Servers asked for by one request.
PROFILE_ROWS = 12
PARTED = {  # Functions that are shown as what they call, with a word before the names of that.
    "trunkline.control.servers.create": "",
    "trunkline.control.building.build": "",
    "trunkline.control.building._plug": "",
    "trunkline.store.engine._write_batch": "begin and commit: ",
    "trunkline.store.engine._run_batch": "begin and commit: ",
    "trunkline.store.engine._run": "around a use case: ",
}

Function = tuple[str, int, str]  # File, line and name, as pstats has them.
Row = tuple[int, int, float, float, Mapping[Function, tuple[int, int, float, float]]]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hosts", type=int, default=100)
    parser.add_argument("--servers", type=int, default=2000, help="in each series")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--no-profile", action="store_true")
    args = parser.parse_args()
    before, results = machine(), []
    for threads in args.threads:
        result: dict[str, Any] = {"threads": threads, "hosts": args.hosts}
        for nic_count in NIC_COUNTS:
            with a_site(args.hosts) as site:
                result[f"{nic_count}_nics"] = {
                    name: site.measure(nic_count, args.servers // 2, threads, ports=ports)
                    for name, ports in (("ports_made_before", True), ("ports_made_with_it", False))
                }
        results.append(result)
    with a_site(args.hosts) as site:
        batches = {f"{n}_nics": site.measure_batches(n, args.servers // 2) for n in NIC_COUNTS}
    report: dict[str, Any] = {
        "benchmark": "creates", "machine": before, "sync_ms": sync_times(),
        "batch_size": BATCH_SIZE, "batches": batches,
    }  # fmt: skip
    if not args.no_profile:
        report["profile"] = profile(args.hosts, args.servers // 2, args.threads[-1])
        results.append({"profile": report["profile"]})
    report |= {"machine_after": machine(), "results": results}
    sys.stdout.write(json.dumps(report, indent=1) + "\n")


class Site:
    """A control plane with hosts and two networks."""

    def __init__(self, svc: Services, host_count: int) -> None:
        self._svc = svc
        self._room = host_count * SERVERS_PER_HOST_MAX
        a_flavor(svc)
        for n in range(host_count):
            devices = [
                device
                for p, network in enumerate((PHY1, PHY2, PHY1, PHY2))
                for device in a_card(5 + 0x20 * p, network, vf_count=VFS_PER_PF, serial=n % 256)
            ]
            AgentByHand(svc, f"h{n:04}", devices)
        self._networks = a_network(svc, "blue", (PHY1, 100)), a_network(svc, "red", (PHY2, 200))
        # The index reads all hosts after their first reports; that is no part of a create.
        create_server(svc, DEMO, self._request(0, 1, ports=False))

    def measure(
        self,
        nic_count: int,
        count: int,
        threads: int,
        *,
        ports: bool,
        profiler: cProfile.Profile | None = None,
    ) -> dict[str, float]:
        """Create servers from all threads at once; their rate, and the time of each call."""
        self._room -= count
        assert self._room >= 0, "more servers than hosts take: give --hosts"
        requests = iter([self._request(n, nic_count, ports=ports) for n in range(count)])
        each, lock, problems = Series(), threading.Lock(), []

        def run() -> None:
            try:
                while (request := next_of(requests, lock)) is not None:
                    server = each.time(create_server, self._svc, DEMO, request)
                    assert server.state is ServerState.BUILD, server.fault
            except BaseException as problem:  # noqa: BLE001 - raised below, in the main thread
                problems.append(problem)

        if profiler is not None:  # A profile is of one thread: the one that this runs in.
            self._svc.store.write(lambda _: profiler.enable())
        workers = [threading.Thread(target=run) for _ in range(threads)]
        cpu, begun = process_time(), perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        passed, cpu = perf_counter() - begun, process_time() - cpu
        if profiler is not None:
            self._svc.store.write(lambda _: profiler.disable())
        if problems:
            raise problems[0]
        return {
            "servers": count,
            "servers_per_s": round(count / passed, 1),
            "cpu_ms_per_server": round(1e3 * cpu / count, 3),
            **quantiles(each.wall),
        }

    def measure_batches(self, nic_count: int, count: int) -> dict[str, float]:
        """Create servers with ports on networks, `BATCH_SIZE` by one call, in one thread."""
        self._room -= count
        assert self._room >= 0, "more servers than hosts take: give --hosts"
        requests = [self._request(n, nic_count, ports=False) for n in range(count // BATCH_SIZE)]
        each = Series()
        cpu, begun = process_time(), perf_counter()
        for request in requests:
            servers = each.time(
                create_servers, self._svc, DEMO, request, least=BATCH_SIZE, most=BATCH_SIZE
            )
            assert {server.state for server in servers} == {ServerState.BUILD}
        passed, cpu = perf_counter() - begun, process_time() - cpu
        made = len(requests) * BATCH_SIZE
        return {
            "servers": made,
            "servers_per_s": round(made / passed, 1),
            "cpu_ms_per_server": round(1e3 * cpu / made, 3),
            **quantiles(each.wall),
        }

    def _request(self, number: int, nic_count: int, *, ports: bool) -> ServerCreate:
        networks = [self._networks[(number + n) % 2] for n in range(nic_count)]
        nics = [self._port(network) for network in networks] if ports else map(_on, networks)
        return ServerCreate(
            name=f"s{number}", flavor_id=FlavorId("small"), image_id=None, nics=tuple(nics)
        )

    def _port(self, network: Network) -> NicRequest:
        wanted = PortCreate(network_id=network.id, vnic_type=VnicType.DIRECT)
        view = create_ports(self._svc, DEMO, [wanted])[0]
        return NicRequest(port_id=view.port.id)


def _on(network: Network) -> NicRequest:
    return NicRequest(network_id=network.id, vnic_type=VnicType.DIRECT)


def next_of(requests: Iterator[ServerCreate], lock: threading.Lock) -> ServerCreate | None:
    """The next request for whichever thread asks; None after the last."""
    with lock:
        return next(requests, None)


@contextmanager
def a_site(host_count: int) -> Iterator[Site]:
    """Open a control plane in a directory of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="tl-bench-") as scratch,
        a_world(Path(scratch)) as svc,
    ):
        yield Site(svc, host_count)


def sync_times() -> dict[str, float]:
    """How long the file system takes to make a page durable."""
    taken = Series()
    with tempfile.TemporaryFile() as file:
        for _ in range(SYNCS):
            file.write(bytes(4096))
            file.flush()
            taken.time(os.fsync, file.fileno())
    return quantiles(taken.wall)


def profile(host_count: int, count: int, threads: int) -> dict[str, Any]:
    """Profile the thread that writes, while servers of one NIC are created."""
    profiler = cProfile.Profile()
    with a_site(host_count) as site:
        site.measure(1, count, threads, ports=True, profiler=profiler)
    return summary(pstats.Stats(profiler), count)


def summary(stats: pstats.Stats, servers: int) -> dict[str, Any]:
    """Shares of all time: own code by package, and the steps of a create with what they call."""
    rows: dict[Function, Row] = stats.stats  # type: ignore[attr-defined]  # typeshed leaves it out
    total = sum(own for _, _, own, _, _ in rows.values())
    own_seconds: defaultdict[str, float] = defaultdict(float)
    steps: defaultdict[str, float] = defaultdict(float)
    statements = 0
    for (path, _, function), (_, calls, own, _, callers) in rows.items():
        package = _package(path, function)
        own_seconds[package] += own
        if function.startswith("<method 'execute") and "sqlite3.Cursor" in function:
            statements += calls
        for (caller_path, _, caller), (_, _, _, seconds) in callers.items():
            at = f"{_package(caller_path, caller)}.{caller}"
            if at in PARTED and f"{package}.{function}" not in PARTED and function[0] not in "<{":
                steps[f"{PARTED[at]}{package.removeprefix('trunkline.')}.{function}"] += seconds
    return {
        "servers": servers,
        "statements_per_server": round(statements / servers, 1),
        "own_time_percent": _shares(own_seconds, total),
        "step_percent": _shares(steps, total),
    }


def _shares(seconds: Mapping[str, float], total: float) -> dict[str, float]:
    largest = sorted(seconds.items(), key=lambda item: -item[1])[:PROFILE_ROWS]
    return {name: round(100 * one / total, 1) for name, one in largest}


def _package(path: str, function: str) -> str:
    """Say whose code a row of the profile is: a module of ours, a package, or a built-in."""
    parts = Path(path).with_suffix("").parts
    if "trunkline" in parts:
        return ".".join(parts[len(parts) - parts[::-1].index("trunkline") - 1 :])
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1]
    if path == "~":
        return "sqlite3" if "sqlite3" in function else "built-in"
    return "standard library"


if __name__ == "__main__":
    main()

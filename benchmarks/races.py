"""Replicas that create servers at the same moment, over one PostgreSQL: how often they collide.

    python -m benchmarks.races [--replicas 1 2 4] [--servers 150] [--hosts 40]

Prints one JSON object. Each replica is a process with an index of its own; all begin together, and
each creates servers of one NIC, one after the other. Hosts are unequal in memory, so that at each
moment one of them is the best, for all replicas. PostgreSQL is the one that the tests start: it
syncs nothing.

* ``races_lost_per_create``: transactions that were rolled back and run again, as another replica
  was faster; ``refused``: creates that lost so many races that they were told so;
* ``placements_turned_aside_per_create``: hosts that a request left to another replica, which was
  placing there just then, to go to its next best;
* ``create_ms``, ``creates_per_second``: wall time on this machine, shared by replicas and database.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path
from time import perf_counter
from typing import Any

from prometheus_client import REGISTRY

from benchmarks._measuring import machine, quantiles
from tests.support.postgres import PostgresCluster
from tests.support.world import DEMO, PHY1, AgentByHand, a_card, a_flavor, a_network, a_world
from trunkline.control.fleet import LiveFleet
from trunkline.control.requests import NicRequest, ServerCreate
from trunkline.control.servers import create_server
from trunkline.control.services import Services
from trunkline.domain.errors import StateConflict
from trunkline.domain.host import HostResources
from trunkline.domain.ids import FlavorId, NetworkId
from trunkline.domain.port import VnicType

VFS_PER_HOST = 32
COUNTED = ("races_lost", "placements_turned_aside")  # As in the service's metrics.


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--servers", type=int, default=150, help="of each replica")
    parser.add_argument("--hosts", type=int, default=40)
    args = parser.parse_args()
    before = machine()
    results = [measure(count, args.servers, args.hosts) for count in args.replicas]
    report = {"benchmark": "races", "machine": before, "machine_after": machine()}
    sys.stdout.write(json.dumps(report | {"results": results}, indent=1) + "\n")


def measure(replicas: int, servers: int, host_count: int) -> dict[str, Any]:
    """Let so many replicas create servers on a fleet of their own."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tl-", dir="/tmp")))
        home.chmod(0o755)
        (home / "pg").mkdir()
        cluster = PostgresCluster(home / "pg")
        stack.callback(cluster.stop)
        cluster.start()
        url = cluster.new_database()
        network_id = _make_site(home, url, host_count)
        spawn = multiprocessing.get_context("spawn")
        start = spawn.Barrier(replicas)
        answers: multiprocessing.Queue[dict[str, Any]] = spawn.Queue()
        processes = [
            spawn.Process(target=_replica, args=(home, url, n, network_id, servers, start, answers))
            for n in range(replicas)
        ]
        for process in processes:
            process.start()
        found = [answers.get() for _ in processes]
        for process in processes:
            process.join()
    seconds = max(each["seconds"] for each in found)
    creates = replicas * servers
    took = [seconds for each in found for seconds in each["took"]]
    return {
        "replicas": replicas,
        "hosts": host_count,
        "creates": creates,
        "refused": sum(each["refused"] for each in found),
        **{
            f"{name}_per_create": round(sum(each[name] for each in found) / creates, 3)
            for name in COUNTED
        },
        "creates_per_second": round(creates / seconds, 1),
        "create_ms": quantiles(took),
    }


def _make_site(home: Path, url: str, host_count: int) -> NetworkId:
    """Make hosts with 32 VFs each, unequal in memory, and the network that all want to be on."""
    with a_world(home, url=url) as svc:
        a_flavor(svc)
        for n in range(1, host_count + 1):
            AgentByHand(svc, f"h{n}", a_card(5, "phy1", vf_count=VFS_PER_HOST, serial=n)).report(
                resources=HostResources(vcpus=256, memory_mib=262144 + 1024 * n, disk_gib=4096)
            )
        return a_network(svc, "blue", (PHY1, 100)).id


def _replica(
    home: Path,
    url: str,
    number: int,
    network_id: NetworkId,
    servers: int,
    start: Barrier,
    answers: multiprocessing.Queue[dict[str, Any]],
) -> None:
    """Be one replica: create servers one after the other, and tell what that cost."""
    nic = NicRequest(network_id=network_id, vnic_type=VnicType.DIRECT)
    request = ServerCreate(name="web", flavor_id=FlavorId("small"), image_id=None, nics=(nic,))
    with a_world(home, url=url, seed=1000 + number) as opened:
        svc = _with_a_key(opened, str(number))
        create_server(svc, DEMO, request)  # What is only done once is not counted.
        before = _counts()
        took, refused = [], 0
        start.wait()
        begun = perf_counter()
        for _ in range(servers):
            at = perf_counter()
            try:
                create_server(svc, DEMO, request)
            except StateConflict:
                refused += 1
            took.append(perf_counter() - at)
        seconds = perf_counter() - begun
        told = {name: count - before[name] for name, count in _counts().items()}
        answers.put({"took": took, "seconds": seconds, "refused": refused, **told})


def _with_a_key(svc: Services, key: str) -> Services:
    """Let a replica prefer others than its like do, of hosts that rank equal."""
    fleet = LiveFleet(svc.clock, host_silent_seconds_max=90, replicated=True, spread_key=key)
    svc.store.read(fleet.load)
    return replace(svc, fleet=fleet)


def _counts() -> dict[str, float]:
    return {name: REGISTRY.get_sample_value(f"trunkline_{name}_total") or 0.0 for name in COUNTED}


if __name__ == "__main__":
    main()

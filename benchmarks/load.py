"""How long the index takes to be read from the store at start.

    python -m benchmarks.load [--hosts 10000]

Prints one JSON object. One host with 4 PFs of 64 VFs reports to a real control plane on SQLite; its
rows are then copied, in the database, for all the others, and a random half of all VFs get owners.
"""

from __future__ import annotations

import argparse
import gc
import json
import sqlite3
import sys
import tempfile
from pathlib import Path
from random import Random
from time import perf_counter, process_time

from benchmarks._copied_hosts import copy_only_host
from benchmarks._measuring import machine
from benchmarks._raw_fleet import VFS_PER_PF
from tests.support.world import PHY1, PHY2, AgentByHand, a_card, a_world
from trunkline.control.fleet import LiveFleet


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hosts", type=int, default=10_000)
    host_count = parser.parse_args().hosts
    before = machine()
    with (
        tempfile.TemporaryDirectory(prefix="tl-bench-") as scratch,
        a_world(Path(scratch)) as svc,
    ):
        cards = ((5, PHY1), (0x25, PHY2), (0x45, PHY1), (0x65, PHY2))
        AgentByHand(
            svc, "h0", [d for bus, name in cards for d in a_card(bus, name, vf_count=VFS_PER_PF)]
        )
        owned = _fill(Path(scratch) / "trunkline.db", host_count)
        fleet = LiveFleet(svc.clock, host_silent_seconds_max=90, replicated=False)
        gc.collect()
        wall, cpu = perf_counter(), process_time()
        svc.store.read(fleet.load)
        result = {
            "hosts": host_count,
            "vfs_with_owners": owned,
            "load_seconds": round(perf_counter() - wall, 2),
            "load_cpu_seconds": round(process_time() - cpu, 2),
        }
    report = {"benchmark": "load", "machine": before, "results": [result]}
    sys.stdout.write(json.dumps(report, indent=1) + "\n")


def _fill(path: Path, host_count: int) -> int:
    """Copy the only host, and give VFs owners; return how many."""
    database = sqlite3.connect(path)
    database.create_function("toss", 0, Random(1).random)  # Repeatable, and no secret.
    copy_only_host(database, host_count)
    owner = {"id": "d.id", "device_id": "d.id", "host_id": "d.host_id", "project_id": "'p'"}
    owner |= {"epoch": "1", "state": "'active'", "created_at": "''"}
    owner |= {"egress_mbps": "0", "ingress_mbps": "0"}
    done = database.execute(
        f"INSERT INTO allocations ({', '.join(owner)}) SELECT {', '.join(owner.values())}"
        " FROM devices d WHERE d.vf_index IS NOT NULL AND toss() < 0.5"
    )
    database.commit()
    database.close()
    return done.rowcount


if __name__ == "__main__":
    main()

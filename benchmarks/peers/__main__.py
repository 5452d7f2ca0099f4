"""Trunkline beside real services of OpenStack: the same requests over HTTP, in turn, in one run.

    python -m benchmarks.peers [--only ports candidates servers] [--pairs 40] [--ports 1000]

Neutron, Placement and Nova come from PyPI, each into an environment of its own in .cache/, and are
not modified. Each is one process on loopback with its own SQLite; so is `trunkline up`. One client,
with one connection, asks both in turn, and looks whether what they answer is right. Ratios are
medians of pairs.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks._measuring import machine
from benchmarks.peers import candidates, ports, servers
from benchmarks.peers.services import PINS, version_of
from tests.support.environments import ensure_environment

CONTESTS = ("ports", "candidates", "servers")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=CONTESTS, default=[*CONTESTS])
    parser.add_argument("--pairs", type=int, default=40, help="of ports, and of servers")
    parser.add_argument("--ports", type=int, default=1000, help="in the list of ports")
    parser.add_argument("--hosts", type=int, default=1000, help="with allocation candidates")
    parser.add_argument("--reads", type=int, default=12, help="pairs of lists and of candidates")
    args = parser.parse_args()
    for name in ("neutron", "placement", "nova"):
        ensure_environment(name, PINS)
    before, results = machine(), list[dict[str, Any]]()
    for contest in args.only:
        with tempfile.TemporaryDirectory(prefix="peers-") as scratch:
            home = Path(scratch)
            if contest == "ports":
                results += ports.measure(
                    home, pairs=args.pairs, listed=args.ports, lists=args.reads
                )
            elif contest == "candidates":
                results += candidates.measure(home, hosts=args.hosts, pairs=args.reads)
            else:
                results += servers.measure(home, pairs=args.pairs)
    versions = {
        "neutron": version_of("neutron"),
        "placement": version_of("openstack-placement", "placement"),
        "nova": version_of("nova"),
    }
    report: dict[str, Any] = {"benchmark": "peers", "versions": versions, "machine": before}
    report |= {"machine_after": machine(), "results": results}
    sys.stdout.write(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()

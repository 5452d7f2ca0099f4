"""How long placement decides, by fleet size: hosts of 4 PFs with 64 VFs each, half in use.

    python benchmarks/placement.py [--hosts 40 1000 10000] [--decisions 2000]

Prints one JSON object. Times are of single calls, in milliseconds, on one core, garbage collector
frozen after the fleet is built:

* ``first``: the first decision of a demand, which ranks every host once;
* ``decide``: a later one; each chosen server is held, and an older one deleted, before the next;
* ``hold``: taking the choice;
* ``refuse``: finding that a demand fits nowhere, without reasons;
* ``explain``: the reasons, from every host.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import statistics
import sys
from collections.abc import Sequence
from random import Random
from time import perf_counter

from trunkline.domain.device import DeviceKind
from trunkline.domain.ids import DeviceId, HostId, HostName, SegmentId
from trunkline.placement.explanation import explain
from trunkline.placement.fleet import DeviceView, Fleet, Hold, HostView
from trunkline.placement.place import find_placement
from trunkline.placement.request import NicDemand, PlacementRequest, SegmentOption

PFS_PER_HOST = 4
VFS_PER_PF = 64
SERVERS_LIVE = 50  # Older ones are deleted, so that the fleet stays as full as it is.
PHYSICAL_NETWORKS = ("phy1", "phy2")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, nargs="+", default=[40, 1000, 10_000])
    parser.add_argument("--decisions", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    results = [
        measure(host_count=count, decisions=args.decisions, seed=args.seed) for count in args.hosts
    ]
    sys.stdout.write(json.dumps({"benchmark": "placement", "results": results}, indent=1) + "\n")


def measure(*, host_count: int, decisions: int, seed: int) -> dict[str, object]:
    """Build a fleet and let it decide."""
    dice = Random(seed)  # Repeatable, and no secret.
    begun = perf_counter()
    fleet = a_busy_fleet(host_count, dice)
    build_seconds = perf_counter() - begun
    gc.collect()
    gc.freeze()

    first, decide, hold = [], [], []
    servers: list[Hold] = []
    demands = [a_request(nics) for nics in _nic_mixes()]
    for request in demands:
        begun = perf_counter()
        find_placement(request, fleet)
        first.append(perf_counter() - begun)
    for _ in range(decisions):
        request = dice.choice(demands)
        begun = perf_counter()
        placed = find_placement(request, fleet)
        decided = perf_counter()
        assert placed is not None
        servers.append(fleet.hold(placed, request))
        hold.append(perf_counter() - decided)
        decide.append(decided - begun)
        if len(servers) > SERVERS_LIVE:
            gone = servers.pop(dice.randrange(len(servers)))
            for device_id in gone.device_ids:
                fleet.free_device(gone.host_id, device_id)
            fleet.adjust(gone.host_id, vcpus=gone.vcpus, memory_mib=gone.memory_mib)

    impossible = a_request([*_nic_mixes()[0], a_nic("rare", "phy1", {"e.nowhere": "yes"})])
    find_placement(impossible, fleet)
    begun = perf_counter()
    assert find_placement(impossible, fleet) is None
    refused = perf_counter()
    explain(impossible, fleet)
    explained = perf_counter()
    return {
        "hosts": host_count,
        "devices": host_count * PFS_PER_HOST * (VFS_PER_PF + 1),
        "build_seconds": round(build_seconds, 2),
        "first_ms": quantiles(first),
        "decide_ms": quantiles(decide),
        "hold_ms": quantiles(hold),
        "refuse_ms": round(1e3 * (refused - begun), 4),
        "explain_ms": round(1e3 * (explained - refused), 2),
        "memory_mib_max": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def quantiles(seconds: Sequence[float]) -> dict[str, float]:
    """Median, 99th percentile and maximum, in milliseconds."""
    ordered = sorted(seconds)
    return {
        "p50": round(1e3 * statistics.median(ordered), 4),
        "p99": round(1e3 * ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)], 4),
        "max": round(1e3 * ordered[-1], 4),
    }


def a_busy_fleet(host_count: int, dice: Random) -> Fleet:
    """About half of all VFs have owners, unevenly, so that hosts are in unlike states."""
    fleet = Fleet()
    for number in range(host_count):
        host_id = HostId(f"host-{number}")
        devices = [device for p in range(PFS_PER_HOST) for device in _family(number, p, dice)]
        fleet.put_host(
            HostView(
                id=host_id,
                name=HostName(f"h{number:05}"),
                free_vcpus=1_000_000,
                free_memory_mib=dice.randrange(2**18, 2**20),
                devices=tuple(devices),
            )
        )
    return fleet


def _family(number: int, p: int, dice: Random) -> list[DeviceView]:
    tags = {"vendor_id": "15b3", "e.physical_network": PHYSICAL_NETWORKS[p % 2]}
    if dice.random() < 0.1:
        tags["e.trusted"] = "true"
    pf_id = DeviceId(f"{number}.{p}")
    busy = dice.random()
    vf_attributes = tags | {"dev_type": "vf"}
    return [
        DeviceView(id=pf_id, kind=DeviceKind.PF, attributes=tags | {"dev_type": "pf"}),
        *(
            DeviceView(
                id=DeviceId(f"{number}.{p}.{index}"),
                kind=DeviceKind.VF,
                pf_id=pf_id,
                vf_index=index,
                attributes=vf_attributes,
                free=dice.random() >= busy,
            )
            for index in range(VFS_PER_PF)
        ),
    ]


def _nic_mixes() -> list[list[NicDemand]]:
    return [
        [a_nic(f"nic {n}", PHYSICAL_NETWORKS[n % 2]) for n in range(4)],
        [a_nic(f"nic {n}", "phy1") for n in range(4)],
        [a_nic("nic 0", "phy1"), a_nic("nic 1", "phy2")],
        [a_nic("nic 0", "phy1", {"e.trusted": "true"}), *(a_nic(f"n{n}", "phy2") for n in "123")],
    ]


def a_nic(name: str, physnet: str, attributes: dict[str, str] | None = None) -> NicDemand:
    """One VF on one physical network."""
    option = SegmentOption(
        segment_id=SegmentId(physnet), attributes={"e.physical_network": physnet}
    )
    return NicDemand(nic=name, kind=DeviceKind.VF, options=(option,), attributes=attributes or {})


def a_request(nics: Sequence[NicDemand]) -> PlacementRequest:
    """A server of usual size."""
    return PlacementRequest(nics=tuple(nics), vcpus=4, memory_mib=4096)


if __name__ == "__main__":
    main()

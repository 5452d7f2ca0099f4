"""Nova's own PCI filter on a fleet from a file, unmodified; run by Nova's interpreter.

    python nova_filter.py FLEET.json

One JSON object a line, in and out:

* ``{"do": "load", "numa": true}``: make each host's `PciDeviceStats`, from pools as its compute
  service would store them; with ``numa``, for hosts that have reported their two NUMA nodes, as
  libvirt's driver always does;
* ``{"do": "decide", "nics": […]}``: ask each host's `support_requests`; answers the seconds
  taken, and the numbers of the hosts that accept;
* ``{"do": "check"}``: make the pools of the first host as its compute service would, device by
  device, and raise if they are not those that `load` makes;
* ``{"do": "set", "number": 3, "free": [64, 63, 64, 12]}``: a host's free VFs, by PF, have changed.

It imports nothing of what it is compared with.
"""

from __future__ import annotations

import gc
import json
import sys
import uuid
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any

from nova import objects
from nova.objects import pci_device_pool
from nova.pci import stats, whitelist

objects.register_all()

CPUS_PER_NODE = 32
MEMORY_MIB_PER_NODE = 128 * 1024
PAGE_SIZES_KIB = (4, 2048, 1048576)  # What libvirt reports on x86-64.
NO_DEVICE_SPEC = whitelist.Whitelist([])  # Only computes have one.


class Fleet:
    """What a scheduler knows of all hosts."""

    def __init__(self, hosts: list[dict[str, Any]]) -> None:
        self._hosts = hosts
        self._free = [[pf["free"] for pf in host["pfs"]] for host in hosts]
        self._numa = False
        self._stats: list[stats.PciDeviceStats] = []

    def load(self, *, numa: bool) -> None:
        """Make the statistics of every host."""
        self._numa = numa
        self._stats = [self._of_host(number) for number in range(len(self._hosts))]
        gc.collect()
        gc.freeze()

    def check(self) -> None:
        """Hold our pools against those that Nova makes of devices."""
        pfs = self._hosts[0]["pfs"]
        specs = [
            json.dumps({"address": pf["address"].replace("00.0", "*.*"), **pf["tags"]})
            for pf in pfs
        ]
        made = stats.PciDeviceStats(None, dev_filter=whitelist.Whitelist(specs))
        for pf, free in zip(pfs, self._free[0], strict=True):
            for vf in range(free):
                made.add_device(device(pf, vf))
            if free == pf["vf_count"]:
                made.add_device(device(pf, None))
        row = made.to_device_pools_obj()
        stored = stats.PciDeviceStats(None, stats=row, dev_filter=NO_DEVICE_SPEC)
        ours, theirs = (
            sorted(json.dumps(one, sort_keys=True) for one in found.pools)
            for found in (self._of_host(0), stored)
        )
        if ours != theirs:
            raise AssertionError(f"not the pools that Nova makes:\n{ours}\n{theirs}")

    def set(self, *, number: int, free: list[int]) -> None:
        """A host has told anew what it has."""
        self._free[number] = free
        self._stats[number] = self._of_host(number)

    def decide(self, *, nics: list[dict[str, str]]) -> dict[str, Any]:
        """Filter all hosts, as the scheduler does for each request."""
        requests = [
            objects.InstancePCIRequest(count=1, spec=[wants], request_id=str(uuid.uuid4()))
            for wants in nics
        ]
        cpu, begun = thread_time(), perf_counter()
        accepted = [
            number
            for number, host in enumerate(self._stats)
            if host.support_requests(requests, provider_mapping={})
        ]
        seconds = perf_counter() - begun
        return {"seconds": seconds, "cpu": thread_time() - cpu, "accepted": accepted}

    def _of_host(self, number: int) -> stats.PciDeviceStats:
        """What `HostState` of the scheduler makes of a compute node's row."""
        pools = []
        for pf, free in zip(self._hosts[number]["pfs"], self._free[number], strict=True):
            if free:
                pools.append(pool(pf, "type-VF", free))
            if free == pf["vf_count"]:
                pools.append(pool(pf, "type-PF", 1))
        return stats.PciDeviceStats(
            two_nodes() if self._numa else None,
            stats=pci_device_pool.from_pci_stats(pools),
            dev_filter=NO_DEVICE_SPEC,
        )


def pool(pf: dict[str, Any], dev_type: str, count: int) -> dict[str, Any]:
    """One pool with the keys that `PciDeviceStats.add_device` gives it."""
    return {
        **pf["facts"],
        **pf["tags"],
        "numa_node": pf["numa_node"],
        "dev_type": dev_type,
        "address": pf["address"],
        "remote_managed": "false",
        "count": count,
    }


def device(pf: dict[str, Any], vf: int | None) -> objects.PciDevice:
    """One free device as the compute service has it; `vf` None: the PF."""
    base = pf["address"].removesuffix("00.0")
    return objects.PciDevice(
        address=pf["address"] if vf is None else f"{base}{1 + vf // 8:02x}.{vf % 8}",
        parent_addr=None if vf is None else pf["address"],
        dev_type="type-PF" if vf is None else "type-VF",
        numa_node=pf["numa_node"],
        extra_info={},
        **pf["facts"],
    )


def two_nodes() -> objects.NUMATopology:
    """The host's NUMA topology as libvirt's driver reports it."""
    return objects.NUMATopology(cells=[_node(number) for number in range(2)])


def _node(number: int) -> objects.NUMACell:
    cpus = set(range(number * CPUS_PER_NODE, (number + 1) * CPUS_PER_NODE))
    return objects.NUMACell(
        id=number,
        socket=number,
        cpuset=cpus,
        pcpuset=set(),
        memory=MEMORY_MIB_PER_NODE,
        cpu_usage=0,
        memory_usage=0,
        pinned_cpus=set(),
        siblings=[{cpu, cpu + 1} for cpu in sorted(cpus)[::2]],
        mempages=[
            objects.NUMAPagesTopology(
                size_kb=size,
                total=MEMORY_MIB_PER_NODE * 1024 // size if size == PAGE_SIZES_KIB[0] else 0,
                used=0,
                reserved=0,
            )
            for size in PAGE_SIZES_KIB
        ],
        network_metadata=objects.NetworkMetadata(physnets=set(), tunneled=False),
    )


def main() -> None:
    """Answer until the input ends."""
    fleet = Fleet(json.loads(Path(sys.argv[1]).read_text()))
    for line in sys.stdin:
        asked = json.loads(line)
        do = asked.pop("do")
        answer = getattr(fleet, do)(**asked)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

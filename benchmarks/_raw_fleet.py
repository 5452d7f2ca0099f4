"""Fleets and requests as plain data, from a seed: what every engine that is measured is given.

A host has 4 PFs of 64 VFs on two NUMA nodes; PFs differ in physical network, vendor, speed and
trust, and hosts in zone. VFs are taken and given back by servers that come and go at random, so
that hosts are in unlike states.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

PFS_PER_HOST = 4
VFS_PER_PF = 64
NUMA_NODES = 2
ZONES = tuple("abcdefgh")
FILLS: Mapping[str, float] = {"empty": 0.0, "half": 0.5, "nearly_full": 0.98}
NICS_OF_A_SERVER = (1, 1, 1, 2, 2, 4, 8)  # Of those that fill the fleet.
CHURN = 0.5  # Servers replaced by others after the fleet is filled, as a share of all.

Wants = dict[str, str]  # What one NIC demands of its VF.


@dataclass(slots=True)
class RawPf:
    """One PF with its VFs; bit i of `free` is set while VF i has no owner."""

    address: str
    numa_node: int
    facts: dict[str, str]  # vendor_id and product_id.
    tags: dict[str, str]  # The operator's, physical_network among them.
    free: int = (1 << VFS_PER_PF) - 1

    def attribute(self, name: str) -> str | None:
        """A fact or a tag."""
        return self.facts.get(name, self.tags.get(name))

    def free_vfs(self) -> Iterator[int]:
        """VF numbers, lowest first."""
        return (vf for vf in range(VFS_PER_PF) if self.free >> vf & 1)


@dataclass(slots=True)
class RawHost:
    """One host."""

    name: str
    memory_mib: int
    pfs: list[RawPf] = field(default_factory=list)

    def free_count(self) -> int:
        """How many VFs have no owner."""
        return sum(pf.free.bit_count() for pf in self.pfs)


def make_fleet(host_count: int, *, fill: float, dice: Random) -> list[RawHost]:
    """Build hosts, and fill them by servers that come and go."""
    hosts = [_make_host(number, dice) for number in range(host_count)]
    _churn(hosts, fill, dice)
    return hosts


def _make_host(number: int, dice: Random) -> RawHost:
    host = RawHost(name=f"h{number:05}", memory_mib=dice.randrange(2**18, 2**20))
    zone = ZONES[number % len(ZONES)]
    vendor = dice.choice(("15b3", "8086"))
    for p in range(PFS_PER_HOST):
        tags = {"physical_network": ("phy1", "phy2")[p % 2], "zone": zone}
        trust = dice.random()
        if trust < 0.5:
            tags["trusted"] = "true" if trust < 0.25 else "false"
        if dice.random() < 0.3:
            tags["speed"] = dice.choice(("25g", "100g"))
        facts = {"vendor_id": vendor, "product_id": "1018"}
        numa_node = p * NUMA_NODES // PFS_PER_HOST
        host.pfs.append(RawPf(f"0000:{0x18 + 0x20 * p:02x}:00.0", numa_node, facts, tags))
    return host


def _churn(hosts: Sequence[RawHost], fill: float, dice: Random) -> None:
    """Servers come until the fleet is as full as asked; some leave again, and others come."""
    target = int(fill * len(hosts) * PFS_PER_HOST * VFS_PER_PF)
    servers: list[tuple[RawHost, list[int]]] = []
    _arrive(hosts, target, servers, dice)
    dice.shuffle(servers)
    for host, masks in servers[: int(CHURN * len(servers))]:
        for pf, mask in zip(host.pfs, masks, strict=True):
            pf.free |= mask
    _arrive(hosts, target, servers, dice)


def _arrive(
    hosts: Sequence[RawHost],
    target: int,
    servers: list[tuple[RawHost, list[int]]],
    dice: Random,
) -> None:
    """Let servers come, each on the emptier of two random hosts, until `target` VFs have owners."""
    roomy = [host for host in hosts if host.free_count()]
    taken = len(hosts) * PFS_PER_HOST * VFS_PER_PF - sum(host.free_count() for host in roomy)
    while taken < target:
        drawn = (dice.randrange(len(roomy)), dice.randrange(len(roomy)))
        at = max(drawn, key=lambda at: roomy[at].free_count())
        host = roomy[at]
        wanted = min(dice.choice(NICS_OF_A_SERVER), target - taken)
        masks = _take_random(host, wanted, dice)
        taken += sum(mask.bit_count() for mask in masks)
        servers.append((host, masks))
        if not host.free_count():
            roomy[at] = roomy[-1]
            roomy.pop()


def _take_random(host: RawHost, count: int, dice: Random) -> list[int]:
    """Take up to `count` VFs of a host; return a mask for each PF."""
    masks = [0] * len(host.pfs)
    for _ in range(min(count, host.free_count())):
        p = dice.choice([p for p, pf in enumerate(host.pfs) if pf.free])
        pf = host.pfs[p]
        vf = dice.randrange(VFS_PER_PF)
        while not pf.free >> vf & 1:
            vf = (vf + 1) % VFS_PER_PF
        pf.free ^= 1 << vf
        masks[p] |= 1 << vf
    return masks


def feasible_request(hosts: Sequence[RawHost], nic_count: int, dice: Random) -> list[Wants] | None:
    """Demands that some host meets as it is now: devices are drawn, then described in part.

    None if no host that is drawn, of many, has so many VFs free.
    """
    for _ in range(50 * len(hosts)):
        host = dice.choice(hosts)
        if host.free_count() >= nic_count:
            left = [p for p, pf in enumerate(host.pfs) for _ in pf.free_vfs()]
            drawn = dice.sample(left, nic_count)
            return [describe(host.pfs[p], dice) for p in drawn]
    return None


def describe(pf: RawPf, dice: Random) -> Wants:
    """Describe a VF of this PF in part."""
    wants = {"physical_network": pf.tags["physical_network"]}
    for name, chance in (("trusted", 0.4), ("speed", 0.3), ("vendor_id", 0.15), ("zone", 0.05)):
        value = pf.attribute(name)
        if value is not None and dice.random() < chance:
            wants[name] = value
    return wants


def infeasible_request(nic_count: int, dice: Random) -> list[Wants]:
    """Demands that no host meets, with more than one NIC each of them met alone by many.

    Half of those for several NICs ask for two zones, and a host is in one.
    """
    nics = [{"physical_network": dice.choice(("phy1", "phy2"))} for _ in range(nic_count)]
    for nic in nics:
        if dice.random() < 0.3:
            nic["trusted"] = dice.choice(("true", "false"))
    if nic_count > 1 and dice.random() < 0.5:
        first, second = dice.sample(range(nic_count), 2)
        nics[first]["zone"], nics[second]["zone"] = dice.sample(ZONES, 2)
    else:
        dice.choice(nics)["zone"] = f"none-{dice.randrange(1000)}"
    return nics

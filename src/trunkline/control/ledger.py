"""Whether the rows about one host agree with each other: who holds what, and what is counted.

Most of it the schema guarantees, or the transactions that write it. It can be wrong all the same:
after a restore of half a backup, a hand in the database, or a bug.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from trunkline.domain.allocation import Allocation, AllocationState
from trunkline.domain.bandwidth import NO_GUARANTEE, NOT_ACCOUNTED, Guarantee
from trunkline.domain.binding import Binding
from trunkline.domain.device import DeviceKind
from trunkline.domain.device_pool import DevicePool
from trunkline.domain.host import Host, HostUse
from trunkline.domain.ids import DeviceId, PortId, ServerId
from trunkline.domain.server import Server
from trunkline.store.bandwidth import BandwidthUse
from trunkline.store.devices import DeviceRecord
from trunkline.store.pools import pools_from
from trunkline.store.transaction import Transaction

_IN_USE = (AllocationState.CLAIMED, AllocationState.ACTIVE)


class Flaw(enum.Enum):
    """What can be wrong. The values are API."""

    INDEX = "index"  # The index of hosts that placement reads is not what the store says.
    USE = "use"  # The host's count of used processors, memory or disk.
    HELD = "held"  # A PF's count of its VFs with owners, or whether it is given away.
    OWED = "owed"  # What a PF can guarantee, or the sum of what it owes.
    POOLS = "pools"  # The pools of devices are not what the devices make.
    ORPHAN = "orphan"  # A device is held for a server or port that does not have it.
    MISSING = "missing"  # A port is bound to a device that is not held for it.
    STRAY = "stray"  # A port is bound here for a server that is not here.


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong on a host."""

    flaw: Flaw
    subject: str  # E.g. `vf 0000:05:02.1`.
    detail: str
    allocation: Allocation | None = None  # Of an orphan.
    binding: Binding | None = None  # Of what is missing or stray.


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRows:
    """All rows about one host that have to agree."""

    host: Host
    use: HostUse
    devices: Sequence[DeviceRecord]
    bandwidths: Mapping[DeviceId, BandwidthUse]
    pools: Sequence[DevicePool]
    allocations: Sequence[Allocation]
    bindings: Sequence[Binding]
    servers: Sequence[Server]

    @property
    def use_by_servers(self) -> HostUse:
        """What the servers add up to."""
        return sum((server.use for server in self.servers), HostUse(0, 0, 0))


def read_rows(tx: Transaction, host: Host) -> HostRows:
    """Read a host's rows. With the host locked, nobody changes them meanwhile."""
    return HostRows(
        host=host,
        use=tx.hosts.use_of(host.id),
        devices=tx.devices.of_host(host.id),
        bandwidths=tx.bandwidths.of_host(host.id),
        pools=tx.pools.stored_of_host(host.id),
        allocations=tx.allocations.of_host(host.id),
        bindings=tx.bindings.of_host(host.id),
        servers=tx.servers.of_hosts([host.id]),
    )


def find_flaws(rows: HostRows) -> list[Finding]:
    """Return everything that does not agree, in the order of `Flaw`."""
    return [
        *_use(rows),
        *_held(rows),
        *_owed(rows),
        *_pools(rows),
        *_orphans(rows),
        *_bindings(rows),
    ]


def _use(rows: HostRows) -> Iterator[Finding]:
    expected = rows.use_by_servers
    if rows.use != expected:
        yield Finding(
            flaw=Flaw.USE,
            subject=f"host {rows.host.name}",
            detail=f"{_amounts(rows.use)} counted, {_amounts(expected)} used by its servers",
        )


def _amounts(use: HostUse) -> str:
    amounts = f"{use.vcpus} vCPUs, {use.memory_mib} MiB, {use.disk_gib} GiB"
    for number, of_node in sorted(use.numa.items()):
        amounts += f", {of_node.vcpus} vCPUs and {of_node.memory_mib} MiB of NUMA node {number}"
    return amounts


def _held(rows: HostRows) -> Iterator[Finding]:
    owned = {allocation.device_id for allocation in rows.allocations}
    held = Counter(record.pf_id for record in rows.devices if record.id in owned)
    for record in rows.devices:
        if record.kind is not DeviceKind.PF:
            continue
        if record.vfs_held != held[record.id]:
            detail = f"{record.vfs_held} VFs counted as held, {held[record.id]} are"
            yield Finding(flaw=Flaw.HELD, subject=_name(record), detail=detail)
        if record.held_whole != (record.id in owned):
            detail = f"marked as {'' if record.held_whole else 'not '}given away, which is wrong"
            yield Finding(flaw=Flaw.HELD, subject=_name(record), detail=detail)


def _owed(rows: HostRows) -> Iterator[Finding]:
    pf_of = {record.id: record.ref.kin_id for record in rows.devices}
    owed: dict[DeviceId, Guarantee] = {}
    for allocation in rows.allocations:
        pf_id = pf_of.get(allocation.device_id)
        if pf_id is not None:
            owed[pf_id] = owed.get(pf_id, NO_GUARANTEE) + allocation.guarantee
    for record in rows.devices:
        if record.kind is not DeviceKind.PF:
            continue
        known = rows.bandwidths.get(record.id, BandwidthUse())
        has, owes = record.device.bandwidth or NOT_ACCOUNTED, owed.get(record.id, NO_GUARANTEE)
        if (known.bandwidth, known.owed) != (has, owes):
            detail = f"{known.owed} of {known.bandwidth} counted as owed, {owes} of {has} is"
            yield Finding(flaw=Flaw.OWED, subject=_name(record), detail=detail)


def _pools(rows: HostRows) -> Iterator[Finding]:
    stored = {str(pool.sort_key): pool for pool in rows.pools}
    expected = {str(pool.sort_key): pool for pool in pools_from(rows.devices)}
    keys = {*stored, *expected}
    differing = [key for key in keys if stored.get(key) != expected.get(key)]
    if differing:
        yield Finding(
            flaw=Flaw.POOLS,
            subject=f"host {rows.host.name}",
            detail=f"{len(differing)} of {len(keys)} pools are not what its devices make",
        )


def _orphans(rows: HostRows) -> Iterator[Finding]:
    records = {record.id: record for record in rows.devices}
    bound = {(each.port_id, each.device_id) for each in rows.bindings}
    servers = {server.id for server in rows.servers}
    for allocation in rows.allocations:
        if allocation.state not in _IN_USE:
            continue
        problem = _orphaned_because(allocation, bound, servers)
        if problem:
            yield Finding(
                flaw=Flaw.ORPHAN,
                subject=_name(records.get(allocation.device_id)),
                detail=problem,
                allocation=allocation,
            )


def _orphaned_because(
    allocation: Allocation,
    bound: set[tuple[PortId, DeviceId | None]],
    servers: set[ServerId],
) -> str:
    if allocation.server_id is not None and allocation.server_id not in servers:
        return f"held for server {allocation.server_id}, which is not on this host"
    if allocation.port_id is not None:
        if (allocation.port_id, allocation.device_id) not in bound:
            return f"held for port {allocation.port_id}, which is not bound to it"
    elif allocation.server_id is None:
        return "held for nobody"
    return ""


def _bindings(rows: HostRows) -> Iterator[Finding]:
    records = {record.id: record for record in rows.devices}
    held = {(a.port_id, a.device_id): a for a in rows.allocations if a.state in _IN_USE}
    servers = {server.id for server in rows.servers}
    for binding in rows.bindings:
        subject = f"port {binding.port_id}"
        if binding.server_id is not None and binding.server_id not in servers:
            yield Finding(
                flaw=Flaw.STRAY,
                subject=subject,
                detail=f"bound here for server {binding.server_id}, which is not on this host",
                binding=binding,
            )
        elif binding.device_id is not None and (binding.port_id, binding.device_id) not in held:
            yield Finding(
                flaw=Flaw.MISSING,
                subject=subject,
                detail=f"bound to {_name(records.get(binding.device_id))}, not held for it",
                binding=binding,
            )


def _name(record: DeviceRecord | None) -> str:
    if record is None:
        return "a device that is not known"
    return f"{record.kind.value} {record.device.function.address}"

"""What placement is told about a host: plain values, whole, as the store or an agent knows them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields

from trunkline.domain.aggregate import DEFAULT_ZONE, HostMetadata
from trunkline.domain.bandwidth import Bandwidth
from trunkline.domain.device_pool import DevicePool
from trunkline.domain.ids import DeviceId, HostId, HostName, PhysicalNetwork, ZoneName
from trunkline.domain.numa import NumaNode, NumaUse


@dataclass(frozen=True, slots=True, kw_only=True)
class NumaRoom:
    """One NUMA node of a host, and what it has left for guests that are confined to it."""

    number: int
    socket: int | None  # None: not known.
    free_vcpus: int  # Negative when more was given than the node has.
    free_memory_mib: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HostView:
    """One host with its devices, and what it has left for servers."""

    id: HostId
    name: HostName
    generation: int = 0
    enabled: bool = True
    up: bool = True  # Its agent has been heard within the limit, and can use it.
    problem: str = ""  # Why its agent can't use it; then it is not up.
    free_vcpus: int = 0  # Negative when more was given than the host has.
    free_memory_mib: int = 0
    free_disk_gib: int = 0
    bridges: frozenset[PhysicalNetwork] = frozenset()  # Where `normal` NICs can be plugged.
    pools: tuple[DevicePool, ...] = ()  # By `sort_key`.
    # What each PF that accounts any has left to guarantee; below 0 if it has less than it owes.
    bandwidth_left: Mapping[DeviceId, Bandwidth] = field(default_factory=dict)
    numa: tuple[NumaRoom, ...] = ()  # By number; empty: the host reports none.
    zone: ZoneName = DEFAULT_ZONE
    metadata: HostMetadata = frozenset()  # Of its aggregates.


def numa_rooms(nodes: Iterable[NumaNode], used: Mapping[int, NumaUse]) -> tuple[NumaRoom, ...]:
    """What each node has left, by number. A node that is used and not reported any more is none."""
    rooms = []
    for node in sorted(nodes, key=lambda node: node.number):
        use = used.get(node.number, NumaUse(0, 0))
        rooms.append(
            NumaRoom(
                number=node.number,
                socket=node.socket,
                free_vcpus=node.vcpus - use.vcpus,
                free_memory_mib=node.memory_mib - use.memory_mib,
            )
        )
    return tuple(rooms)


def view_differences(index: HostView, stored: HostView) -> Iterator[str]:
    """Say in which facts two views of a host differ, but for `up`, which time decides."""
    for each in fields(HostView):
        have, should = getattr(index, each.name), getattr(stored, each.name)
        if each.name == "pools":
            yield from _pool_differences(have, should)
        elif each.name != "up" and have != should:
            yield f"{each.name}: {have} in the index, {should} stored"


def _pool_differences(
    index: tuple[DevicePool, ...], stored: tuple[DevicePool, ...]
) -> Iterator[str]:
    have = {repr(pool.sort_key): pool for pool in index}
    should = {repr(pool.sort_key): pool for pool in stored}
    for key in sorted({*have, *should}):
        one, other = have.get(key), should.get(key)
        if one is None or other is None:
            yield f"pool {key}: only {'stored' if one is None else 'in the index'}"
        elif one.problem != other.problem:
            yield f"pool {key}: {one.problem!r} in the index, {other.problem!r} stored"
        elif one != other:
            yield (
                f"pool {key}: taken {one.taken:x} of {one.offered:x} in the index, "
                f"{other.taken:x} of {other.offered:x} stored"
            )

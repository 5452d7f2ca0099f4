"""`[[host.numa]]` of a fleet file: the NUMA nodes of simulated hosts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from trunkline.domain.numa import NumaNode, node_faults
from trunkline.host.machine import PfRecord, PlainRecord


class NumaEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One node, as far as it can be checked by type alone."""

    number: int
    cpus: str
    memory_mib: int
    socket: int | None = None


def make_node(entry: NumaEntry) -> NumaNode:
    """Make a node; raise `ValueError` for what no host has."""
    return NumaNode(
        number=entry.number, socket=entry.socket, cpus=entry.cpus, memory_mib=entry.memory_mib
    )


def numa_faults(
    nodes: Sequence[NumaNode],
    pfs: Sequence[PfRecord],
    plain: Sequence[PlainRecord],
    *,
    memory_mib: int,
    place: str,
) -> Iterator[str]:
    """What can only be seen with all nodes and all functions of a host together."""
    for fault in node_faults(nodes, memory_mib=memory_mib):
        yield f"{place}.numa: {fault}"
    numbers = {node.number for node in nodes}
    on_nodes = [(pf.address, pf.numa_node) for pf in pfs]
    on_nodes += [(function.address, function.numa_node) for function in plain]
    for address, number in on_nodes:
        if nodes and number is not None and number not in numbers:
            yield (
                f"{place}.numa: {address} is on node {number}, which is not there;"
                " add it, or correct numa_node"
            )

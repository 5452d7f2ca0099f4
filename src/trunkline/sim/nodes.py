"""Guests on the NUMA nodes of a host: as their policies say, and no more than there is room for.

A part of the auditor: imports nothing of Trunkline but what the auditor itself knows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final

from trunkline.sim.model import ON_ITS_NODE, ROOM, Nic, Server, Violation
from trunkline.sim.raw_hosts import RawGuest, RawHost

_CONFINING: Final = frozenset({"required", "socket", "legacy"})


def check_node(host: RawHost, guest: RawGuest, server: Server) -> None:
    """Raise `Violation` unless a running guest and its devices are as its NUMA policies say."""
    policies = [(nic, _policy(nic, server)) for nic in server.nics]
    if not any(policy in _CONFINING for _, policy in policies):
        return
    if len(guest.nodes) != 1:
        raise Violation(
            ON_ITS_NODE,
            f"server {guest.server_id} is on {host.name}'s nodes {sorted(guest.nodes)}, not on one",
        )
    (number,) = guest.nodes
    node = host.nodes[number]
    if guest.cpus != node.cpus:
        raise Violation(
            ON_ITS_NODE,
            f"server {guest.server_id} runs on CPUs {guest.cpus!r} of {host.name}, not on"
            f" {node.cpus} of node {number}",
        )
    for nic, pf in _pfs(host, guest, server):
        at = host.pfs[pf]["numa_node"]
        policy = _policy(nic, server)
        near = host.nodes[at].socket == node.socket if policy == "socket" else at == number
        if policy in _CONFINING and not near:
            raise Violation(
                ON_ITS_NODE,
                f"server {guest.server_id} is on node {number} of {host.name}, under {policy} its"
                f" NIC {nic.mac} has a device of {pf}, which is on node {at}",
            )


def _policy(nic: Nic, server: Server) -> str | None:
    """The policy of a NIC; None: it has no device that one could be about."""
    if nic.is_claim or nic.vnic_type == "normal":
        return None
    return nic.numa or server.flavor.numa


def _pfs(host: RawHost, guest: RawGuest, server: Server) -> Iterator[tuple[Nic, str]]:
    """Each NIC with the PF that its device is of; what an operator has changed is left out."""
    by_mac = {nic.mac: nic for nic in server.nics}
    for key in guest.vfs:
        nic = by_mac.get(host.vfs[key].mac)
        if nic is not None:
            yield nic, key[0]
    for pf in guest.pfs:
        nic = by_mac.get(host.pfs[pf]["mac"])
        if nic is not None:
            yield nic, pf


def check_room(host: RawHost, servers: Mapping[str, Server]) -> None:
    """Raise `Violation` if running guests have more vCPUs or memory than the host, or a node, has.

    A guest that is on no one node counts against the host alone. A server that is being deleted, or
    is thought to be elsewhere, has given its room back, though its guest may still be there.
    """
    vcpus: dict[int | None, int] = defaultdict(int)  # By node; None: the host.
    memory_mib: dict[int | None, int] = defaultdict(int)
    for guest in host.guests.values():
        server = servers.get(guest.server_id)
        if server is None or not guest.runs or server.delete_asked or server.host != host.name:
            continue
        for number in (None, *(guest.nodes if len(guest.nodes) == 1 else ())):
            vcpus[number] += server.flavor.vcpus
            memory_mib[number] += server.flavor.memory_mib
    for number in vcpus:
        owner = host if number is None else host.nodes[number]
        if vcpus[number] > owner.vcpus or memory_mib[number] > owner.memory_mib:
            where = host.name if number is None else f"node {number} of {host.name}"
            raise Violation(
                ROOM,
                f"{where} gives {vcpus[number]} of {owner.vcpus} vCPUs and {memory_mib[number]}"
                f" of {owner.memory_mib} MiB",
            )

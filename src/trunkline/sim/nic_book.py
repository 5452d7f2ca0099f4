"""The auditor's rules about the NICs of a server: which it must have, which it may have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trunkline.sim.model import ALL_NICS, GIVES_BACK, NOTHING_LOST, SETTLES, Nic, Server, Violation


def hear_attach(servers: Mapping[str, Server], message: Mapping[str, Any]) -> None:
    """Take in that a server was to be given a NIC; the next look at it shows which, if any."""
    server = servers.get(message["request"]["id"])
    if server is not None:
        server.gaining = True


def hear_detach(servers: Mapping[str, Server], message: Mapping[str, Any]) -> None:
    """Take in that a server was to lose a NIC; without an answer it may keep it."""
    server, port_id = servers.get(message["request"]["id"]), message["request"]["port_id"]
    if server is not None:
        server.may_lose.add(port_id)
        if message["answer"] is not None:
            server.losing.add(port_id)


def note_nics(server_id: str, server: Server, shown: Sequence[tuple[Nic, str]]) -> None:
    """Hold the NICs that a server shows, each with its status, against those that it had.

    Raises:
        Violation: One has changed, has gone though nobody asked for that, or come likewise.
    """
    known = {nic.port_id: nic for nic in server.nics}
    for nic, status in shown:
        before = known.pop(nic.port_id, None)
        if before is None:
            if server.gaining:
                server.coming.add(nic.port_id)
            elif server.nics:
                raise Violation(NOTHING_LOST, f"server {server_id} has got {nic}")
        else:
            # A whole PF brings its own MAC, another one on another host.
            if before.vnic_type == "direct-physical":
                before.mac = nic.mac
            if before != nic:
                raise Violation(NOTHING_LOST, f"server {server_id}: {before} became {nic}")
        if status == "ACTIVE":
            server.coming.discard(nic.port_id)
    for port_id in known:
        # What a host could not be given is taken back without being asked for.
        if port_id not in server.may_lose and port_id not in server.coming:
            raise Violation(ALL_NICS, f"server {server_id} has lost {known[port_id]}")
        for of_it in (server.coming, server.may_lose, server.losing):
            of_it.discard(port_id)
    server.gaining = False
    server.nics = [nic for nic, _ in shown]


def nics_due(server: Server) -> int:
    """Return how many NICs its guest must have, if it runs."""
    return len([nic for nic in server.nics if nic.port_id not in server.coming | server.may_lose])


def is_halted_for_nics(server: Server) -> bool:
    """Whether its guest may be suspended for a moment, until a NIC that it is given is right."""
    return server.gaining or bool(server.coming)


def unsettled_nics(server_id: str, server: Server) -> Iterator[tuple[str, str]]:
    """Yield what is still under way of its NICs: rule and detail."""
    if server.status == "ACTIVE" and server.coming:
        yield SETTLES, f"server {server_id} is yet to be given {sorted(server.coming)}"
    if server.status in ("ACTIVE", "SHUTOFF") and server.losing:
        yield GIVES_BACK, f"server {server_id} still has {sorted(server.losing)}"

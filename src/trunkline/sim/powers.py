"""Whether guests do what the API says of their servers. Imports nothing of Trunkline."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from trunkline.sim.model import ACTIVE_RUNS, PAUSED_RESTS, Server, Violation
from trunkline.sim.nic_book import is_halted_for_nics
from trunkline.sim.raw_hosts import RawGuest, RawHost


def check_powers(
    servers: Mapping[str, Server],
    hosts: Mapping[str, RawHost],
    killed: Collection[str],
    is_given_up: Callable[[str | None], bool],
) -> None:
    """Raise `Violation` if a server is ACTIVE and its guest does not run, or PAUSED and it does.

    Of the servers in `killed` a planted fault has ended the guest; `is_given_up` says whether one
    on a host may have been ended by what an operator did there.
    """
    for server_id, server in servers.items():
        if server.deleted:
            continue
        host = hosts.get(server.host or "")
        guest = None if host is None else host.guests.get(server_id)
        if server.status == "PAUSED" and guest is not None and guest.runs:
            raise Violation(PAUSED_RESTS, f"server {server_id} is PAUSED on {server.host}")
        if server.status != "ACTIVE" or server_id in killed:
            continue
        if guest is not None and is_halted_for_nics(server):
            continue
        if (guest is None or not guest.runs) and not is_given_up(server.host):
            raise Violation(ACTIVE_RUNS, f"server {server_id} is ACTIVE on {server.host}")


def is_as_shown(status: str, guest: RawGuest | None) -> bool:
    """Whether a guest is as its server's status, which is a lasting one, says."""
    if status == "PAUSED":
        return guest is not None and not guest.runs
    return (status == "ACTIVE") == (guest is not None and guest.runs)


def is_rebuilt(server: Server, guest: RawGuest | None) -> bool:
    """Whether a guest, if there is one, is on a disk that was made after all known rebuilds."""
    return guest is None or guest.disk_number > server.rebuilds

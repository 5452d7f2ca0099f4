"""Hints that name other servers: on the host of one, or on none of theirs.

They are kept as they were sent, and looked at each time that the server is placed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trunkline.control.access import of_server, sees
from trunkline.domain.errors import Invalid
from trunkline.domain.identity import Caller
from trunkline.domain.ids import HostId, HostName
from trunkline.domain.policy import compute_rules as rules
from trunkline.domain.server import Server
from trunkline.store.transaction import Transaction

SAME_HOST: Final = "same_host"
DIFFERENT_HOST: Final = "different_host"


def servers_named(hints: Mapping[str, object], name: str) -> list[str]:
    """Return the IDs of servers that a hint names: one, or a list of them."""
    value = hints.get(name)
    if isinstance(value, str):
        return [value]
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def require_known(tx: Transaction, caller: Caller, hints: Mapping[str, object]) -> None:
    """Raise `Invalid` unless the caller sees all servers that are named.

    Those of `same_host` must be on one host: a server can't be on two.
    """
    for name in (SAME_HOST, DIFFERENT_HOST):
        named = servers_named(hints, name)
        found = tx.servers.get_many(named)
        for server_id in named:
            server = next((each for each in found.values() if each.id == server_id), None)
            if server is None or not sees(caller, rules.SHOW_SERVER, of_server(server)):
                problem = f"server {server_id[:64]} could not be found"
                raise Invalid(f"os:scheduler_hints.{name}", problem)
    if servers_named(hints, SAME_HOST) and len(_hosts(tx, hints, SAME_HOST)) != 1:
        raise Invalid(f"os:scheduler_hints.{SAME_HOST}", "these servers are not on one host")


def host_to_share(tx: Transaction, server: Server) -> HostName | None:
    """Return the host that a server is to be on because others are; None: any will do."""
    found = _hosts(tx, server.scheduler_hints, SAME_HOST)
    return tx.hosts.get(min(found)).name if found else None


def hosts_to_avoid(tx: Transaction, server: Server) -> frozenset[HostId]:
    """Return the hosts that a server is not to be on because others are."""
    return _hosts(tx, server.scheduler_hints, DIFFERENT_HOST)


def _hosts(tx: Transaction, hints: Mapping[str, object], name: str) -> frozenset[HostId]:
    found = tx.servers.get_many(servers_named(hints, name)).values()
    return frozenset(server.host_id for server in found if server.host_id is not None)

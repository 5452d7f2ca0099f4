"""What other services tell of servers: Nova's external events.

Nothing waits for them here. A NIC is plugged, and a server runs, when its host says so; the network
is kept by this very service, and there are no volumes. So an event does nothing, and whoever sends
it is told what became of it as Nova would tell.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

from trunkline.control.access import require
from trunkline.control.services import Services
from trunkline.domain.identity import Caller
from trunkline.domain.ids import ServerId
from trunkline.domain.policy import compute_rules as rules


class Heard(enum.Enum):
    """What became of an event."""

    TAKEN = "taken"
    NO_SERVER = "no_server"  # There is none of that ID.
    NO_HOST = "no_host"  # The server is on no host, which could be told.


def hear_events(svc: Services, caller: Caller, server_ids: Sequence[str]) -> list[Heard]:
    """Say of events, one for each of these servers, what becomes of them."""
    require(caller, rules.SEND_EVENTS)
    servers = svc.store.read(lambda tx: tx.servers.get_many(set(server_ids)))
    on_host = {server.id: server.host_id is not None for server in servers.values()}
    heard = {True: Heard.TAKEN, False: Heard.NO_HOST, None: Heard.NO_SERVER}
    return [heard[on_host.get(ServerId(server_id))] for server_id in server_ids]

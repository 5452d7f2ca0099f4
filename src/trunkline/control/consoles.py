"""What guests say on their serial consoles: asked of the host, which answers with a report.

The ask is part of what is desired of the host, and the answer of what was observed, so that both
travel as everything else does, whichever replica the agent and the asker speak to.
"""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.control.access import of_server, require_change
from trunkline.control.services import Services
from trunkline.domain.errors import StateConflict
from trunkline.domain.identity import Caller
from trunkline.domain.ids import HostId, HostName, ServerId
from trunkline.domain.policy import compute_rules as rules
from trunkline.store.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedConsole:
    """An ask that was recorded."""

    server_id: ServerId
    host_id: HostId
    host_name: HostName
    number: int


def ask_console(svc: Services, caller: Caller, server_id: str) -> AskedConsole:
    """Ask the host of a server for what its guests have said; `find_console` has the answer.

    Raises:
        StateConflict: The server is on no host, or its host is not up.
    """

    def ask(tx: Transaction) -> AskedConsole:
        server = tx.servers.get(server_id)
        target = of_server(server)
        require_change(
            caller, rules.READ_CONSOLE, target, "server", server_id, see=rules.SHOW_SERVER
        )
        if server.host_id is None:
            raise StateConflict("server", server_id, "it is on no host, and has no console")
        host = tx.hosts.get(server.host_id)
        if not svc.fleet.is_up(host):
            raise StateConflict("server", server_id, "its host is down and can't be asked now")
        number = tx.hosts.raise_consoles_asked(host.id)
        tx.consoles.ask(server.id, host.id, number, at=svc.clock.now())
        tx.on_commit(lambda: svc.wake_host(host.name))
        return AskedConsole(
            server_id=server.id, host_id=host.id, host_name=host.name, number=number
        )

    return svc.store.write(ask)


def find_console(svc: Services, asked: AskedConsole) -> bytes | None:
    """Return the answer to an ask; None: there is none yet.

    Raises:
        NotFound: The server was deleted since.
        StateConflict: It is on another host since, or its host can't read the console.
    """

    def find(tx: Transaction) -> bytes | None:
        tx.servers.get(asked.server_id)
        found = tx.consoles.find(asked.server_id)
        if found is None or found.host_id != asked.host_id:
            raise StateConflict("server", asked.server_id, "it has left its host; ask again")
        if found.answered < asked.number:
            return None
        if found.problem:
            raise StateConflict("server", asked.server_id, "its host can't read its console")
        return found.said

    return svc.store.read(find)


def unanswered(asked: AskedConsole) -> StateConflict:
    """Make the error of an ask that was not answered in time."""
    return StateConflict("server", asked.server_id, "its host did not answer in time; ask again")

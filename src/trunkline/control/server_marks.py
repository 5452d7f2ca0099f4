"""Marking servers as in error by hand: a note for people, which does nothing to a guest."""

from __future__ import annotations

from dataclasses import replace

from trunkline.control import audit
from trunkline.control.audit import actor_of
from trunkline.control.own_servers import own_server
from trunkline.control.services import Services
from trunkline.domain.errors import StateConflict
from trunkline.domain.identity import Caller
from trunkline.domain.policy import compute_rules as rules
from trunkline.domain.server import SERVER, PowerState, Server, ServerEvent, ServerState
from trunkline.store.transaction import Transaction


def reset_state(svc: Services, caller: Caller, server_id: str, *, is_error: bool) -> None:
    """Mark a server as in error, or take that back; nothing is done to its guest.

    Raises:
        StateConflict: It is to be ACTIVE, and its host does not show a guest that runs.
    """

    def reset(tx: Transaction) -> None:
        server = own_server(tx, caller, server_id, rules.RESET_STATE)
        if is_error:
            state = SERVER.advance(server.state, ServerEvent.MARK)
        elif server.state is ServerState.ACTIVE:
            return
        else:
            state = _unmarked(server)
        now = svc.clock.now()
        tx.servers.update(replace(server, state=state, updated_at=now))
        audit.record(
            tx, actor_of(caller), now, "server.reset_state", f"server {server.id}",
            project_id=server.project_id, server_id=server.id, details={"state": state.value},
        )  # fmt: skip

    svc.store.write(reset)


def _unmarked(server: Server) -> ServerState:
    """Return the state of a server that is in ERROR only because somebody has said so."""
    runs = server.launched_at is not None and server.power is PowerState.RUNNING
    if server.host_id is None or not runs or not SERVER.allows(server.state, ServerEvent.UNMARK):
        raise StateConflict(
            "server", server.id, "ACTIVE is what its host shows, which it does not: reboot it"
        )
    return SERVER.advance(server.state, ServerEvent.UNMARK)

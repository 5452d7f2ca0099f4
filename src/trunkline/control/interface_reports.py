"""What hosts tell of NICs that were attached to guests that run, or are to leave them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Final

from trunkline.control import audit
from trunkline.control.audit import Actor
from trunkline.control.interfaces import let_go_of_nic
from trunkline.control.services import Services
from trunkline.domain.allocation import AllocationState
from trunkline.domain.binding import BINDING, Binding, BindingEvent, BindingState
from trunkline.domain.host import Host
from trunkline.domain.ids import ServerId
from trunkline.domain.server import ServerState
from trunkline.reconcile.report import NicFact
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction

# A guest that was started again by itself runs before all its devices are seen to be ready.
_RUNNING: Final = (ServerState.ACTIVE, ServerState.REBOOTING)


def settle_nics(
    tx: Transaction,
    svc: Services,
    actor: Actor,
    host: Host,
    settled: Collection[ServerId],
    *,
    generation: int,
) -> None:
    """Take in that servers are as a configuration of `generation` has them.

    So their guests have the NICs that it gives them, and none that it doesn't.
    """
    open_ones = [
        binding
        for binding in tx.bindings.of_host(host.id)
        if binding.server_id in settled
        and binding.state in (BindingState.CLAIMED, BindingState.DETACHING)
        and 0 < binding.generation <= generation
    ]
    for binding in open_ones:
        assert binding.server_id is not None
        server = tx.servers.get(binding.server_id, Lock.EXCLUSIVE)
        if binding.state is BindingState.DETACHING:
            let_go_of_nic(tx, svc, actor, server, binding, reason="detached")
            _record(tx, svc, actor, host, binding, "server.detached_interface")
        elif server.state is ServerState.ACTIVE and _is_ready(tx, binding):
            state = BINDING.advance(binding.state, BindingEvent.CONFIRM)
            tx.bindings.update(replace(binding, state=state))
            _record(tx, svc, actor, host, binding, "server.attached_interface")


def take_nic_fact(
    tx: Transaction, svc: Services, actor: Actor, host: Host, fact: NicFact, *, generation: int
) -> None:
    """Undo what a guest could not be given; of what it does not let go of, tell."""
    server = tx.servers.find(fact.server_id, Lock.EXCLUSIVE)
    binding = tx.bindings.of_ports([fact.port_id]).get(fact.port_id)
    if server is None or binding is None or server.host_id != host.id:
        return
    if binding.server_id != server.id or server.boot_number != fact.boot_number:
        return
    if not 0 < binding.generation <= generation:
        return
    if binding.state is BindingState.DETACHING:
        _record(tx, svc, actor, host, binding, "server.detach_failed", reason=fact.reason)
    elif binding.state is BindingState.CLAIMED and server.state in _RUNNING:
        let_go_of_nic(tx, svc, actor, server, binding, reason=fact.reason)
        _record(tx, svc, actor, host, binding, "server.attach_failed", reason=fact.reason)


def _is_ready(tx: Transaction, binding: Binding) -> bool:
    if binding.device_id is None:
        return True
    allocation = tx.allocations.of_devices([binding.device_id])[binding.device_id]
    return allocation.state is AllocationState.ACTIVE


def _record(
    tx: Transaction,
    svc: Services,
    actor: Actor,
    host: Host,
    binding: Binding,
    action: str,
    **details: str,
) -> None:
    server = None if binding.server_id is None else tx.servers.find(binding.server_id)
    audit.record(
        tx, actor, svc.clock.now(), action, f"server {binding.server_id}",
        project_id=None if server is None else server.project_id, host=host.name,
        server_id=binding.server_id, port_id=binding.port_id,
        details={"port": binding.port_id, **details},
    )  # fmt: skip

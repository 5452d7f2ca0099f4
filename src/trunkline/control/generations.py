"""Generations of hosts: each change of what is desired of one raises its number."""

from __future__ import annotations

from trunkline.control.services import Services
from trunkline.domain.binding import Binding
from trunkline.domain.host import Host
from trunkline.domain.ids import HostId
from trunkline.store.transaction import Transaction


def raise_generation(tx: Transaction, svc: Services, host: Host) -> None:
    """Say that what is desired of `host` has changed, and wake its agent once that is durable."""
    generation = tx.hosts.raise_generation(host.id)
    svc.fleet.note_generation(tx, host.id, generation)
    tx.on_commit(lambda: svc.wake_host(host.name))


def touch_host(tx: Transaction, svc: Services, binding: Binding) -> None:
    """Say that what is desired of a binding's host has changed."""
    raise_generation(tx, svc, tx.hosts.get(binding.host_id))


def decide_anew(tx: Transaction, svc: Services, host_id: HostId) -> None:
    """Raise a host's generation for those who decide by it: the host itself has nothing to do."""
    generation = tx.hosts.raise_generation(host_id, to_be_applied=False)
    svc.fleet.note_generation(tx, host_id, generation)

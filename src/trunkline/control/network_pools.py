"""Network pools, as libvirt hands out their VFs: it chooses, and the records follow.

What placement chose of a network pool is one of the pool: a place. Which VF a guest has is what its
host says. The two are made one by exchanging them: whoever held that VF, or its place, holds the
other one then. All VFs of a network pool are alike, and of one PF, so that nothing else changes.
"""

from __future__ import annotations

from dataclasses import replace

from trunkline.control import audit
from trunkline.control.audit import Actor
from trunkline.control.services import Services
from trunkline.domain.allocation import Allocation
from trunkline.domain.host import Host
from trunkline.domain.pci import PciAddress
from trunkline.store.devices import DeviceRecord
from trunkline.store.transaction import Transaction


def follow_choice(
    tx: Transaction,
    svc: Services,
    actor: Actor,
    host: Host,
    *,
    chosen: DeviceRecord,
    allocation: Allocation,
    taken_at: PciAddress,
) -> str:
    """Give the holder of `chosen` the VF that its guest has, and `chosen` to that one's holder.

    The host has told that `chosen`, if nobody had it, was read back in its original state.

    Returns:
        Why that can't be; empty: it is done, and the host's generation is to be raised.
    """
    taken = tx.devices.find_at(host.id, str(taken_at))
    pool = chosen.device.network_pool
    if taken is None or pool is None or taken.device.network_pool != pool or not taken.offered:
        return f"libvirt took {taken_at}, which no device spec puts in the same network pool"
    other = tx.allocations.of_devices([taken.id]).get(taken.id)
    epochs = tx.devices.renew_epochs([chosen, taken])
    moves = {allocation.id: (taken.id, epochs[taken.id])}
    if other is not None:
        moves[other.id] = chosen.id, epochs[chosen.id]
    tx.allocations.move(moves)
    for held, device in ((allocation, taken), (other, chosen)):
        binding = None if held is None or held.port_id is None else tx.bindings.find(held.port_id)
        if binding is not None and held is not None and binding.device_id == held.device_id:
            tx.bindings.update(replace(binding, device_id=device.id))
    if other is None:
        svc.fleet.note_freed(tx, host.id, [chosen.ref])
        svc.fleet.note_taken(tx, host.id, taken.ref)
    audit.record(
        tx, actor, svc.clock.now(), "device.exchange", f"vf {taken_at} on {host.name}",
        host=host.name, server_id=allocation.server_id, port_id=allocation.port_id,
        device_id=taken.id,
        details={
            "epoch": epochs[taken.id],
            "instead_of": str(chosen.device.function.address),
            "network_pool": pool.name,
        },
    )  # fmt: skip
    return ""

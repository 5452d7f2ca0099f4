"""Making a device nobody's, once it came back from whoever had it."""

from __future__ import annotations

from trunkline.control.inventory import forget_withdrawn
from trunkline.control.services import Services
from trunkline.domain.allocation import Allocation
from trunkline.domain.device import DeviceKind
from trunkline.domain.host import Host
from trunkline.store.devices import DeviceRecord
from trunkline.store.transaction import Transaction


def give_back_device(
    tx: Transaction, svc: Services, host: Host, record: DeviceRecord, held: Allocation
) -> bool:
    """Let a device that was observed clean be given away again.

    Returns:
        Whether it was taken off offer while it was held: the host is to tell of everything then,
        for what had to wait for that, as another card in its place.
    """
    tx.allocations.delete(held)
    tx.devices.give_back(record)
    svc.fleet.note_freed(tx, host.id, [record.ref])
    if record.kind is DeviceKind.PF and record.vf_count_wanted is not None:
        # While somebody had it whole, no VFs were awaited of it: it may be out of service now.
        tx.pools.put(host.id, tx.devices.of_host(host.id))
        svc.fleet.reload_after(tx, host.id)
    if record.offered:
        return False
    forget_withdrawn(tx, host)
    svc.fleet.reload_after(tx, host.id)
    return True

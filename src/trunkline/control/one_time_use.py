"""Devices for one use: once they were somebody's, they are nobody's until an operator frees them.

Such a device may have been left by its user in a state that nothing here restores or can read back:
its firmware, say. What is restored is read back all the same before it is reserved.
"""

from __future__ import annotations

from trunkline.control import audit
from trunkline.control.access import require
from trunkline.control.audit import actor_of
from trunkline.control.generations import raise_generation
from trunkline.control.giving_back import give_back_device
from trunkline.control.services import Services
from trunkline.domain.allocation import ALLOCATION, Allocation, AllocationEvent, AllocationState
from trunkline.domain.errors import NotFound, StateConflict
from trunkline.domain.identity import Caller
from trunkline.domain.pci import PciAddress
from trunkline.domain.policy import trunkline_rules as rules
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction


def free_device(svc: Services, caller: Caller, host_name: str, address: PciAddress) -> None:
    """Let a device for one use be given away again.

    Raises:
        NotFound: The host has no such device.
        StateConflict: It is not reserved.
    """
    require(caller, rules.FREE_DEVICE)

    def free(tx: Transaction) -> None:
        host = tx.hosts.get_by_name(host_name, Lock.EXCLUSIVE)
        record = tx.devices.find_at(host.id, str(address))
        if record is None:
            raise NotFound("device", f"{address} on {host_name}")
        held = tx.allocations.of_devices([record.id]).get(record.id)
        if held is None or held.state is not AllocationState.RESERVED:
            raise StateConflict("device", f"{address} on {host_name}", _not_reserved(held))
        ALLOCATION.advance(held.state, AllocationEvent.FREE)
        was_withdrawn = give_back_device(tx, svc, host, record, held)
        raise_generation(tx, svc, host)
        if was_withdrawn:
            tx.hosts.ask_for_everything(host.id)
        audit.record(
            tx, actor_of(caller), svc.clock.now(), "device.free",
            f"{record.kind.value} {address} on {host.name}", host=host.name, device_id=record.id,
        )  # fmt: skip

    svc.store.write(free)


def _not_reserved(held: Allocation | None) -> str:
    if held is None:
        return "it is not reserved: nobody has it"
    match held.state:
        case AllocationState.RELEASING:
            return "it is still being taken back; it is reserved once it was read back clean"
        case AllocationState.QUARANTINED:
            return f"it did not come back clean ({held.failure}); it is let go once it does"
        case _:
            holder = "a port" if held.server_id is None else f"server {held.server_id}"
            return f"{holder} has it; delete that first"

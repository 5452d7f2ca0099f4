"""PFs of a host, where an operator has a say."""

from __future__ import annotations

from trunkline.control import audit
from trunkline.control.access import require_admin
from trunkline.control.audit import actor_of
from trunkline.control.services import Services
from trunkline.domain.device import DeviceKind
from trunkline.domain.errors import NotFound, StateConflict
from trunkline.domain.identity import Caller
from trunkline.domain.pci import PciAddress
from trunkline.store.devices import DeviceRecord
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction


def rekey_pf(
    svc: Services, caller: Caller, host_name: str, address: PciAddress, now_at: PciAddress
) -> None:
    """Say that the PF on record at one address is the one at another now.

    Done with the next full report of the host's agent, which is asked for; if no PF with the VFs on
    record is there then, nothing is done.

    Raises:
        NotFound: No PF of the host is on record there.
        StateConflict: It is not in doubt which PF it is.
    """
    require_admin(caller, "saying where a PF is")

    def say(tx: Transaction) -> None:
        host = tx.hosts.get_by_name(host_name, Lock.EXCLUSIVE)
        pf = get_pf(tx, host.id, host_name, address)
        if not pf.fence:
            problem = "it is what is on record, there is no doubt"
            raise StateConflict("PF", f"{address} on {host_name}", problem)
        tx.devices.say_where(pf.id, now_at)
        tx.hosts.ask_for_everything(host.id)
        tx.on_commit(lambda: svc.wake_host(host.name))
        audit.record(
            tx, actor_of(caller), svc.clock.now(), "pf.rekey", f"pf {address} on {host.name}",
            host=host.name, device_id=pf.id, details={"to": str(now_at)},
        )  # fmt: skip

    svc.store.write(say)


def get_pf(tx: Transaction, host_id: str, host_name: str, address: PciAddress) -> DeviceRecord:
    """Return a PF of a host; raise `NotFound` if none is on record there."""
    records = tx.devices.of_host(tx.hosts.get(host_id).id)
    for record in records:
        if record.kind is DeviceKind.PF and record.device.function.address == address:
            return record
    raise NotFound("PF", f"{address} on {host_name}")

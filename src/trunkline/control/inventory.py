"""Taking in what a host says it has: new devices, changed ones, and ones that are gone.

A device with an owner is never dropped: it is only no longer on offer, and is forgotten once it
is clean and nobody's.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Sequence
from dataclasses import replace

from trunkline.control import audit
from trunkline.control.audit import Actor
from trunkline.control.pf_service import (
    is_of_service_alone,
    service_changes,
    tell_of_errors,
    tell_of_service,
)
from trunkline.control.rekeying import rekey
from trunkline.control.services import Services
from trunkline.control.users import tell_of_users
from trunkline.domain.device import DeviceKind, OfferedDevice
from trunkline.domain.host import Host
from trunkline.domain.ids import DeviceId
from trunkline.domain.pci import PciAddress
from trunkline.store.devices import DeviceRecord
from trunkline.store.transaction import Transaction


class InventoryNews(enum.Enum):
    """What an inventory has brought."""

    NONE = enum.auto()
    SERVICE = enum.auto()  # PFs went out of service or came back; the index was told.
    DEVICES = enum.auto()  # The host has to be read anew.


def take_inventory(
    tx: Transaction, svc: Services, actor: Actor, host: Host, offered: Sequence[OfferedDevice]
) -> InventoryNews:
    """Bring the store's devices of `host` in line with what is on offer; say what has changed."""
    rekeyed = rekey(tx, svc, actor, host, offered)
    host, known = rekeyed.host, rekeyed.known
    wanted = {device.function.address: device for device in rekeyed.offered}
    owned = {allocation.device_id for allocation in tx.allocations.of_host(host.id)}
    gone = {
        address: record
        for address, record in known.items()
        if address not in wanted and not _is_kept(record, owned)
    }
    ids = {address: record.id for address, record in known.items() if address not in gone}
    for address in sorted(wanted):
        ids.setdefault(address, DeviceId(svc.ids.new_id()))
    new, changed = [], []
    # PFs sort before their VFs here: a VF's row refers to its PF's.
    for device in sorted(wanted.values(), key=_pfs_first):
        record = known.get(device.function.address)
        fresh = _record(host, device, ids, record)
        if record is None:
            new.append(fresh)
        elif fresh != record:
            changed.append(fresh)
    # VFs of a PF that is in a guest are not to be seen on the host: as long as the PF is listed,
    # they are taken to be, too.
    whole = {ids[address] for address in wanted if ids[address] in owned}
    for address, record in known.items():
        kept = address not in wanted and address not in gone
        off_list = _off_list(record)
        if kept and off_list != record and record.pf_id not in whole:
            changed.append(off_list)
    tx.devices.insert_many(new)
    tx.devices.update_facts(changed)
    tx.devices.delete_many([record.id for record in gone.values()])
    if any(record.id in owned and record.kind is DeviceKind.VF for record in changed):
        # A VF that is held may have been put below a PF that was not on the list before.
        tx.devices.recount_held(host.id)
    if not (new or changed or gone or rekeyed.has_changed):
        return InventoryNews.NONE
    pairs = [(known.get(record.device.function.address), record) for record in (*new, *changed)]
    tell_of_users(tx, svc, actor, host, pairs)
    service = service_changes(pairs)
    tell_of_service(tx, svc, actor, host, service)
    tell_of_errors(tx, svc, actor, host, pairs)
    service_alone = not gone and not rekeyed.has_changed
    if service_alone and all(before and is_of_service_alone(before, now) for before, now in pairs):
        tx.pools.put(host.id, tx.devices.of_host(host.id))
        if any(pool.kind is not pool.kind.of_function for pool in tx.pools.of_host(host.id)):
            # A network pool may be shut for a reason of its own, whatever its PF does.
            svc.fleet.reload_after(tx, host.id)
        else:
            svc.fleet.note_service(tx, host.id, {each.pf.id: each.problem for each in service})
        return InventoryNews.SERVICE
    _recount(tx, host)
    audit.record(
        tx, actor, svc.clock.now(), "host.inventory", f"host {host.name}", host=host.name,
        details={"new": len(new), "changed": len(changed), "gone": len(gone)},
    )  # fmt: skip
    return InventoryNews.DEVICES


def _off_list(record: DeviceRecord) -> DeviceRecord:
    """Return what is kept of a device that the host does not tell of any more."""
    function = replace(record.device.function, used_by="", unfit="")
    return replace(record, offered=False, device=replace(record.device, function=function))


def forget_withdrawn(tx: Transaction, host: Host) -> None:
    """Forget the devices off the list that nobody has any more."""
    known = tx.devices.of_host(host.id)
    owned = {allocation.device_id for allocation in tx.allocations.of_host(host.id)}
    # What others have, and what no guest may have, is off offer, and on the host's list.
    gone = [
        record.id
        for record in known
        for function in [record.device.function]
        if not (record.offered or function.used_by or function.unfit or _is_kept(record, owned))
    ]
    # A PF stays as long as a VF of it does.
    parents = {record.pf_id for record in known if record.id not in gone}
    gone = [device_id for device_id in gone if device_id not in parents]
    if gone:
        tx.devices.delete_many(gone)
        _recount(tx, host)


def _recount(tx: Transaction, host: Host) -> None:
    records = tx.devices.of_host(host.id)
    tx.pools.put(host.id, records)
    tx.bandwidths.put(host.id, records)


def _is_kept(record: DeviceRecord, owned: Collection[DeviceId]) -> bool:
    """Say whether a device off the list is remembered: somebody has it, its PF or VFs of it.

    (The VFs of a PF that is in a guest are not to be seen on the host.)
    """
    is_held = record.pf_id in owned or record.id in owned or record.vfs_held > 0
    # A PF that is told of for its VFs alone is not while it has none: it is to have some again.
    return is_held or record.vf_count_wanted is not None


def _pfs_first(device: OfferedDevice) -> tuple[bool, PciAddress]:
    return device.function.kind is DeviceKind.VF, device.function.address


def _record(
    host: Host,
    device: OfferedDevice,
    ids: dict[PciAddress, DeviceId],
    known: DeviceRecord | None,
) -> DeviceRecord:
    pf_address = device.function.pf_address
    if known is not None:
        # A PF in a guest has no netdev to read its MAC from, and without the helper no serial is
        # read. It is the same PF: that was looked at.
        before, now = known.device.function, device.function
        function = replace(now, mac=now.mac or before.mac, serial=now.serial or before.serial)
        device = replace(device, function=function)
    return DeviceRecord(
        id=ids[device.function.address],
        host_id=host.id,
        pf_id=None if pf_address is None else ids.get(pf_address),
        offered=device.on_offer,
        # A device may be forgotten and listed again, while the agent's journal remembers its epoch
        # and refuses older ones. Each allocation raises the host's generation too, so no epoch of
        # this host was ever above it.
        epoch=known.epoch if known else host.generation,
        held_whole=known.held_whole if known else False,
        vfs_held=known.vfs_held if known else 0,
        vf_count_wanted=known.vf_count_wanted if known else None,
        device=device,
    )

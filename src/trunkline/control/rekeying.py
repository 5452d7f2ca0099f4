"""Finding a host's PFs again that have moved: their devices keep IDs, owners and history.

Every device that moves gets an epoch that no device of the host has had: what the agent remembers
of its new address, of another device, says nothing about it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from trunkline.control import audit
from trunkline.control.audit import Actor
from trunkline.control.services import Services
from trunkline.domain.device import DeviceKind, OfferedDevice
from trunkline.domain.host import Host
from trunkline.domain.ids import DeviceId, PhysicalNetwork
from trunkline.domain.pci import PciAddress
from trunkline.domain.pf_identity import PfIdentity
from trunkline.domain.pf_matching import KnownPf, PfMatches, SeenPf, match_pfs
from trunkline.store.devices import DeviceRecord
from trunkline.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Rekeyed:
    """A host's devices on record, each by the address where it is now."""

    host: Host
    known: dict[PciAddress, DeviceRecord]
    offered: tuple[OfferedDevice, ...]  # To be taken in.
    has_changed: bool


def rekey(
    tx: Transaction, svc: Services, actor: Actor, host: Host, offered: Sequence[OfferedDevice]
) -> Rekeyed:
    """Match what is on record with what the host has, and write down what has moved.

    PFs in doubt are fenced, and the operator is told how to resolve it.
    """
    records = tx.devices.of_host(host.id)
    owned = {allocation.device_id for allocation in tx.allocations.of_host(host.id)}
    others_held = {
        record.device.function.address
        for record in records
        if record.kind is DeviceKind.PLAIN and record.id in owned
    }
    matches = match_pfs(_known(records, owned), _seen(offered), others_held=others_held)
    places = _places(records, offered, matches, owned)
    moved = {
        record.id: place
        for record in records
        if (place := places.get(record.id)) not in (None, record.device.function.address)
    }
    dropped = [record.id for record in records if record.id not in places]
    tx.devices.delete_many(dropped)
    if moved:
        host = replace(host, generation=tx.hosts.raise_generation(host.id))
        tx.on_commit(lambda: svc.wake_host(host.name))
        tx.devices.move(moved, epoch=host.generation)
        tx.allocations.set_epochs(moved, host.generation)
    fenced = _fence(tx, svc, actor, host, records, matches)
    _forget_said(tx, svc, actor, host, records, matches)
    for old, new in sorted(matches.moves.items()):
        _tell_of_move(tx, svc, actor, host, _kin_at(old, records), owned, new)
    known = {
        places[record.id]: record for record in tx.devices.of_host(host.id) if record.id in places
    }
    return Rekeyed(
        host, known, _to_take_in(offered, matches, known, owned), bool(moved or dropped or fenced)
    )


def _known(records: Sequence[DeviceRecord], owned: Collection[DeviceId]) -> list[KnownPf]:
    found = []
    for pf in records:
        if pf.kind is not DeviceKind.PF:
            continue
        kin = _kin_of(pf, records)
        found.append(
            KnownPf(
                address=pf.device.function.address,
                identity=PfIdentity.of(pf.device.function),
                vf_count=None if pf.held_whole else pf.device.function.vf_count,
                held_vfs=frozenset(
                    index
                    for each in kin
                    if (index := each.device.function.vf_index) is not None and each.id in owned
                ),
                is_held=any(each.id in owned for each in kin),
                addresses=frozenset(each.device.function.address for each in kin),
                held_on={
                    each.device.function.vf_index: each.device.physical_network
                    for each in kin
                    if each.id in owned
                },
                said=pf.said_at,
            )
        )
    return found


def _seen(offered: Sequence[OfferedDevice]) -> list[SeenPf]:
    vfs: dict[PciAddress, dict[int, PciAddress]] = {}
    cables: dict[PciAddress, dict[int | None, PhysicalNetwork | None]] = {}
    for device in offered:
        function = device.function
        if function.kind is DeviceKind.PF and device.on_offer:
            cables.setdefault(function.address, {})[None] = device.physical_network
        if function.pf_address is not None and function.vf_index is not None:
            vfs.setdefault(function.pf_address, {})[function.vf_index] = function.address
            cables.setdefault(function.pf_address, {})[function.vf_index] = device.physical_network
    return [
        SeenPf(
            address=pf.address,
            identity=PfIdentity.of(pf),
            vf_count=pf.vf_count,
            vf_indexes=frozenset(vfs.get(pf.address, ())),
            addresses=frozenset({pf.address, *vfs.get(pf.address, {}).values()}),
            cabled_to=cables.get(pf.address, {}),
        )
        for pf in (device.function for device in offered)
        if pf.kind is DeviceKind.PF
    ]


def _places(
    records: Sequence[DeviceRecord],
    offered: Sequence[OfferedDevice],
    matches: PfMatches,
    owned: Collection[DeviceId],
) -> dict[DeviceId, PciAddress]:
    """Say where each device is now; what is not there, and nobody's, and in the way, is left out.

    Of PFs that are not told of, nothing is known: their devices are where they were.
    """
    now_there = {
        (device.function.pf_address, device.function.vf_index): device.function.address
        for device in offered
        if device.function.kind is DeviceKind.VF
    }
    pf_at = {
        device.function.address: device.function.pf_address or device.function.address
        for device in offered
    }
    replaced = {  # Where there is a PF or VF now, there is no plain function any more.
        device.function.address
        for device in offered
        if device.function.kind is not DeviceKind.PLAIN
    }
    places: dict[DeviceId, PciAddress] = {}
    for record in records:
        function = record.device.function
        pf_address = function.pf_address or function.address
        now_at = matches.now_at.get(pf_address)
        if record.kind is DeviceKind.PLAIN:
            if record.id in owned or function.address not in replaced:
                places[record.id] = function.address
        elif now_at == pf_address:
            places[record.id] = function.address
        elif now_at is None:
            is_held = any(each.id in owned for each in _kin_at(pf_address, records))
            is_another_here = pf_address in pf_at
            if is_held or (
                not is_another_here and pf_at.get(function.address, pf_address) == pf_address
            ):
                places[record.id] = function.address
        elif record.kind is DeviceKind.PF:
            places[record.id] = now_at
        elif (now_at, function.vf_index) in now_there:
            places[record.id] = now_there[now_at, function.vf_index]
    return places


def _to_take_in(
    offered: Sequence[OfferedDevice],
    matches: PfMatches,
    known: Mapping[PciAddress, DeviceRecord],
    owned: Collection[DeviceId],
) -> tuple[OfferedDevice, ...]:
    """Leave out what sits where something held is on record that it is not."""

    def is_in_the_way(device: OfferedDevice) -> bool:
        function = device.function
        record = known.get(function.address)
        return (function.pf_address or function.address) in matches.shut_out or (
            record is not None and record.id in owned and record.kind is not function.kind
        )

    return tuple(device for device in offered if not is_in_the_way(device))


def _fence(
    tx: Transaction,
    svc: Services,
    actor: Actor,
    host: Host,
    records: Sequence[DeviceRecord],
    matches: PfMatches,
) -> bool:
    """Fence what is in doubt, and nothing else; say whether anything of that is new."""
    has_changed = False
    for pf in records:
        if pf.kind is not DeviceKind.PF:
            continue
        address = pf.device.function.address
        doubt = matches.fences.get(address, "")
        fence = doubt and (
            f"PF {address} is not what is on record: {doubt}. Move or delete its servers, or say"
            f" where it is now: trunkline pf rekey {host.name} {address} ADDRESS"
        )
        if fence == pf.fence:
            continue
        has_changed = True
        tx.devices.set_fence(pf.id, fence)
        audit.record(
            tx, actor, svc.clock.now(), "pf.fenced" if fence else "pf.unfenced",
            f"pf {address} on {host.name}", host=host.name, device_id=pf.id,
            details={"problem": fence} if fence else {},
        )  # fmt: skip
    return has_changed


def _forget_said(
    tx: Transaction,
    svc: Services,
    actor: Actor,
    host: Host,
    records: Sequence[DeviceRecord],
    matches: PfMatches,
) -> None:
    """What an operator says of a PF is of this inventory: of a later one it may not be true."""
    for pf in records:
        if pf.said_at is None:
            continue
        tx.devices.say_where(pf.id, None)
        address = pf.device.function.address
        problem = matches.refused.get(address)
        if problem:
            audit.record(
                tx, actor, svc.clock.now(), "pf.rekey_refused", f"pf {address} on {host.name}",
                host=host.name, device_id=pf.id, details={"problem": problem},
            )  # fmt: skip


def _tell_of_move(
    tx: Transaction,
    svc: Services,
    actor: Actor,
    host: Host,
    kin: Sequence[DeviceRecord],
    owned: Collection[DeviceId],
    new: PciAddress,
) -> None:
    pf = next(each for each in kin if each.kind is DeviceKind.PF)
    audit.record(
        tx, actor, svc.clock.now(), "pf.move",
        f"pf {pf.device.function.address} on {host.name}", host=host.name, device_id=pf.id,
        details={
            "identity": str(PfIdentity.of(pf.device.function)),
            "to": str(new),
            "held": sum(each.id in owned for each in kin),
        },
    )  # fmt: skip


def _kin_at(pf_address: PciAddress, records: Sequence[DeviceRecord]) -> list[DeviceRecord]:
    return [
        record
        for record in records
        if pf_address in (record.device.function.address, record.device.function.pf_address)
    ]


def _kin_of(pf: DeviceRecord, records: Sequence[DeviceRecord]) -> list[DeviceRecord]:
    return [record for record in records if pf.id in (record.id, record.pf_id)]

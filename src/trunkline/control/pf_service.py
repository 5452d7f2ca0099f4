"""PFs that go out of service, and come back: what follows for their VFs, and who is told.

A PF is out of service while its host reports no link, no driver, or a fault of its driver. Nothing
of it is given to anybody then; who has a device of it keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from trunkline.control import audit
from trunkline.control.audit import Actor
from trunkline.control.services import Services
from trunkline.domain.allocation import AllocationState
from trunkline.domain.device import DeviceKind
from trunkline.domain.host import Host
from trunkline.store.devices import DeviceRecord
from trunkline.store.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceChange:
    """A PF that is out of service now and was not, or the reverse, or for another reason."""

    pf: DeviceRecord  # As it is now.
    was: str  # Why it was out of service; empty: it was in it.
    problem: str


def service_changes(
    pairs: Iterable[tuple[DeviceRecord | None, DeviceRecord]],
) -> tuple[ServiceChange, ...]:
    """Find them among devices, each as it was known (None: it was not) and as it is."""
    return tuple(
        ServiceChange(pf=now, was=was, problem=problem)
        for before, now in pairs
        if now.kind is DeviceKind.PF
        for was in ["" if before is None else before.problem]
        for problem in [now.problem]
        if was != problem
    )


def is_of_service_alone(before: DeviceRecord, now: DeviceRecord) -> bool:
    """Whether nothing of a device has changed but what says whether it is in service."""
    return _but_for_service(before) == _but_for_service(now)


def _but_for_service(record: DeviceRecord) -> DeviceRecord:
    if record.kind is not DeviceKind.PF:
        return record
    function = replace(
        record.device.function,
        link_up=True, fault="", driver=None, ifname=None, mac=None, speed_mbps=None, switch_id=None,
        uncorrectable_errors=None,
    )  # fmt: skip
    return replace(record, device=replace(record.device, function=function))


def tell_of_service(
    tx: Transaction, svc: Services, actor: Actor, host: Host, changes: Sequence[ServiceChange]
) -> None:
    """Write into the audit trail what has changed: once for the PF, once for each port on it."""
    if not changes:
        return
    allocations = tx.allocations.of_host(host.id)
    records = tx.devices.get_many([each.device_id for each in allocations])
    servers = tx.servers.get_many({each.server_id for each in allocations if each.server_id})
    for change in changes:
        affected = [
            each
            for each in allocations
            if records[each.device_id].ref.kin_id == change.pf.id
            and each.state in (AllocationState.CLAIMED, AllocationState.ACTIVE)
        ]
        address = change.pf.device.function.address
        verb = "out_of_service" if change.problem else "in_service"
        audit.record(
            tx, actor, svc.clock.now(), f"pf.{verb}", f"pf {address} on {host.name}",
            host=host.name, device_id=change.pf.id,
            details={**dict(_reasons(change)), "ports": len(affected)},
        )  # fmt: skip
        if bool(change.was) == bool(change.problem):
            continue  # Out for another reason: to the ports it is the same.
        for allocation in affected:
            device = records[allocation.device_id]
            server = servers.get(allocation.server_id) if allocation.server_id else None
            audit.record(
                tx, actor, svc.clock.now(),
                "port.cut_off" if change.problem else "port.reconnected",
                f"{device.kind.value} {device.device.function.address} on {host.name}",
                host=host.name, server_id=allocation.server_id, port_id=allocation.port_id,
                project_id=None if server is None else server.project_id, device_id=device.id,
                details=dict(_reasons(change)),
            )  # fmt: skip


def tell_of_errors(
    tx: Transaction,
    svc: Services,
    actor: Actor,
    host: Host,
    pairs: Iterable[tuple[DeviceRecord | None, DeviceRecord]],
) -> None:
    """Write into the audit trail which PFs have met uncorrectable errors since they were known.

    `pairs` are as of `service_changes`. Those that are counted of a PF when it is first told of are
    of before.
    """
    for before, now in pairs:
        if before is None or now.kind is not DeviceKind.PF:
            continue
        known = before.device.function.uncorrectable_errors
        counted = now.device.function.uncorrectable_errors
        if known is not None and counted is not None and counted > known:
            audit.record(
                tx, actor, svc.clock.now(), "pf.errors",
                f"pf {now.device.function.address} on {host.name}",
                host=host.name, device_id=now.id,
                details={"uncorrectable": counted - known, "since_boot": counted},
            )  # fmt: skip


def _reasons(change: ServiceChange) -> Iterator[tuple[str, str]]:
    if change.problem:
        yield "problem", change.problem
    if change.was:
        yield "was", change.was

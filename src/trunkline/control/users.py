"""Why devices are no server's to have: told in the audit trail, as it comes and goes.

Others have them besides servers, or no guest may have them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trunkline.control import audit
from trunkline.control.audit import Actor
from trunkline.control.services import Services
from trunkline.domain.host import Host
from trunkline.store.devices import DeviceRecord
from trunkline.store.transaction import Transaction

_Pairs = Sequence[tuple[DeviceRecord | None, DeviceRecord]]


@dataclass(frozen=True, slots=True)
class _Change:
    begins: str  # The action of it; and of its end.
    ends: str
    key: str  # What says why, in the details.
    now: DeviceRecord
    was: str  # Why, before; empty: it was not so.
    is_: str


def tell_of_users(tx: Transaction, svc: Services, actor: Actor, host: Host, pairs: _Pairs) -> None:
    """Tell of devices that others have now, or no longer, each as it was known and as it is.

    A server that has such a device is named. To its project it is not told: who else is on a host
    is the operator's to know.
    """
    changes = [
        _Change("device.taken_by_others", "device.left_by_others", "used_by", now, was, is_)
        for before, now in pairs
        for was in ["" if before is None else before.device.function.used_by]
        for is_ in [now.device.function.used_by]
        if was != is_
    ] + [
        _Change("device.unfit", "device.fit", "unfit", now, was, is_)
        for before, now in pairs
        for was in ["" if before is None else before.device.function.unfit]
        for is_ in [now.device.function.unfit]
        if was != is_
    ]
    owners = tx.allocations.of_devices([each.now.id for each in changes])
    for change in changes:
        now, owner = change.now, owners.get(change.now.id)
        said = {change.key: change.is_} if change.is_ else {}
        audit.record(
            tx, actor, svc.clock.now(),
            change.begins if change.is_ else change.ends,
            f"{now.kind.value} {now.device.function.address} on {host.name}",
            host=host.name, device_id=now.id,
            server_id=None if owner is None else owner.server_id,
            port_id=None if owner is None else owner.port_id,
            details=said | ({"was": change.was} if change.was else {}),
        )  # fmt: skip

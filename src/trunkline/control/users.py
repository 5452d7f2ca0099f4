"""Devices that others have besides servers: told in the audit trail, as they come and go."""

from __future__ import annotations

from collections.abc import Sequence

from trunkline.control import audit
from trunkline.control.audit import Actor
from trunkline.control.services import Services
from trunkline.domain.host import Host
from trunkline.store.devices import DeviceRecord
from trunkline.store.transaction import Transaction

_Pairs = Sequence[tuple[DeviceRecord | None, DeviceRecord]]


def tell_of_users(tx: Transaction, svc: Services, actor: Actor, host: Host, pairs: _Pairs) -> None:
    """Tell of devices that others have now, or no longer, each as it was known and as it is.

    A server that has such a device is named. To its project it is not told: who else is on a host
    is the operator's to know.
    """
    changes = [
        (now, was, is_)
        for before, now in pairs
        for was in ["" if before is None else before.device.function.used_by]
        for is_ in [now.device.function.used_by]
        if was != is_
    ]
    owners = tx.allocations.of_devices([now.id for now, _, _ in changes])
    for now, was, is_ in changes:
        owner = owners.get(now.id)
        audit.record(
            tx, actor, svc.clock.now(),
            "device.taken_by_others" if is_ else "device.left_by_others",
            f"{now.kind.value} {now.device.function.address} on {host.name}",
            host=host.name, device_id=now.id,
            server_id=None if owner is None else owner.server_id,
            port_id=None if owner is None else owner.port_id,
            details=({"used_by": is_} if is_ else {}) | ({"was": was} if was else {}),
        )  # fmt: skip

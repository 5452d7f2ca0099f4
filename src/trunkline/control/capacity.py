"""How much is free on each physical network."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from trunkline.control.access import require_admin
from trunkline.control.services import Services
from trunkline.domain.device import DeviceKind
from trunkline.domain.identity import Caller
from trunkline.domain.ids import PhysicalNetwork
from trunkline.store.capacity import DeviceCount
from trunkline.store.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class PhysicalNetworkCapacity:
    """The devices that are cabled to one physical network, counted by kind and state."""

    name: PhysicalNetwork
    host_count: int = 0
    counts: Mapping[DeviceKind, DeviceCount] = field(default_factory=dict)  # Kinds that occur.


def capacity_by_physical_network(
    svc: Services, caller: Caller, names: Collection[PhysicalNetwork] | None = None
) -> dict[PhysicalNetwork, PhysicalNetworkCapacity]:
    """Count the devices on these physical networks, or on all that are configured or cabled (None).

    A name that is configured and has no device is there too, with nothing: an operator should see
    it. The database counts; what comes back grows with the physical networks, not the devices.
    """
    require_admin(caller, "counting devices")

    def count(tx: Transaction) -> dict[PhysicalNetwork, PhysicalNetworkCapacity]:
        hosts = tx.capacity.host_counts(names)
        by_name: dict[PhysicalNetwork, dict[DeviceKind, DeviceCount]] = {}
        for found in tx.capacity.device_counts(names):
            by_name.setdefault(found.physical_network, {})[found.kind] = found
        listed = set(svc.networking.vlan_ranges) if names is None else set(names)
        return {
            name: PhysicalNetworkCapacity(
                name=name, host_count=hosts.get(name, 0), counts=by_name.get(name, {})
            )
            for name in sorted(listed | by_name.keys())
        }

    return svc.store.read(count)

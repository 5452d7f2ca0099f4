"""How much is free on each physical network, and for servers of a shape."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from trunkline.control.access import require
from trunkline.control.demands import shape_request
from trunkline.control.requests import ExplainRequest
from trunkline.control.services import Services
from trunkline.domain.device import DeviceKind
from trunkline.domain.errors import Invalid
from trunkline.domain.identity import Caller
from trunkline.domain.ids import PhysicalNetwork
from trunkline.domain.policy import trunkline_rules as rules
from trunkline.placement.planning.capacity import Capacity, Unlimited, capacity
from trunkline.placement.planning.copies import Count
from trunkline.placement.planning.mix import Part, mixes
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
    require(caller, rules.LIST_PHYSICAL_NETWORKS)

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


def capacity_of_shape(svc: Services, caller: Caller, shape: ExplainRequest) -> Capacity:
    """Count how many more servers of a shape fit now, on each host and in all.

    The index is read under its lock for some milliseconds; what is counted is counted after that.

    Raises:
        Invalid: Nothing limits how many fit.
    """
    require(caller, rules.COUNT_CAPACITY)
    svc.store.write(svc.fleet.refresh)  # A snapshot is not followed.
    request = svc.store.read(lambda tx: shape_request(tx, svc, caller, shape))
    try:
        return capacity(request, svc.fleet.rows())
    except Unlimited:
        raise Invalid(
            "nics",
            "nothing limits how many such servers fit: give a flavor, or a NIC with a device",
        ) from None


def capacity_of_mix(
    svc: Services, caller: Caller, shapes: Sequence[tuple[int, ExplainRequest]]
) -> Count:
    """Bound how many mixes fit now: of each shape so many servers.

    Raises:
        Invalid: Nothing limits how many servers of one of the shapes fit; or one of them
            names a host, a zone or a server group.
    """
    require(caller, rules.COUNT_CAPACITY)
    if any(shape.host or shape.zone or shape.group_id for _, shape in shapes):
        raise Invalid("mix", "a mix is for all hosts: leave out host, zone and server group")
    svc.store.write(svc.fleet.refresh)  # A snapshot is not followed.
    parts = svc.store.read(
        lambda tx: [Part(shape_request(tx, svc, caller, shape), share) for share, shape in shapes]
    )
    try:
        return mixes(parts, svc.fleet.rows())
    except Unlimited:
        raise Invalid(
            "mix", "nothing limits one of its shapes: give each a flavor, or a direct NIC"
        ) from None

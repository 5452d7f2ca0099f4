"""Networks and physical networks with what is free on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trunkline.api.http import Request, Response, json_list
from trunkline.api.v1.queries import any_of, strict_query
from trunkline.control.capacity import PhysicalNetworkCapacity, capacity_by_physical_network
from trunkline.control.networks import NetworkView, list_networks
from trunkline.control.services import Services
from trunkline.domain.device import DeviceKind
from trunkline.domain.ids import PhysicalNetwork
from trunkline.domain.network import Segment
from trunkline.domain.policy import trunkline_rules as rules
from trunkline.domain.port import VnicType
from trunkline.wire.v1 import DeviceCounts, NetworkItem, PhysicalNetworkItem, SegmentItem

_FILTERS: Final = any_of("name", "id")

Capacities = Mapping[PhysicalNetwork, PhysicalNetworkCapacity]


def list_(svc: Services, request: Request) -> Response:
    """List networks; admins also see segments, and what is free on their physical networks."""
    found = list_networks(svc, request.caller, strict_query(request, _FILTERS))
    if not request.caller.may(rules.LIST_PHYSICAL_NETWORKS):
        return json_list("networks", [_item(view, None) for view in found])
    named = {
        segment.physical_network
        for view in found
        for segment in view.network.segments
        if segment.physical_network is not None
    }
    capacities = capacity_by_physical_network(svc, request.caller, named)
    return json_list("networks", [_item(view, capacities) for view in found])


def list_physical(svc: Services, request: Request) -> Response:
    """List physical networks, those without devices too."""
    strict_query(request, {})
    found = capacity_by_physical_network(svc, request.caller)
    return json_list(
        "physical_networks",
        [
            PhysicalNetworkItem(
                name=capacity.name,
                default_vnic_type=_default_vnic_type(svc, capacity.name),
                host_count=capacity.host_count,
                vfs=_counts(capacity, DeviceKind.VF),
                pfs=_counts(capacity, DeviceKind.PF),
            )
            for capacity in found.values()
        ],
    )


def _default_vnic_type(svc: Services, name: PhysicalNetwork) -> str:
    return svc.networking.default_vnic_types.get(name, VnicType.NORMAL).value


def _item(view: NetworkView, capacities: Capacities | None) -> NetworkItem:
    network = view.network
    return NetworkItem(
        id=network.id,
        name=network.name,
        project_id=network.project_id,
        shared=network.shared,
        default_vnic_type=view.default_vnic_type.value,
        segments=None
        if capacities is None
        else tuple(
            _segment(segment, view.requirements.get(segment.id, {}), capacities)
            for segment in network.segments
        ),
    )


def _segment(
    segment: Segment, requirements: Mapping[str, str], capacities: Capacities
) -> SegmentItem:
    name = segment.physical_network
    capacity = None if name is None else capacities[name]
    return SegmentItem(
        id=segment.id,
        network_type=segment.network_type.value,
        physical_network=name,
        segmentation_id=segment.segmentation_id,
        requirements=requirements,
        vfs=None if capacity is None else _counts(capacity, DeviceKind.VF),
        pfs=None if capacity is None else _counts(capacity, DeviceKind.PF),
    )


def _counts(capacity: PhysicalNetworkCapacity, kind: DeviceKind) -> DeviceCounts:
    count = capacity.counts.get(kind)
    if count is None:
        return DeviceCounts()
    return DeviceCounts(
        total=count.total,
        free=count.free,
        held=count.held,
        releasing=count.releasing,
        quarantined=count.quarantined,
        reserved=count.reserved,
        blocked=count.blocked,
        out_of_service=count.out_of_service,
    )

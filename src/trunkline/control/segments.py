"""Giving networks their segments: what admins name, and what comes from the configured ranges."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from typing import Final

from trunkline.control.network_requests import SegmentRequest
from trunkline.control.networking import Networking
from trunkline.domain.errors import InUse, Invalid, NoSegmentationIdFree
from trunkline.domain.ether import VLAN_ID_MAX, VLAN_ID_MIN
from trunkline.domain.ids import NetworkId, PhysicalNetwork, SegmentId
from trunkline.domain.network import NetworkType, Segment, wire
from trunkline.store.transaction import Transaction

VNI_MAX: Final = 2**24 - 1  # RFC 7348, 5: the VXLAN Network Identifier has 24 bits.
SEGMENTS_MAX: Final = 64  # Of one network: more is a mistake in a script.
VXLAN_OVERHEAD_BYTES: Final = 50  # Outer Ethernet 14, IPv4 20, UDP 8, VXLAN 8 (RFC 7348, 5).

Slot = tuple[NetworkType, PhysicalNetwork | None, int | None]


def choose_segments(
    tx: Transaction,
    networking: Networking,
    network_id: NetworkId,
    wanted: Sequence[SegmentRequest],
    new_id: Callable[[], str],
    *,
    now: datetime,
    qinq: bool = False,
) -> tuple[Segment, ...]:
    """Make a network's segments. Storing the network holds their segmentation IDs.

    Args:
        tx: The transaction that the network is stored in.
        networking: The configured ranges.
        network_id: The network's.
        wanted: As an admin names them; none: one from the ranges for tenant networks.
        new_id: Makes an ID.
        now: When they are made.
        qinq: Whether the network is to be QinQ: only VLANs can be.

    Raises:
        Invalid: There is no such physical network, the segmentation ID is none, or a QinQ network
            would get a segment that is no VLAN.
        NoSegmentationIdFree: The ranges are used up.
    """
    if len(wanted) > SEGMENTS_MAX:
        raise Invalid("segments", f"a network has at most {SEGMENTS_MAX}")
    slots: list[Slot] = []
    for request in wanted:
        if qinq and request.network_type is not NetworkType.VLAN:
            kind = request.network_type.value
            raise Invalid("qinq", f"a {kind} segment has no VLAN tag to be an outer one: use vlan")
        slot = _slot_asked_for(tx, networking, request, slots)
        if slot in slots:
            raise Invalid("segments", "the same segment is named twice")
        slots.append(slot)
    if not wanted:
        slots.append(_tenant_slot(tx, networking, qinq=qinq))
    return tuple(
        Segment(
            id=SegmentId(new_id()),
            network_id=network_id,
            network_type=network_type,
            physical_network=physical_network,
            segmentation_id=segmentation_id,
            created_at=now,
            updated_at=now,
        )
        for network_type, physical_network, segmentation_id in slots
    )


def check_segmentation_id(network_type: NetworkType, segmentation_id: int) -> int:
    """Return `segmentation_id` if segments of this type can have it.

    802.1Q reserves VLAN IDs 0 (priority tags) and 4095.
    """
    if network_type is NetworkType.FLAT:
        raise Invalid("provider:segmentation_id", "a flat network has none")
    low, high = (VLAN_ID_MIN, VLAN_ID_MAX) if network_type is NetworkType.VLAN else (1, VNI_MAX)
    if not low <= segmentation_id <= high:
        raise Invalid(
            "provider:segmentation_id",
            f"{segmentation_id} is outside {low}-{high}, the IDs of {network_type.value} networks",
        )
    return segmentation_id


def largest_mtu(networking: Networking, segments: Sequence[Segment]) -> int:
    """Return the largest packet that every one of `segments` carries."""
    if any(segment.network_type.is_tunnel for segment in segments):
        return networking.mtu - VXLAN_OVERHEAD_BYTES
    return networking.mtu


def require_quiet_wire(tx: Transaction, segment: Segment) -> None:
    """Refuse a segment where a device of a deleted network can still send.

    The server may be running on, on a host that does not answer: what a host may have fetched is
    free only once it is observed clean, and so is the VLAN.

    Raises:
        InUse: There is such a device.
    """
    allocation = tx.allocations.find_on_wire(segment.wire)
    if allocation is not None:
        address = tx.devices.get(allocation.device_id).device.function.address
        host = tx.hosts.get(allocation.host_id).name
        raise InUse(
            "segment", segment.wire, f"device {address} on {host} was not read back clean yet"
        )


def _slot_asked_for(
    tx: Transaction, networking: Networking, request: SegmentRequest, chosen: Collection[Slot]
) -> Slot:
    networking.driver_for(request.network_type)
    if request.segmentation_id is not None:
        check_segmentation_id(request.network_type, request.segmentation_id)
    match request.network_type:
        case NetworkType.FLAT:
            return NetworkType.FLAT, _known_physical_network(networking, request), None
        case NetworkType.VXLAN:
            if request.physical_network is not None:
                raise Invalid("provider:physical_network", "a vxlan network has none")
            if request.segmentation_id is not None:
                return NetworkType.VXLAN, None, request.segmentation_id
            return _free_slot(tx, networking, NetworkType.VXLAN, None, chosen)
        case NetworkType.VLAN:
            if request.segmentation_id is None:
                if request.physical_network is not None:
                    _known_physical_network(networking, request)
                return _free_slot(
                    tx, networking, NetworkType.VLAN, request.physical_network, chosen
                )
            physical_network = _known_physical_network(networking, request)
            return NetworkType.VLAN, physical_network, request.segmentation_id


def _known_physical_network(networking: Networking, request: SegmentRequest) -> PhysicalNetwork:
    known = ", ".join(sorted(networking.vlan_ranges)) or "none"
    if request.physical_network is None:
        raise Invalid(
            "provider:physical_network",
            f"a {request.network_type.value} network needs one; there are {known}",
        )
    if request.physical_network not in networking.vlan_ranges:
        raise Invalid(
            "provider:physical_network",
            f"no physical network {request.physical_network!r} is configured; there are {known}",
        )
    return request.physical_network


def _tenant_slot(tx: Transaction, networking: Networking, *, qinq: bool) -> Slot:
    types = [
        each for each in networking.tenant_network_types if each is NetworkType.VLAN or not qinq
    ]
    if not types:
        raise Invalid("qinq", "only vlan networks can be, and tenants' networks here are none")
    for network_type in types:
        try:
            return _free_slot(tx, networking, network_type, None)
        except NoSegmentationIdFree:
            continue
    raise NoSegmentationIdFree(", ".join(sorted(networking.vlan_ranges)) or "any physical network")


def _free_slot(
    tx: Transaction,
    networking: Networking,
    network_type: NetworkType,
    physical_network: PhysicalNetwork | None,
    chosen: Collection[Slot] = (),
) -> Slot:
    """Return the lowest free ID of the first range that has one, and not one of `chosen`."""
    for on, first, high in _ranges(networking, network_type, physical_network):
        low = first
        while low <= high:
            free = tx.networks.find_free_segmentation_id(network_type, on, low, high)
            if free is None:
                break
            slot = (network_type, on, free)
            if slot not in chosen and tx.allocations.find_on_wire(wire(*slot)) is None:
                return slot
            low = free + 1
    raise NoSegmentationIdFree(physical_network or f"any {network_type.value} range")


def _ranges(
    networking: Networking, network_type: NetworkType, physical_network: PhysicalNetwork | None
) -> Iterator[tuple[PhysicalNetwork | None, int, int]]:
    if network_type is NetworkType.VXLAN:
        yield None, networking.vxlan_range.low, networking.vxlan_range.high
    if network_type is NetworkType.VLAN:
        for name, ranges in networking.vlan_ranges.items():
            if physical_network in (None, name):
                yield from ((name, each.low, each.high) for each in ranges)

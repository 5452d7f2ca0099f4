"""Raw fleets and requests, as placement wants them."""

from __future__ import annotations

from collections.abc import Iterable

from tests.oracle.placement_oracle import RawHost, RawRequest
from trunkline.domain.device import DeviceKind, DeviceRef
from trunkline.domain.ids import DeviceId, HostId, HostName, PhysicalNetwork, SegmentId
from trunkline.placement.fleet import DeviceView, Fleet, HostView
from trunkline.placement.request import NicDemand, PlacementRequest, SegmentOption
from trunkline.placement.views import pools_of


def a_fleet(hosts: Iterable[RawHost]) -> Fleet:
    fleet = Fleet()
    for host in hosts:
        fleet.put_host(a_host(host))
    return fleet


def a_host(raw: RawHost) -> HostView:
    return HostView(
        id=HostId(raw["id"]),
        name=HostName(raw["name"]),
        generation=7,
        enabled=raw["enabled"],
        up=raw["up"],
        free_vcpus=raw["vcpus"],
        free_memory_mib=raw["memory"],
        free_disk_gib=raw["disk"],
        bridges=frozenset(map(PhysicalNetwork, raw["bridges"])),
        pools=pools_of(devices_of(raw)),
    )


def text_of(device: DeviceRef) -> str:
    """The ID of a device in the raw data."""
    kin = device.kin_id
    return kin if device.vf_index is None else f"{kin}-vf{device.vf_index}"


def devices_of(raw: RawHost) -> tuple[DeviceView, ...]:
    return tuple(
        DeviceView(
            id=DeviceId(device["id"]),
            kind=DeviceKind(device["kind"]),
            pf_id=None if device["pf"] is None else DeviceId(device["pf"]),
            vf_index=device["vf_index"],
            address=device["id"],
            attributes=device["attributes"],
            free=device["free"],
        )
        for device in raw["devices"]
    )


def a_request(raw: RawRequest) -> PlacementRequest:
    return PlacementRequest(
        nics=tuple(
            NicDemand(
                nic=nic["name"],
                kind=None if nic["kind"] is None else DeviceKind(nic["kind"]),
                options=tuple(
                    SegmentOption(
                        segment_id=None if o["segment"] is None else SegmentId(o["segment"]),
                        attributes=o["attributes"],
                        physical_network=None
                        if o["bridge"] is None
                        else PhysicalNetwork(o["bridge"]),
                    )
                    for o in nic["options"]
                ),
                attributes=nic["attributes"],
            )
            for nic in raw["nics"]
        ),
        vcpus=raw["vcpus"],
        memory_mib=raw["memory"],
        disk_gib=raw["disk"],
        excluded_hosts=frozenset(map(HostId, raw["excluded"])),
        only_host=None if raw["only"] is None else HostName(raw["only"]),
    )

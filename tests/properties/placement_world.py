"""Raw fleets and requests, as placement wants them."""

from __future__ import annotations

from collections.abc import Iterable

from tests.oracle.placement_oracle import RawDevice, RawHost, RawRequest
from trunkline.domain.bandwidth import Bandwidth
from trunkline.domain.device import DeviceKind, DeviceRef
from trunkline.domain.device_pool import PoolMember, pools_of
from trunkline.domain.ids import DeviceId, HostId, HostName, PhysicalNetwork, SegmentId
from trunkline.domain.nic_rules import NumaPolicy, Scope
from trunkline.placement.asks.request import (
    GroupRule,
    NicDemand,
    PlacementRequest,
    SegmentOption,
)
from trunkline.placement.hosts.views import NumaRoom
from trunkline.placement.index.fleet import Fleet, HostView


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
        numa=tuple(
            NumaRoom(
                number=node["number"],
                socket=node["socket"],
                free_vcpus=node["vcpus"],
                free_memory_mib=node["memory"],
            )
            for node in raw.get("nodes", [])
        ),
        bandwidth_left={
            DeviceId(pf): Bandwidth(egress_mbps=left["egress"], ingress_mbps=left["ingress"])
            for pf, left in raw.get("bandwidth", {}).items()
            if left["egress"] is not None or left["ingress"] is not None
        },
    )


def text_of(device: DeviceRef | None) -> str | None:
    """The ID of a device in the raw data."""
    if device is None:
        return None
    kin = device.kin_id
    return kin if device.vf_index is None else f"{kin}-vf{device.vf_index}"


def ref_of(device: RawDevice) -> DeviceRef:
    if device["pf"] is None:
        return DeviceRef(DeviceId(device["id"]))
    return DeviceRef(DeviceId(device["pf"]), device["vf_index"])


def devices_of(raw: RawHost) -> tuple[PoolMember, ...]:
    return tuple(
        PoolMember(
            ref=ref_of(device),
            kind=DeviceKind(device["kind"]),
            address=device["id"],
            attributes=device["attributes"],
            taken=not device["free"],
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
                numa=None if nic.get("numa") is None else NumaPolicy(nic["numa"]),
                egress_mbps=nic.get("egress", 0),
                ingress_mbps=nic.get("ingress", 0),
            )
            for nic in raw["nics"]
        ),
        vcpus=raw["vcpus"],
        memory_mib=raw["memory"],
        disk_gib=raw["disk"],
        excluded_hosts=frozenset(map(HostId, raw["excluded"])),
        only_host=None if raw["only"] is None else HostName(raw["only"]),
        even_disabled=raw.get("even_disabled", False),
        rules=tuple(
            GroupRule(
                scope=Scope(rule["scope"]),
                apart=rule["apart"],
                hard=rule["hard"],
                nics=frozenset(rule["nics"]),
            )
            for rule in raw.get("rules", [])
        ),
    )

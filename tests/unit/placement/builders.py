"""Hosts and requests, valid by default; each test states only what matters to it."""

from __future__ import annotations

from collections.abc import Mapping

from trunkline.domain.bandwidth import Bandwidth
from trunkline.domain.device import DeviceKind, DeviceRef
from trunkline.domain.device_pool import PoolMember, pools_of
from trunkline.domain.ids import DeviceId, HostId, HostName, PhysicalNetwork, SegmentId
from trunkline.placement.asks.request import (
    HostRefusal,
    NicDemand,
    NotPlaced,
    Placed,
    PlacementRequest,
    SegmentOption,
)
from trunkline.placement.hosts.views import NumaRoom
from trunkline.placement.index.criteria import DEFAULT_RANKING, Ranking
from trunkline.placement.index.fleet import Fleet, HostView
from trunkline.placement.place import place


def a_pf(name: str, physnet: str = "phy1", *, free: bool = True, **tags: str) -> PoolMember:
    return PoolMember(
        ref=DeviceRef(DeviceId(name)),
        kind=DeviceKind.PF,
        address=f"address-of-{name}",
        attributes=_attributes(physnet, tags),
        taken=not free,
    )


def vfs(
    pf: str, count: int, physnet: str = "phy1", *, owned: int = 0, **tags: str
) -> list[PoolMember]:
    """VFs `pf.0`, `pf.1`…, of which the first `owned` have owners."""
    return [
        PoolMember(
            ref=DeviceRef(DeviceId(pf), index),
            kind=DeviceKind.VF,
            attributes=_attributes(physnet, tags),
            taken=index < owned,
        )
        for index in range(count)
    ]


def _attributes(physnet: str, tags: dict[str, str]) -> dict[str, str]:
    tagged = {f"e.{key}": value for key, value in tags.items()}
    return {"vendor_id": "15b3", "e.physical_network": physnet, **tagged}


def a_host(
    name: str,
    *devices: PoolMember | list[PoolMember],
    enabled: bool = True,
    up: bool = True,
    vcpus: int = 16,
    memory_mib: int = 65536,
    disk_gib: int = 500,
    bridges: tuple[str, ...] = (),
    bandwidth: Mapping[str, Bandwidth] | None = None,
    numa: tuple[NumaRoom, ...] = (),
) -> HostView:
    flat: list[PoolMember] = []
    for device in devices:
        flat += device if isinstance(device, list) else [device]
    return HostView(
        id=HostId(f"id-{name}"),
        name=HostName(name),
        generation=1,
        enabled=enabled,
        up=up,
        free_vcpus=vcpus,
        free_memory_mib=memory_mib,
        free_disk_gib=disk_gib,
        bridges=frozenset(map(PhysicalNetwork, bridges)),
        pools=pools_of(flat),
        bandwidth_left={DeviceId(pf): left for pf, left in (bandwidth or {}).items()},
        numa=numa,
    )


def a_node(
    number: int, *, vcpus: int = 8, memory_mib: int = 32768, socket: int | None = None
) -> NumaRoom:
    return NumaRoom(number=number, socket=socket, free_vcpus=vcpus, free_memory_mib=memory_mib)


def a_fleet(*hosts: HostView, ranking: Ranking = DEFAULT_RANKING) -> Fleet:
    fleet = Fleet(ranking)
    for host in hosts:
        fleet.put_host(host)
    return fleet


def a_nic(
    name: str,
    *physnets: str,
    kind: DeviceKind | None = DeviceKind.VF,
    egress_mbps: int = 0,
    ingress_mbps: int = 0,
    **tags: str,
) -> NicDemand:
    """A NIC on a network with a segment on each of `physnets`."""
    return NicDemand(
        nic=name,
        kind=kind,
        options=tuple(
            SegmentOption(
                segment_id=SegmentId(f"on {physnet}"),
                attributes={} if kind is None else {"e.physical_network": physnet},
                physical_network=PhysicalNetwork(physnet),
            )
            for physnet in physnets
        ),
        attributes={f"e.{key}": value for key, value in tags.items()},
        egress_mbps=egress_mbps,
        ingress_mbps=ingress_mbps,
    )


def a_whole_pf(name: str, physnet: str = "phy1") -> NicDemand:
    return a_nic(name, physnet, kind=DeviceKind.PF)


def a_request(
    *nics: NicDemand, vcpus: int = 1, memory_mib: int = 1024, disk_gib: int = 1
) -> PlacementRequest:
    return PlacementRequest(nics=nics, vcpus=vcpus, memory_mib=memory_mib, disk_gib=disk_gib)


def placed(request: PlacementRequest, fleet: Fleet) -> Placed:
    answer = place(request, fleet)
    assert isinstance(answer, Placed), answer
    return answer


def refused(request: PlacementRequest, fleet: Fleet) -> NotPlaced:
    answer = place(request, fleet)
    assert isinstance(answer, NotPlaced), answer
    return answer


def only_refusal(request: PlacementRequest, host: HostView) -> HostRefusal:
    """Why the only host of a fleet refuses."""
    (refusal,) = refused(request, a_fleet(host)).explanation.nearest
    assert (refusal.host_id, refusal.host_name) == (host.id, host.name)
    return refusal


def device_ids(answer: Placed) -> list[str | None]:
    return [text_of(choice.device) for choice in answer.choices]


def by_nic(answer: Placed) -> dict[str, str | None]:
    names = (choice.nic for choice in answer.choices)
    return dict(zip(names, device_ids(answer), strict=True))


def text_of(device: DeviceRef | None) -> str | None:
    """The ID that `a_pf` and `vfs` give a device."""
    if device is None:
        return None
    kin = device.kin_id
    return kin if device.vf_index is None else f"{kin}.{device.vf_index}"


def ref_of(text: str) -> DeviceRef:
    kin, _, index = text.partition(".")
    return DeviceRef(DeviceId(kin), int(index) if index else None)


def host_names(fleet: Fleet, answers: list[Placed]) -> list[str]:
    return [fleet.view(answer.host_id).name for answer in answers]

"""The fleet index as the benchmarks use it: the only file of theirs that knows its interface."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks._raw_fleet import NUMA_NODES, VFS_PER_PF, RawHost, RawPf, Wants
from benchmarks._raw_rules import RawAsk, RawRule
from trunkline.domain.device import DeviceKind, DeviceRef
from trunkline.domain.device_pool import DevicePool
from trunkline.domain.ids import DeviceId, HostId, HostName, PhysicalNetwork, SegmentId
from trunkline.domain.nic_rules import NumaPolicy, Scope
from trunkline.placement.asks.request import (
    GroupRule,
    NicDemand,
    Page,
    Placed,
    PlacementRequest,
    SegmentOption,
)
from trunkline.placement.hosts.views import HostView, NumaRoom
from trunkline.placement.index.criteria import make_ranking
from trunkline.placement.index.fleet import Fleet, Hold
from trunkline.placement.place import candidates, find_placement
from trunkline.placement.planning.capacity import capacity, rows_of
from trunkline.placement.reasons.explanation import explain

FACTS = ("vendor_id", "product_id")  # Told by the hardware; all else are tags, with a prefix.

__all__ = [
    "Hold",
    "Index",
    "Placed",
    "PlacementRequest",
    "as_view",
    "make_request",
    "make_ruled_request",
]


class Index:
    """A fleet of raw hosts, decided on."""

    def __init__(self, views: Iterable[HostView]) -> None:
        self._fleet = Fleet()
        for view in views:
            self._fleet.put_host(view)
        self._fleet.columns()

    def decide(self, request: PlacementRequest) -> Placed | None:
        """Choose host and devices, or find that there are none."""
        return find_placement(request, self._fleet)

    def rank_by_weights(self) -> None:
        """From now on, hosts come by a weighted sum of four criteria."""
        self._fleet.ranking = make_ranking(
            None, {"spare_tags": 10, "spread_devices": 2, "spread_memory": 1, "spread_vcpus": 1}
        )

    def hold(self, placed: Placed, request: PlacementRequest) -> Hold:
        """Take what was chosen."""
        return self._fleet.hold(placed, request)

    def release(self, hold: Hold) -> None:
        """The server is gone from its host."""
        self._fleet.free_devices(hold.host_id, hold.devices)
        self._fleet.adjust(hold.host_id, vcpus=hold.vcpus, memory_mib=hold.memory_mib)

    def take_vf(self, host: int, pf: int, vf: int) -> None:
        """One change from the store: a VF has an owner."""
        self._fleet.take_device(_host_id(host), _vf(host, pf, vf))

    def free_vf(self, host: int, pf: int, vf: int) -> None:
        """One change from the store: a VF has no owner any more."""
        self._fleet.free_device(_host_id(host), _vf(host, pf, vf))

    def explain(self, request: PlacementRequest) -> str:
        """Work out why each host refuses, and the smallest change; return that change."""
        return explain(request, self._fleet).smallest_change

    def explain_page(self, request: PlacementRequest, after: str) -> int:
        """The same, with the hundred hosts besides that come after a name; how many are told."""
        return len(explain(request, self._fleet, page=Page(limit=100, after=HostName(after))).page)

    def capacity(self, request: PlacementRequest) -> int:
        """Count how many more such servers fit on all hosts, as far as that is proven."""
        return capacity(request, rows_of(self._fleet.columns().hosts)).least

    def accepting(self, request: PlacementRequest) -> set[int]:
        """The numbers of all hosts that can take the request."""
        return {int(placed.host_id) for placed in candidates(request, self._fleet)}

    @staticmethod
    def chosen(placed: Placed) -> tuple[int, list[tuple[int, int]]]:
        """The host's number, and PF and VF numbers of the devices."""
        devices = []
        for choice in placed.choices:
            assert choice.device is not None
            assert choice.device.vf_index is not None
            _, pf = choice.device.kin_id.split(".")
            devices.append((int(pf), choice.device.vf_index))
        return int(placed.host_id), devices


def as_view(number: int, host: RawHost) -> HostView:
    """One host as placement is told about it."""
    return HostView(
        id=_host_id(number),
        name=HostName(host.name),
        free_vcpus=1_000_000,
        free_memory_mib=host.memory_mib,
        pools=tuple(pool for p, pf in enumerate(host.pfs) for pool in _pools(number, p, pf)),
        numa=tuple(
            NumaRoom(
                number=node,
                socket=node,
                free_vcpus=1_000_000 // NUMA_NODES,
                free_memory_mib=host.memory_mib // NUMA_NODES,
            )
            for node in range(NUMA_NODES)
        ),
    )


def _pools(number: int, p: int, pf: RawPf) -> tuple[DevicePool, DevicePool]:
    attributes = pf.facts | {f"e.{name}": value for name, value in pf.tags.items()}
    attributes["numa_node"] = str(pf.numa_node)
    every = (1 << VFS_PER_PF) - 1
    return (
        DevicePool(
            kin_id=_pf_id(number, p),
            kind=DeviceKind.PF,
            attributes=attributes | {"dev_type": "pf"},
            address=pf.address,
        ),
        DevicePool(
            kin_id=_pf_id(number, p),
            kind=DeviceKind.VF,
            attributes=attributes | {"dev_type": "vf"},
            members=every,
            offered=every,
            taken=every & ~pf.free,
        ),
    )


def make_request(nics: Sequence[Wants]) -> PlacementRequest:
    """A server of usual size."""
    return make_ruled_request(RawAsk(list(nics)))


def make_ruled_request(ask: RawAsk) -> PlacementRequest:
    """The same with rules over its NICs."""
    return PlacementRequest(
        nics=tuple(_nic(number, wants, ask) for number, wants in enumerate(ask.nics)),
        vcpus=4,
        memory_mib=4096,
        rules=tuple(map(_rule, ask.rules)),
    )


def _rule(rule: RawRule) -> GroupRule:
    nics = frozenset(f"nic {number}" for number in rule.nics)
    return GroupRule(scope=Scope(rule.scope), apart=rule.apart, hard=True, nics=nics)


def _nic(number: int, wants: Wants, ask: RawAsk) -> NicDemand:
    network = PhysicalNetwork(wants["physical_network"])
    option = SegmentOption(
        segment_id=SegmentId(network),
        attributes={"e.physical_network": network},
        physical_network=network,
    )
    rest = {
        name if name in FACTS else f"e.{name}": value
        for name, value in wants.items()
        if name != "physical_network"
    }
    return NicDemand(
        nic=f"nic {number}",
        kind=DeviceKind.VF,
        options=(option,),
        attributes=rest,
        numa=NumaPolicy.REQUIRED if ask.numa_required else None,
        egress_mbps=ask.mbps,
        ingress_mbps=ask.mbps,
    )


def _host_id(number: int) -> HostId:
    return HostId(str(number))


def _pf_id(host: int, pf: int) -> DeviceId:
    return DeviceId(f"{host}.{pf}")


def _vf(host: int, pf: int, vf: int) -> DeviceRef:
    return DeviceRef(_pf_id(host, pf), vf)

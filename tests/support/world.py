"""A control plane over a real store, with hosts whose agents are played by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from tests.support.clock import ManualClock, SeededIds
from tests.support.databases import a_sqlite_database
from trunkline.control.fleet import LiveFleet
from trunkline.control.hosts import ensure_host
from trunkline.control.networking import IdRange, Networking
from trunkline.control.provider_trees import ProviderTrees, trees_of_all
from trunkline.control.reports import take_report
from trunkline.control.services import Limits, Services
from trunkline.domain.clock import Clock
from trunkline.domain.console import ConsoleFact
from trunkline.domain.device import DeviceKind, OfferedDevice, PciFunction
from trunkline.domain.ether import MacAddress
from trunkline.domain.host import HostResources
from trunkline.domain.identity import MEMBER, Caller, with_implied
from trunkline.domain.ids import (
    FlavorId,
    HostName,
    NetworkId,
    PhysicalNetwork,
    ProjectId,
    SegmentId,
    UserId,
)
from trunkline.domain.network import Network, NetworkType, Segment
from trunkline.domain.network_pool import NetworkPool, PoolMode
from trunkline.domain.pci import PciAddress, vf_address
from trunkline.domain.server import Flavor
from trunkline.netdrivers.builtin import PhysicalNetworkDriver, TunnelDriver
from trunkline.reconcile.report import (
    DeviceFact,
    GuestFact,
    HostReport,
    NicFact,
    ReportAck,
    ServerFact,
    TakenFact,
)
from trunkline.store.schema import open_store
from trunkline.vif.registry import load_vif_types

PHY1, PHY2 = PhysicalNetwork("phy1"), PhysicalNetwork("phy2")


def a_caller(name: str = "demo", *roles: str) -> Caller:
    """Somebody of the project of the same name; a member unless roles are given."""
    return Caller(
        user_id=UserId(f"user-{name}"),
        user_name=name,
        project_id=ProjectId(f"project-{name}"),
        project_name=name,
        roles=with_implied(roles or (MEMBER,)),
        request_id="req-test",
    )


ADMIN = a_caller("admin", "admin")
DEMO = a_caller("demo")
OTHER = a_caller("other")


@contextmanager
def a_world(
    tmp_path: Path,
    *,
    url: str | None = None,
    seed: int = 0,
    clock: Clock | None = None,
) -> Iterator[Services]:
    """Open a control plane.

    Args:
        tmp_path: Where images are kept, and the database unless `url` says another.
        clock: Stands still at a day long ago unless given.
    """
    clock = clock or ManualClock()
    store = open_store(url or a_sqlite_database(tmp_path / "trunkline.db"))
    limits = Limits()
    images_dir = tmp_path / "images"
    images_dir.mkdir(exist_ok=True)
    fleet = LiveFleet(
        clock,
        host_silent_seconds_max=limits.host_silent_seconds_max,
        replicated=store.dialect == "postgresql",
    )
    svc = Services(
        store=store,
        clock=clock,
        ids=SeededIds(seed),
        fleet=fleet,
        provider_trees=ProviderTrees(store),
        networking=Networking(
            vlan_ranges=MappingProxyType({PHY1: (IdRange(100, 199),), PHY2: (IdRange(200, 299),)}),
            drivers=(PhysicalNetworkDriver({}), TunnelDriver({})),
        ),
        vif_types=load_vif_types(),
        images_dir=images_dir,
        wake_host=lambda _: None,
        limits=limits,
    )
    store.read(fleet.load)
    svc.provider_trees.all()
    try:
        yield svc
        assert_trees_followed(svc)
    finally:
        store.close()


def assert_trees_followed(svc: Services) -> None:
    """Hold the provider trees in memory, read long ago, against the store's."""
    followed = {tree.root.host_id: tree.providers for tree in svc.provider_trees.all()}
    stored = svc.store.read(trees_of_all)
    assert followed == {host_id: tree.providers for host_id, tree in stored.items()}


def pooled(card: Sequence[OfferedDevice], mode: PoolMode) -> list[OfferedDevice]:
    """The same card with its VFs in the network pool of its network, and its PF not on offer."""
    pool = NetworkPool(f"trunkline-{card[0].tags['physical_network']}", mode)
    return [
        replace(device, on_offer=False, tags={})
        if device.function.kind is DeviceKind.PF
        else replace(device, network_pool=pool)
        for device in card
    ]


def a_card(
    bus: int,
    physical_network: str,
    *,
    vf_count: int = 4,
    driver: str = "mlx5_core",
    tags: Mapping[str, str] | None = None,
    serial: int = 0,
    numa_node: int | None = None,
) -> list[OfferedDevice]:
    """One PF at ``0000:BUS:00.0`` with its VFs, all on offer and cabled to one physical network."""
    pf = PciAddress(0, bus, 0, 0)
    all_tags = {"physical_network": physical_network, **(tags or {})}
    functions = [
        PciFunction(
            address=pf,
            kind=DeviceKind.PF,
            vendor_id="15b3",
            product_id="1017",
            numa_node=numa_node,
            driver=driver,
            pf_driver=driver,
            ifname=f"eth{bus}",
            mac=MacAddress(f"02:00:{serial >> 8:02x}:{serial & 255:02x}:{bus:02x}:00"),
            vf_count=vf_count,
            vf_count_max=vf_count,
        )
    ]
    functions += [
        PciFunction(
            address=vf_address(pf, vf_index=index, vf_offset=16, vf_stride=1),
            kind=DeviceKind.VF,
            vendor_id="15b3",
            product_id="1018",
            numa_node=numa_node,
            driver=driver,
            pf_driver=driver,
            ifname=f"eth{bus}v{index}",
            pf_address=pf,
            vf_index=index,
        )
        for index in range(vf_count)
    ]
    return [OfferedDevice(function=function, tags=all_tags) for function in functions]


class AgentByHand:
    """Says what an agent would, when it is told to."""

    def __init__(
        self,
        svc: Services,
        name: str,
        inventory: Sequence[OfferedDevice],
        *,
        run_id: str = "run",
    ) -> None:
        self._svc = svc
        self._run_id = run_id
        self._number = 0
        self.last_ack = ReportAck(generation=0)
        self.name = HostName(name)
        svc.store.write(lambda tx: ensure_host(tx, svc, self.name))
        self.report(inventory=tuple(inventory), resources=HostResources(
            vcpus=64, memory_mib=262144, disk_gib=4096,
            bridges={PHY1: "br-phy1", PHY2: "br-phy2"},
        ))  # fmt: skip

    def report(
        self,
        *,
        inventory: tuple[OfferedDevice, ...] | None = None,
        resources: HostResources | None = None,
        devices: Sequence[DeviceFact] = (),
        servers: Sequence[ServerFact] = (),
        taken: Sequence[TakenFact] = (),
        consoles: Sequence[ConsoleFact] = (),
        guests: Sequence[GuestFact] = (),
        nics: Sequence[NicFact] = (),
        number: int | None = None,
        generation: int = 0,
        settled: bool = False,
        problem: str = "",
    ) -> ReportAck:
        """Report; `number` repeats an old one."""
        self._number += 1
        self.last_ack = take_report(
            self._svc,
            HostReport(
                host=self.name,
                run_id=self._run_id,
                problem=problem,
                number=number or self._number,
                generation=generation,
                settled=settled,
                resources=resources,
                inventory=inventory,
                devices=tuple(devices),
                servers=tuple(servers),
                taken=tuple(taken),
                consoles=tuple(consoles),
                guests=tuple(guests),
                nics=tuple(nics),
            ),
        )
        return self.last_ack


def a_network(
    svc: Services,
    name: str,
    *physical: tuple[PhysicalNetwork, int],
    project: Caller = DEMO,
    network_type: NetworkType = NetworkType.VLAN,
) -> Network:
    """Store a network with a VLAN segment on each of the physical networks given."""
    network_id = NetworkId(svc.ids.new_id())
    now = svc.clock.now()
    network = Network(
        id=network_id,
        project_id=project.own_project,
        name=name,
        provider=True,
        created_at=now,
        updated_at=now,
        segments=tuple(
            Segment(
                id=SegmentId(svc.ids.new_id()),
                network_id=network_id,
                network_type=network_type,
                physical_network=physical_network,
                segmentation_id=vlan_id,
                created_at=now,
                updated_at=now,
            )
            for physical_network, vlan_id in physical
        ),
    )
    svc.store.write(lambda tx: tx.networks.insert(network))
    return network


def a_flavor(svc: Services, name: str = "small") -> Flavor:
    """Store a flavor."""
    flavor = Flavor(
        id=FlavorId(name),
        name=name,
        vcpus=1,
        memory_mib=512,
        disk_gib=1,
        created_at=svc.clock.now(),
    )
    svc.store.write(lambda tx: tx.flavors.insert(flavor))
    return flavor

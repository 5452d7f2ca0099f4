"""What goes in comes out equal, on both databases, whatever it holds."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store.undone import undone
from tests.support.world import a_card
from trunkline.domain.audit import AuditEvent
from trunkline.domain.device import DeviceKind
from trunkline.domain.errors import NotFound
from trunkline.domain.ether import MacAddress
from trunkline.domain.host import Host, HostResources
from trunkline.domain.ids import (
    DeviceId,
    FlavorId,
    HostId,
    HostName,
    ImageId,
    NetworkId,
    PciFlavorId,
    PhysicalNetwork,
    PortId,
    ProjectId,
    SegmentId,
    ServerId,
    SubnetId,
    UserId,
)
from trunkline.domain.image import Image, ImageState
from trunkline.domain.listing import ListQuery
from trunkline.domain.network import AddressPool, HostRoute, Network, NetworkType, Segment, Subnet
from trunkline.domain.nic_rules import NumaPolicy
from trunkline.domain.pci_flavor import Condition, How, PciFlavor
from trunkline.domain.pci_request import PciRequest
from trunkline.domain.port import FixedIp, Port, VnicType
from trunkline.domain.server import Fault, Flavor, PowerState, Server, ServerState
from trunkline.domain.server_lock import LockedBy
from trunkline.store.devices import DeviceRecord
from trunkline.store.engine import Store
from trunkline.store.transaction import Transaction

# PostgreSQL's text has no NUL, and UTF-8 no surrogates: the API refuses both.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
SOME_TEXT = st.none() | TEXT
IDS = st.uuids().map(str)
TIMES = st.integers(0, 10**15).map(
    lambda n: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=n)
)
COUNTS = st.integers(0, 2**31 - 1)
TEXT_MAPS = st.dictionaries(TEXT, TEXT, max_size=4)
FLAVORS = st.builds(
    Flavor, id=IDS.map(FlavorId), name=IDS, vcpus=COUNTS, memory_mib=COUNTS, disk_gib=COUNTS,
    created_at=TIMES, description=SOME_TEXT, is_public=st.booleans(), extra_specs=TEXT_MAPS,
)  # fmt: skip
CONDITIONS = st.builds(
    Condition, attribute=TEXT, how=st.sampled_from(How),
    values=st.lists(TEXT, min_size=1, max_size=3).map(tuple),
)  # fmt: skip
MATCHES = st.lists(st.lists(CONDITIONS, min_size=1, max_size=3).map(tuple), max_size=3).map(tuple)
PCI_FLAVORS = st.builds(
    PciFlavor, id=IDS.map(PciFlavorId), name=IDS, alternatives=MATCHES, description=TEXT,
    created_at=TIMES, updated_at=TIMES,
)  # fmt: skip
PCI_REQUESTS = st.builds(
    PciRequest, name=TEXT, count=COUNTS, match=MATCHES, kind=st.sampled_from(DeviceKind),
    or_kinds=st.lists(st.sampled_from(DeviceKind), max_size=2).map(tuple),
)  # fmt: skip
FAULTS = st.builds(Fault, code=COUNTS, message=TEXT, details=TEXT, at=TIMES)
SERVERS = st.builds(
    Server, id=IDS.map(ServerId), project_id=IDS.map(ProjectId), user_id=IDS.map(UserId), name=TEXT,
    state=st.sampled_from([state for state in ServerState if state is not ServerState.DELETED]),
    flavor=FLAVORS, image_id=st.none() | IDS.map(ImageId),
    port_ids=st.lists(IDS.map(PortId), max_size=3).map(tuple), created_at=TIMES, updated_at=TIMES,
    nic_tags=st.dictionaries(IDS.map(PortId), TEXT, max_size=3),
    pci_requests=st.lists(PCI_REQUESTS, max_size=2).map(tuple),
    power=st.sampled_from(PowerState), boot_number=COUNTS,
    excluded_hosts=st.lists(IDS.map(HostId), max_size=3).map(tuple), fault=st.none() | FAULTS,
    description=SOME_TEXT, metadata=TEXT_MAPS, tags=st.lists(TEXT, max_size=3).map(tuple),
    config_drive=st.booleans(), key_name=SOME_TEXT, public_key=SOME_TEXT, user_data=SOME_TEXT,
    hostname=TEXT,
    reservation_id=st.just("r-12345678"), launched_at=st.none() | TIMES,
    terminated_at=st.none() | TIMES, locked_by=st.none() | st.sampled_from(LockedBy),
    locked_reason=SOME_TEXT, image_properties=TEXT_MAPS,
    scheduler_hints=st.dictionaries(TEXT, TEXT | st.lists(TEXT, max_size=2), max_size=2),
)  # fmt: skip
IMAGES = st.builds(
    Image, id=IDS.map(ImageId), project_id=IDS.map(ProjectId), name=SOME_TEXT,
    state=st.sampled_from(ImageState), created_at=TIMES, updated_at=TIMES,
    visibility=st.sampled_from(["public", "private", "shared", "community"]),
    protected=st.booleans(), hidden=st.booleans(), size_bytes=st.none() | st.integers(0, 2**62),
    tags=st.lists(TEXT, max_size=3).map(tuple), properties=TEXT_MAPS,
)  # fmt: skip
HOSTS = st.builds(
    Host, id=IDS.map(HostId), name=IDS.map(HostName), generation=COUNTS,
    resources=st.builds(
        HostResources, vcpus=COUNTS, memory_mib=COUNTS, disk_gib=COUNTS,
        bridges=st.dictionaries(TEXT.map(PhysicalNetwork), TEXT, max_size=3),
    ),
    created_at=TIMES, updated_at=TIMES, enabled=st.booleans(), disabled_reason=SOME_TEXT,
    last_seen=st.none() | TIMES, run_id=IDS, report_number=COUNTS, applied_generation=COUNTS,
    problem=TEXT, former_runs=st.lists(IDS, max_size=3).map(tuple),
)  # fmt: skip
MACS = st.integers(0, 2**40 - 1).map(
    lambda n: MacAddress(":".join(f"{byte:02x}" for byte in (2 << 40 | n).to_bytes(6, "big")))
)


@st.composite
def networks(draw: st.DrawFn) -> Network:
    network_id = NetworkId(draw(IDS))
    segments = tuple(
        Segment(
            id=SegmentId(draw(IDS)), network_id=network_id, network_type=NetworkType.VLAN,
            physical_network=PhysicalNetwork(draw(IDS)), segmentation_id=draw(st.integers(1, 4094)),
            created_at=draw(TIMES), updated_at=draw(TIMES),
        )
        for _ in range(draw(st.integers(0, 3)))
    )  # fmt: skip
    flat = Segment(
        id=SegmentId(draw(IDS)), network_id=network_id, network_type=NetworkType.FLAT,
        physical_network=PhysicalNetwork(draw(IDS)), segmentation_id=None,
        created_at=draw(TIMES), updated_at=draw(TIMES),
    )  # fmt: skip
    return Network(
        id=network_id, project_id=ProjectId(draw(IDS)), name=draw(TEXT), segments=(*segments, flat),
        created_at=draw(TIMES), updated_at=draw(TIMES), description=draw(TEXT),
        shared=draw(st.booleans()), provider=draw(st.booleans()), mtu=draw(COUNTS),
    )  # fmt: skip


@settings(max_examples=30)
@given(SERVERS, SERVERS)
def test_a_server(shared_store: Store, server: Server, changed: Server) -> None:
    changed = replace(changed, id=server.id)

    def example(tx: Transaction) -> None:
        tx.servers.insert(server)
        assert tx.servers.get(server.id) == server
        tx.servers.update(changed)
        assert tx.servers.get(server.id) == changed

    undone(shared_store, example)


@settings(max_examples=20)
@given(IMAGES, FLAVORS)
def test_an_image_and_a_flavor(shared_store: Store, image: Image, flavor: Flavor) -> None:
    def example(tx: Transaction) -> None:
        tx.images.insert(image)
        assert tx.images.get(image.id) == image
        tx.flavors.insert(flavor)
        assert tx.flavors.get(flavor.id) == flavor

    undone(shared_store, example)


@settings(max_examples=20)
@given(PCI_FLAVORS, PCI_FLAVORS)
def test_a_pci_flavor(shared_store: Store, flavor: PciFlavor, changed: PciFlavor) -> None:
    changed = replace(changed, id=flavor.id)

    def example(tx: Transaction) -> None:
        tx.pci_flavors.insert(flavor)
        assert tx.pci_flavors.get(flavor.id) == flavor
        assert tx.pci_flavors.named([flavor.name, "no such name"]) == {flavor.name: flavor}
        tx.pci_flavors.update(changed)
        assert tx.pci_flavors.get(flavor.id) == changed
        tx.pci_flavors.delete(changed)
        assert tx.pci_flavors.named([changed.name]) == {}

    undone(shared_store, example)


@settings(max_examples=20)
@given(HOSTS, HOSTS)
def test_a_host_whose_generation_is_not_changed_by_an_update(
    shared_store: Store, host: Host, changed: Host
) -> None:
    changed = replace(changed, id=host.id)
    kept = replace(changed, name=host.name, generation=host.generation, created_at=host.created_at)

    def example(tx: Transaction) -> None:
        tx.hosts.insert(host)
        assert tx.hosts.get_by_name(host.name) == host
        tx.hosts.update(changed)
        assert tx.hosts.get(host.id) == kept

    undone(shared_store, example)


@settings(max_examples=20)
@given(networks(), st.data())
def test_a_network_with_a_subnet_and_a_port(
    shared_store: Store, network: Network, data: st.DataObject
) -> None:
    draw = data.draw
    cidr = IPv4Network("192.0.2.0/24")
    subnet = Subnet(
        id=SubnetId(draw(IDS)), network_id=network.id, project_id=ProjectId(draw(IDS)),
        name=draw(TEXT), cidr=cidr, gateway_ip=draw(st.none() | st.just(cidr[1])),
        allocation_pools=(AddressPool("192.0.2.2", "192.0.2.9"),), created_at=draw(TIMES),
        updated_at=draw(TIMES), dns_nameservers=tuple(draw(st.lists(TEXT, max_size=2))),
        host_routes=(HostRoute("10.0.0.0/8", "192.0.2.3"),),
    )  # fmt: skip
    port = Port(
        id=PortId(draw(IDS)), network_id=network.id, project_id=ProjectId(draw(IDS)),
        name=draw(TEXT), mac=draw(MACS), created_at=draw(TIMES), updated_at=draw(TIMES),
        vnic_type=draw(st.sampled_from(VnicType)), description=draw(TEXT),
        fixed_ips=tuple(
            FixedIp(subnet.id, str(cidr[n]))
            for n in draw(st.lists(st.integers(2, 9), unique=True, max_size=3))
        ),
        trusted=draw(st.booleans()), profile=draw(TEXT_MAPS), device_owner=draw(TEXT),
        numa_policy=draw(st.none() | st.sampled_from(NumaPolicy)),
    )  # fmt: skip

    def example(tx: Transaction) -> None:
        tx.networks.insert(network)
        tx.subnets.insert(subnet)
        tx.ports.insert(port)
        assert tx.networks.get(network.id) == network
        assert tx.subnets.get(subnet.id) == subnet
        assert tx.ports.get(port.id) == port
        tx.ports.delete(port.id)
        tx.subnets.delete(subnet.id)
        tx.networks.delete(network.id)
        assert tx.networks.find(network.id) is None

    undone(shared_store, example)


def test_devices_of_a_card(shared_store: Store) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    host = Host(
        id=HostId(str(uuid.UUID(int=1))), name=HostName("h1"), generation=1,
        resources=HostResources(vcpus=1, memory_mib=1, disk_gib=1), created_at=now, updated_at=now,
    )  # fmt: skip
    pf_id = DeviceId("pf")
    records = [
        DeviceRecord(
            id=pf_id if number == 0 else DeviceId(f"vf {number}"), host_id=host.id,
            pf_id=None if number == 0 else pf_id, offered=True, epoch=number, held_whole=False,
            vfs_held=0, device=device,
        )
        for number, device in enumerate(a_card(5, "phy1", tags={"rack": "ü"}))
    ]  # fmt: skip

    def example(tx: Transaction) -> None:
        tx.hosts.insert(host)
        tx.devices.insert_many(records)
        assert tx.devices.of_host(host.id) == records

    undone(shared_store, example)


@settings(max_examples=20)
@given(TIMES, TEXT, TEXT_MAPS)
def test_an_event(shared_store: Store, at: datetime, text: str, details: dict[str, str]) -> None:
    event = AuditEvent(number=0, at=at, actor=text, action="a.b", subject=text, details=details)

    def example(tx: Transaction) -> None:
        tx.events.add(event)
        [newest] = tx.events.page(ListQuery(limit=1))
        assert replace(newest, number=0) == event

    undone(shared_store, example)


@pytest.mark.parametrize(
    "noun", ["servers", "ports", "hosts", "networks", "subnets", "images", "flavors", "devices"]
)
def test_what_is_not_there_is_named(shared_store: Store, noun: str) -> None:
    with pytest.raises(NotFound) as missing:
        shared_store.read(lambda tx: getattr(tx, noun).get("x"))
    assert missing.value.ref == "x"

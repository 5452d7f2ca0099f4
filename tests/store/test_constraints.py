"""The second guard: what may not be is refused by the schema itself, whoever asks for it.

h1: 0000:05:00.0 phy1 with 4 VFs; network blue: vlan 100 on phy1, 192.0.2.0/24.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network

import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError

from tests.support.world import ADMIN, DEMO, PHY1, AgentByHand, a_card, a_network
from trunkline.control.network_requests import SubnetCreate
from trunkline.control.ports import create_port
from trunkline.control.requests import PortCreate
from trunkline.control.services import Services
from trunkline.control.subnets import create_subnet
from trunkline.domain.allocation import Allocation
from trunkline.domain.binding import Binding
from trunkline.domain.errors import AlreadyExists, DeviceTaken, GenerationMoved, InUse
from trunkline.domain.host import HostUse
from trunkline.domain.ids import (
    AllocationId,
    HostId,
    HostName,
    NetworkId,
    PciFlavorId,
    PortId,
    SegmentId,
)
from trunkline.domain.network import Network
from trunkline.domain.numa import NumaUse
from trunkline.domain.pci_flavor import PciFlavor
from trunkline.domain.port import Port, VnicType
from trunkline.store.devices import DeviceRecord
from trunkline.store.tables import devices, pci_flavors, subnets
from trunkline.store.transaction import Transaction

SLOT = "0000:05:02.0"


@pytest.fixture
def network(svc: Services) -> Network:
    AgentByHand(svc, "h1", a_card(5, "phy1"))
    network = a_network(svc, "blue", (PHY1, 100))
    create_subnet(svc, DEMO, SubnetCreate(network_id=network.id, cidr=IPv4Network("192.0.2.0/24")))
    return network


@pytest.fixture
def bound(svc: Services, network: Network) -> Port:
    """A port with an address, and the VF at `SLOT` claimed for it."""
    request = PortCreate(
        network_id=network.id, vnic_type=VnicType.DIRECT, host=HostName("h1"),
        profile={"pci_slot": SLOT},
    )  # fmt: skip
    return create_port(svc, ADMIN, request).port


def device(tx: Transaction, address: str) -> DeviceRecord:
    found = tx.devices.find_at(tx.hosts.get_by_name("h1").id, address)
    assert found is not None
    return found


def held(tx: Transaction) -> tuple[Allocation, Binding]:
    """The one allocation, and the one binding."""
    [allocation] = tx.allocations.of_host(tx.hosts.get_by_name("h1").id)
    [binding] = tx.bindings.of_host(allocation.host_id)
    return allocation, binding


def test_a_device_has_one_allocation(svc: Services, bound: Port) -> None:
    allocation, _ = svc.store.read(held)
    second = replace(allocation, id=AllocationId("second"), port_id=PortId("other"))
    with pytest.raises(DeviceTaken) as refused:
        svc.store.write(lambda tx: tx.allocations.insert(second, project_id="p"))
    assert isinstance(refused.value.__cause__, IntegrityError)


def test_a_pf_is_not_given_away_whole_while_a_vf_of_it_is_held(svc: Services, bound: Port) -> None:
    with pytest.raises(DeviceTaken):
        svc.store.write(lambda tx: tx.devices.take(device(tx, "0000:05:00.0")))
    with pytest.raises(IntegrityError):
        svc.store.write(
            lambda tx: tx._connection.execute(
                update(devices).where(devices.c.kind == "pf").values(held_whole=True)
            )
        )


def test_no_vf_is_taken_of_a_pf_that_is_given_away_whole(svc: Services, network: Network) -> None:
    svc.store.write(lambda tx: tx.devices.take(device(tx, "0000:05:00.0")))
    with pytest.raises(DeviceTaken):
        svc.store.write(lambda tx: tx.devices.take(device(tx, SLOT)))
    assert svc.store.read(lambda tx: device(tx, SLOT).epoch) == 1, "the loser wrote something"


def test_a_pf_is_taken_once(svc: Services, network: Network) -> None:
    svc.store.write(lambda tx: tx.devices.take(device(tx, "0000:05:00.0")))
    with pytest.raises(DeviceTaken):
        svc.store.write(lambda tx: tx.devices.take(device(tx, "0000:05:00.0")))


def test_no_more_is_given_back_to_a_numa_node_than_was_taken(
    svc: Services, network: Network
) -> None:
    host = svc.store.read(lambda tx: tx.hosts.get_by_name("h1"))

    def use_of() -> dict[int, NumaUse]:
        return dict(svc.store.read(lambda tx: tx.hosts.use_of(host.id)).numa)

    web = HostUse(2, 512, 1, {1: NumaUse(2, 512)})
    for _ in range(2):
        svc.store.write(lambda tx: tx.hosts.add_use(host.id, web))
    assert use_of() == {1: NumaUse(4, 1024)}
    for left in ({1: NumaUse(2, 512)}, {}):
        svc.store.write(lambda tx: tx.hosts.add_use(host.id, -web))
        assert use_of() == left
    with pytest.raises(IntegrityError):
        svc.store.write(lambda tx: tx.hosts.add_use(host.id, -web))
    assert use_of() == {}


def test_a_segment_is_one_networks(svc: Services, network: Network) -> None:
    with pytest.raises(AlreadyExists, match="vlan 100 on phy1"):
        a_network(svc, "red", (PHY1, 100))
    assert len(svc.store.read(lambda tx: tx.networks.get_many([network.id]))) == 1


def test_a_mac_is_one_ports_in_a_network(svc: Services, bound: Port) -> None:
    second = replace(bound, id=PortId("second"), fixed_ips=())
    with pytest.raises(AlreadyExists, match=str(bound.mac)):
        svc.store.write(lambda tx: tx.ports.insert(second))


def test_an_ip_address_is_one_ports_in_a_subnet(svc: Services, bound: Port) -> None:
    assert bound.fixed_ips
    other = create_port(svc, DEMO, PortCreate(network_id=bound.network_id, fixed_ips=())).port
    stolen = replace(other, fixed_ips=bound.fixed_ips, revision=other.revision + 1)
    with pytest.raises(AlreadyExists, match="IP address"):
        svc.store.write(lambda tx: tx.ports.update(stolen, seen=other))


def test_a_port_has_one_binding(svc: Services, bound: Port) -> None:
    _, binding = svc.store.read(held)
    with pytest.raises(AlreadyExists):
        svc.store.write(lambda tx: tx.bindings.insert(replace(binding, device_id=None)))


def test_a_network_with_a_port_and_a_subnet_with_an_address_stay(
    svc: Services, bound: Port
) -> None:
    with pytest.raises(InUse):
        svc.store.write(lambda tx: tx.networks.delete(bound.network_id))
    with pytest.raises(InUse):
        svc.store.write(lambda tx: tx.subnets.delete(bound.fixed_ips[0].subnet_id))


def test_each_write_names_the_generation_it_saw(svc: Services, bound: Port) -> None:
    use = HostUse(1, 512, 1)

    def moved(tx: Transaction) -> tuple[HostId, int]:
        host = tx.hosts.get_by_name("h1")
        tx.hosts.give_room(host.id, use, servers=2, seen=host.generation)
        return host.id, host.generation

    before = svc.store.read(lambda tx: tx.hosts.use_of(tx.hosts.get_by_name("h1").id))
    host_id, seen = svc.store.write(moved)
    with pytest.raises(GenerationMoved):
        svc.store.write(lambda tx: tx.hosts.give_room(host_id, use, servers=1, seen=seen))
    assert svc.store.read(lambda tx: tx.hosts.get(host_id).generation) == seen + 2
    assert svc.store.read(lambda tx: tx.hosts.use_of(host_id)) == before + use


def test_each_revision_can_be_written_over_once(svc: Services, bound: Port) -> None:
    port = replace(bound, name="new", revision=bound.revision + 1)
    network = svc.store.read(lambda tx: tx.networks.get(bound.network_id))
    changed = replace(network, name="new", revision=network.revision + 1)
    [subnet] = svc.store.read(lambda tx: tx.subnets.of_network(network.id))
    renamed = replace(subnet, name="new", revision=subnet.revision + 1)

    def write(tx: Transaction) -> None:
        tx.ports.update(port, seen=bound)

    svc.store.write(write)
    with pytest.raises(GenerationMoved):
        svc.store.write(write)
    svc.store.write(lambda tx: tx.networks.update(changed, seen_revision=network.revision))
    with pytest.raises(GenerationMoved):
        svc.store.write(lambda tx: tx.networks.update(changed, seen_revision=network.revision))
    svc.store.write(lambda tx: tx.subnets.update(renamed, seen_revision=subnet.revision))
    with pytest.raises(GenerationMoved):
        svc.store.write(lambda tx: tx.subnets.update(renamed, seen_revision=subnet.revision))


def test_an_allocation_advances_and_ends_once(svc: Services, bound: Port) -> None:
    allocation, _ = svc.store.read(held)
    svc.store.write(lambda tx: tx.allocations.delete(allocation))
    with pytest.raises(GenerationMoved):
        svc.store.write(lambda tx: tx.allocations.delete(allocation))
    with pytest.raises(GenerationMoved):
        svc.store.write(lambda tx: tx.allocations.advance(allocation, allocation.state))


def test_references_are_checked(svc: Services, network: Network) -> None:
    with pytest.raises(IntegrityError):
        svc.store.write(
            lambda tx: tx._connection.execute(
                update(subnets).values(network_id=NetworkId(SegmentId("nowhere")))
            )
        )


def test_a_pci_flavor_that_a_port_names_stays(svc: Services, network: Network) -> None:
    def make(tx: Transaction) -> PciFlavor:
        at = svc.clock.now()
        flavor = PciFlavor(
            id=PciFlavorId("f" * 36), name="10g", alternatives=(), created_at=at, updated_at=at
        )
        tx.pci_flavors.insert(flavor)
        return flavor

    flavor = svc.store.write(make)
    again = replace(flavor, id=PciFlavorId("e" * 36))
    with pytest.raises(AlreadyExists, match="PCI flavor 10g"):
        svc.store.write(lambda tx: tx.pci_flavors.insert(again))
    asked = PortCreate(network_id=network.id, vnic_type=VnicType.DIRECT, pci_flavor="10g")
    create_port(svc, DEMO, asked)
    with pytest.raises(InUse, match="ports name it"):
        svc.store.write(lambda tx: tx.pci_flavors.delete(flavor))
    with pytest.raises(IntegrityError):  # Whatever the code looks at before.
        svc.store.write(lambda tx: tx._connection.execute(delete(pci_flavors)))

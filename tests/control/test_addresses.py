"""Choosing the fixed IP addresses of ports, on a real SQLite database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Address, ip_network
from pathlib import Path

import pytest

from trunkline.control.addresses import allocate_fixed_ips, require_free_address
from trunkline.control.requests import AddressRequest
from trunkline.domain.errors import AlreadyExists, Invalid, NoAddressFree
from trunkline.domain.ether import MacAddress
from trunkline.domain.ids import (
    NetworkId,
    PhysicalNetwork,
    PortId,
    ProjectId,
    SegmentId,
    SubnetId,
)
from trunkline.domain.network import AddressPool, Network, NetworkType, Segment, Subnet
from trunkline.domain.port import FixedIp, Port
from trunkline.store.engine import Store
from trunkline.store.schema import open_store
from trunkline.store.transaction import Transaction

NOW = datetime(2026, 1, 2, tzinfo=UTC)
PROJECT = ProjectId("p" * 32)
NETWORK = Network(
    id=NetworkId("11111111-0000-0000-0000-000000000000"),
    project_id=PROJECT,
    name="n",
    segments=(
        Segment(
            id=SegmentId("s1"),
            network_id=NetworkId("11111111-0000-0000-0000-000000000000"),
            network_type=NetworkType.VLAN,
            physical_network=PhysicalNetwork("phy1"),
            segmentation_id=100,
            created_at=NOW,
            updated_at=NOW,
        ),
    ),
    created_at=NOW,
    updated_at=NOW,
)


def a_subnet(name: str, cidr: str, *pool: str) -> Subnet:
    return Subnet(
        id=SubnetId(name),
        network_id=NETWORK.id,
        project_id=PROJECT,
        name=name,
        cidr=ip_network(cidr),
        gateway_ip=None,
        allocation_pools=(AddressPool(*pool),),
        created_at=NOW,
        updated_at=NOW,
    )


def port_id(number: int) -> PortId:
    return PortId(f"00000000-0000-0000-0000-{number:012x}")


def mac_of(number: int) -> MacAddress:
    return MacAddress(f"fa:16:3e:00:{number >> 8:02x}:{number & 255:02x}")


def a_port(number: int, fixed_ips: tuple[FixedIp, ...]) -> Port:
    return Port(
        id=port_id(number),
        network_id=NETWORK.id,
        project_id=PROJECT,
        name="",
        mac=mac_of(number),
        fixed_ips=fixed_ips,
        created_at=NOW,
        updated_at=NOW,
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """v4a 10.0.0.0/29 (pool .2-.3), v4b 10.0.1.0/24 (pool .2-.254), v6 fd00::/64."""
    store = open_store(f"sqlite:///{tmp_path / 'db'}")

    def fill(tx: Transaction) -> None:
        tx.networks.insert(NETWORK)
        v4b = a_subnet("v4b", "10.0.1.0/24", "10.0.1.2", "10.0.1.254")
        tx.subnets.insert(a_subnet("v4a", "10.0.0.0/29", "10.0.0.2", "10.0.0.3"))
        tx.subnets.insert(replace(v4b, created_at=NOW.replace(day=3)))
        tx.subnets.insert(a_subnet("v6", "fd00::/64", "fd00::2", "fd00::ffff"))

    store.write(fill)
    yield store
    store.close()


def take(store: Store, number: int, *wanted: AddressRequest) -> list[str]:
    """Store port `number` with the addresses that are chosen for it (none named: the default)."""

    def use_case(tx: Transaction) -> list[str]:
        existing = tx.ports.find(port_id(number))
        held = () if existing is None else existing.fixed_ips
        found = allocate_fixed_ips(
            tx, NETWORK, wanted or None, port_id(number),
            mac=mac_of(number), device_owner="", held=held,
        )  # fmt: skip
        if existing is None:
            tx.ports.insert(a_port(number, found))
        else:
            tx.ports.update(replace(existing, fixed_ips=found), seen=existing)
        return [fixed_ip.ip_address for fixed_ip in found]

    return store.write(use_case)


def in_subnet(name: str) -> AddressRequest:
    return AddressRequest(subnet_id=SubnetId(name))


def at(address: str) -> AddressRequest:
    return AddressRequest(ip_address=address)


def test_a_port_gets_one_address_for_each_ip_version(store: Store) -> None:
    assert take(store, 1) == ["10.0.0.2", "fd00::2"]


def test_the_next_subnet_is_used_once_the_oldest_is_full(store: Store) -> None:
    assert [take(store, number)[0] for number in (1, 2, 3)] == ["10.0.0.2", "10.0.0.3", "10.0.1.2"]


def test_a_port_that_asks_for_no_addresses_gets_none(store: Store) -> None:
    found = store.read(
        lambda tx: allocate_fixed_ips(
            tx, NETWORK, (), port_id(1), mac=mac_of(1), device_owner="compute:nova"
        )
    )
    assert found == ()


def test_a_full_subnet_that_is_named_is_an_error(store: Store) -> None:
    take(store, 1, in_subnet("v4a"))
    take(store, 2, in_subnet("v4a"))
    with pytest.raises(NoAddressFree):
        take(store, 3, in_subnet("v4a"))


def test_two_addresses_of_one_subnet_differ(store: Store) -> None:
    assert take(store, 1, in_subnet("v4a"), in_subnet("v4a")) == ["10.0.0.2", "10.0.0.3"]


def test_a_named_address_is_not_handed_out_for_another_request_of_the_port(store: Store) -> None:
    assert take(store, 1, in_subnet("v4a"), at("10.0.0.2")) == ["10.0.0.3", "10.0.0.2"]


def test_an_address_outside_the_pools_can_be_asked_for_by_name(store: Store) -> None:
    assert take(store, 1, at("10.0.0.6")) == ["10.0.0.6"]


def test_a_gap_is_found_when_the_highest_address_is_held(store: Store) -> None:
    take(store, 1, at("10.0.1.254"))
    take(store, 2, at("10.0.1.100"))
    found = {take(store, number, in_subnet("v4b"))[0] for number in range(3, 3 + 251)}
    assert len(found) == 251  # All that is left of 253.
    assert found.isdisjoint({"10.0.1.254", "10.0.1.100"})
    with pytest.raises(NoAddressFree):
        take(store, 400, in_subnet("v4b"))


def test_two_addresses_come_from_two_gaps(store: Store) -> None:
    take(store, 1, at("10.0.1.254"))
    one, other = take(store, 2, in_subnet("v4b"), in_subnet("v4b"))
    assert one != other
    assert {IPv4Address(one), IPv4Address(other)} < set(ip_network("10.0.1.0/24"))


def test_an_address_that_another_port_holds_is_refused(store: Store) -> None:
    take(store, 1, at("10.0.0.2"))
    with pytest.raises(AlreadyExists):
        take(store, 2, at("10.0.0.2"))
    with pytest.raises(AlreadyExists):
        store.read(lambda tx: require_free_address(tx, NETWORK, "10.0.0.2"))
    store.read(lambda tx: require_free_address(tx, NETWORK, "10.0.0.3"))


def test_a_port_keeps_its_address_when_only_the_subnet_is_named(store: Store) -> None:
    take(store, 1, at("10.0.0.3"))
    assert take(store, 1, in_subnet("v4a")) == ["10.0.0.3"]
    assert take(store, 1, at("10.0.0.3")) == ["10.0.0.3"]


@pytest.mark.parametrize(
    "wanted",
    [
        at("10.0.0.0"),  # The network's own.
        at("10.0.0.7"),  # Its broadcast.
        at("fd00::"),  # The routers' anycast.
        at("192.0.2.1"),  # In no subnet.
        at("fe80::1%eth0"),
        at("10.0.0"),
        at("10.0.0.2\x00"),
        AddressRequest(subnet_id=SubnetId("v4b"), ip_address="10.0.0.2"),
        in_subnet("no-such-subnet"),
        AddressRequest(),
    ],
)
def test_an_address_that_no_port_can_have_is_refused(store: Store, wanted: AddressRequest) -> None:
    with pytest.raises(Invalid) as refused:
        take(store, 1, wanted)
    assert refused.value.field == "fixed_ips"


def test_the_same_address_twice_in_one_request_is_refused(store: Store) -> None:
    with pytest.raises(Invalid, match="twice"):
        take(store, 1, at("10.0.0.2"), at("10.0.0.2"))

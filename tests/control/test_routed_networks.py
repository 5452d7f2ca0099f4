"""Networks of several segments whose subnets are tied to them.

h1   phy1 only, 4 VFs     routed   vlan 111 on phy1: 10.1.0.0/29, fd00:1::/64
h2   phy2 only, 8 VFs              vlan 211 on phy2: 10.2.0.0/24, fd00:2::/64
"""

from __future__ import annotations

from functools import partial
from ipaddress import ip_address, ip_network

import pytest

from tests.control.scene import Scene, on
from tests.support.world import ADMIN, DEMO, PHY1, PHY2, a_card, a_network
from trunkline.control.addresses import allocate_fixed_ips
from trunkline.control.network_requests import SubnetCreate, SubnetUpdate
from trunkline.control.ports import create_port, update_port
from trunkline.control.requests import AddressRequest, NicRequest, PortCreate, PortUpdate
from trunkline.control.subnets import create_subnet, update_subnet
from trunkline.control.views import ServerView
from trunkline.domain.errors import Invalid, NoAddressFree
from trunkline.domain.ether import MacAddress
from trunkline.domain.ids import PortId
from trunkline.domain.network import Network
from trunkline.domain.port import Port, VnicType
from trunkline.domain.server import ServerState
from trunkline.store.transaction import Transaction

CIDRS = {"phy1": ("10.1.0.0/29", "fd00:1::/64"), "phy2": ("10.2.0.0/24", "fd00:2::/64")}


@pytest.fixture
def routed(scene: Scene) -> Network:
    scene.agents["h1"].report(inventory=tuple(a_card(5, "phy1", serial=1)))
    scene.agents["h2"].report(inventory=tuple(a_card(6, "phy2", vf_count=8, serial=2)))
    network = a_network(scene.svc, "routed", (PHY1, 111), (PHY2, 211))
    for segment in network.segments:
        assert segment.physical_network is not None
        for cidr in CIDRS[segment.physical_network]:
            asked = SubnetCreate(
                network_id=network.id, cidr=ip_network(cidr), segment_id=segment.id
            )
            create_subnet(scene.svc, DEMO, asked)
    return network


def a_port(scene: Scene, network: Network, *addresses: str) -> Port:
    wanted = tuple(AddressRequest(ip_address=address) for address in addresses)
    asked = PortCreate(network_id=network.id, vnic_type=VnicType.DIRECT, fixed_ips=wanted or None)
    return create_port(scene.svc, DEMO, asked).port


def wire_of(view: ServerView) -> tuple[str, set[str]]:
    """The host of a server with one NIC, and the physical networks that its addresses are of."""
    assert view.host is not None, view.server.fault
    (nic,) = view.nics
    assert nic.port.segment is not None
    here = CIDRS[str(nic.port.segment.physical_network)]
    for fixed_ip in nic.port.port.fixed_ips:
        assert any(ip_address(fixed_ip.ip_address) in ip_network(cidr) for cidr in here)
    return view.host.name, {str(nic.port.segment.physical_network)}


@pytest.mark.parametrize(
    ("address", "host"),
    [("10.1.0.3", "h1"), ("10.2.0.3", "h2"), ("fd00:1::7", "h1"), ("fd00:2::7", "h2")],
)
@pytest.mark.parametrize("by_port", [True, False])
def test_a_nic_is_on_the_segment_of_its_address(
    scene: Scene, routed: Network, address: str, host: str, by_port: bool
) -> None:
    nic = (
        NicRequest(port_id=a_port(scene, routed, address).id)
        if by_port
        else NicRequest(network_id=routed.id, vnic_type=VnicType.DIRECT, fixed_ip=address)
    )
    view = scene.boot(nic)
    assert wire_of(view)[0] == host
    assert [ip.ip_address for ip in view.nics[0].port.port.fixed_ips] == [address]


def test_a_nic_without_a_port_gets_addresses_of_the_segment_it_is_placed_on(
    scene: Scene, routed: Network
) -> None:
    """All twelve VFs are used: eight on phy2, of which the host is preferred, and four on phy1."""
    views = [scene.boot(on(routed)) for _ in range(12)]
    assert sorted(wire_of(view)[0] for view in views) == ["h1"] * 4 + ["h2"] * 8
    assert all(len(view.nics[0].port.port.fixed_ips) == 2 for view in views)


def test_addresses_that_nobody_named_are_of_one_segment(scene: Scene, routed: Network) -> None:
    """10.1.0.0/29 has five; after that ports are given the other segment's, both of them."""
    ports = [a_port(scene, routed) for _ in range(7)]
    for number, port in enumerate(ports):
        here = CIDRS["phy1" if number < 5 else "phy2"]
        found = [ip_address(fixed_ip.ip_address) for fixed_ip in port.fixed_ips]
        assert [address in ip_network(cidr) for address, cidr in zip(found, here, strict=True)] == [
            True, True,
        ]  # fmt: skip


@pytest.fixture
def half(scene: Scene, routed: Network) -> Network:
    """On phy2, its subnets are for DHCP servers alone."""
    (second,) = (each.id for each in routed.segments if each.physical_network == PHY2)
    for subnet in scene.svc.store.read(lambda tx: tx.subnets.of_network(routed.id)):
        if subnet.segment_id == second:
            only = SubnetUpdate(service_types=("network:dhcp",), enable_dhcp=False)
            update_subnet(scene.svc, DEMO, subnet.id, only)
    return routed


def test_a_server_is_placed_where_subnets_are_for_servers(scene: Scene, half: Network) -> None:
    """Though the other host has more VFs, and is preferred."""
    views = [scene.boot(on(half)) for _ in range(4)]
    assert [wire_of(view)[0] for view in views] == ["h1"] * 4
    assert all(len(view.nics[0].port.port.fixed_ips) == 2 for view in views)
    assert scene.boot(on(half)).server.state is ServerState.ERROR, "h1 has no more VFs"
    with pytest.raises(Invalid, match=r"10\.2\.0\.3 is in none of the subnets"):
        scene.boot(NicRequest(network_id=half.id, fixed_ip="10.2.0.3"))


def test_a_port_where_no_subnet_is_for_its_owner_is_refused(scene: Scene, half: Network) -> None:
    def choose(tx: Transaction, owner: str) -> int:
        (second,) = (each.id for each in half.segments if each.physical_network == PHY2)
        mac = MacAddress("02:00:00:00:00:77")
        return len(
            allocate_fixed_ips(
                tx, half, None, PortId("5e" * 16), mac=mac, device_owner=owner, segment_id=second
            )
        )

    assert scene.svc.store.write(partial(choose, owner="network:dhcp")) == 2
    with pytest.raises(NoAddressFree, match="segment for compute:nova"):
        scene.svc.store.write(partial(choose, owner="compute:nova"))


def test_a_segment_whose_addresses_are_used_up_is_told(scene: Scene, routed: Network) -> None:
    for _ in range(5):
        a_port(scene, routed)
    first = next(s for s in routed.segments if s.physical_network == PHY1)
    subnets = scene.svc.store.read(lambda tx: tx.subnets.of_network(routed.id))
    (four,) = (s for s in subnets if s.segment_id == first.id and s.ip_version == 4)
    asked = PortCreate(
        network_id=routed.id, vnic_type=VnicType.DIRECT,
        fixed_ips=(AddressRequest(subnet_id=four.id),),
    )  # fmt: skip
    with pytest.raises(NoAddressFree):
        create_port(scene.svc, DEMO, asked)


def test_a_port_is_on_one_segment(scene: Scene, routed: Network) -> None:
    with pytest.raises(Invalid, match="are on two segments, and a port is on one"):
        a_port(scene, routed, "10.1.0.3", "fd00:2::7")
    both = a_port(scene, routed, "10.1.0.3", "fd00:1::7")
    assert wire_of(scene.boot(NicRequest(port_id=both.id)))[0] == "h1"


def test_a_bound_port_stays_on_its_segment(scene: Scene, routed: Network) -> None:
    port = a_port(scene, routed, "10.1.0.3")
    scene.boot(NicRequest(port_id=port.id))
    there = PortUpdate(fixed_ips=(AddressRequest(ip_address="10.2.0.3"),))
    with pytest.raises(Invalid, match=r"10\.2\.0\.3 is in none of the subnets"):
        update_port(scene.svc, DEMO, port.id, there)
    here = PortUpdate(fixed_ips=(AddressRequest(ip_address="10.1.0.4"),))
    changed = update_port(scene.svc, DEMO, port.id, here).port
    assert [ip.ip_address for ip in changed.fixed_ips] == ["10.1.0.4"]


def test_a_nic_whose_segment_no_host_reaches_is_refused(scene: Scene, routed: Network) -> None:
    scene.agents["h1"].report(inventory=())
    view = scene.boot(NicRequest(port_id=a_port(scene, routed, "10.1.0.3").id))
    assert view.server.state is ServerState.ERROR


def test_subnets_of_no_segment_are_on_all(scene: Scene) -> None:
    network = a_network(scene.svc, "flat", (PHY1, 112), (PHY2, 212))
    asked = SubnetCreate(network_id=network.id, cidr=ip_network("10.3.0.0/24"))
    create_subnet(scene.svc, ADMIN, asked)
    view = scene.boot(on(network), on(network))
    assert view.server.state is ServerState.BUILD
    assert {len(nic.port.port.fixed_ips) for nic in view.nics} == {1}

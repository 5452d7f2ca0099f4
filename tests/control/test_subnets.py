"""Subnets: their arithmetic, and who may make and change them."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.world import ADMIN, DEMO, OTHER, a_caller
from trunkline.control.address_pools import (
    Cidr,
    check_gateway,
    check_pools,
    default_gateway,
    default_pools,
)
from trunkline.control.network_requests import NetworkCreate, SubnetCreate, SubnetUpdate
from trunkline.control.networks import create_network, get_network
from trunkline.control.ports import create_port, delete_port
from trunkline.control.requests import PortCreate
from trunkline.control.services import Services
from trunkline.control.subnets import (
    create_subnet,
    create_subnets,
    delete_subnet,
    get_subnet,
    list_subnets,
    update_subnet,
)
from trunkline.domain.errors import (
    Forbidden,
    GenerationMoved,
    InUse,
    Invalid,
    NotFound,
    StateConflict,
)
from trunkline.domain.identity import READER
from trunkline.domain.ids import NetworkId, ProjectId
from trunkline.domain.listing import ListQuery
from trunkline.domain.network import AddressPool, Subnet


@pytest.fixture
def network_id(svc: Services) -> NetworkId:
    return create_network(svc, DEMO, NetworkCreate(name="n")).network.id


def a_subnet(svc: Services, network_id: NetworkId, cidr: str = "10.0.0.0/24") -> Subnet:
    return create_subnet(svc, DEMO, SubnetCreate(network_id=network_id, cidr=ip_network(cidr)))


def spans(subnet: Subnet) -> list[str]:
    return [f"{pool.start}-{pool.end}" for pool in subnet.allocation_pools]


@pytest.mark.parametrize(
    ("cidr", "gateway", "pools"),
    [
        ("10.0.0.0/24", "10.0.0.1", ["10.0.0.2-10.0.0.254"]),
        ("10.0.0.0/30", "10.0.0.1", ["10.0.0.2-10.0.0.2"]),
        ("10.0.0.0/31", "10.0.0.0", ["10.0.0.1-10.0.0.1"]),
        ("10.0.0.7/32", None, ["10.0.0.7-10.0.0.7"]),
        ("fd00::/64", "fd00::1", ["fd00::2-fd00::ffff:ffff:ffff:ffff"]),
    ],
)
def test_the_gateway_is_the_first_address_and_the_pool_the_rest(
    svc: Services, network_id: NetworkId, cidr: str, gateway: str | None, pools: list[str]
) -> None:
    subnet = a_subnet(svc, network_id, cidr)
    assert (None if subnet.gateway_ip is None else str(subnet.gateway_ip)) == gateway
    assert spans(subnet) == pools


def test_a_gateway_in_the_middle_splits_the_pool(svc: Services, network_id: NetworkId) -> None:
    wanted = SubnetCreate(
        network_id=network_id, cidr=ip_network("10.0.0.0/29"), gateway_ip=ip_address("10.0.0.3")
    )
    assert spans(create_subnet(svc, DEMO, wanted)) == ["10.0.0.1-10.0.0.2", "10.0.0.4-10.0.0.6"]


def test_a_subnet_may_have_no_gateway(svc: Services, network_id: NetworkId) -> None:
    wanted = SubnetCreate(network_id=network_id, cidr=ip_network("10.0.0.0/29"), gateway_ip=None)
    subnet = create_subnet(svc, DEMO, wanted)
    assert subnet.gateway_ip is None
    assert spans(subnet) == ["10.0.0.1-10.0.0.6"]


cidrs: st.SearchStrategy[Cidr] = st.one_of(
    st.tuples(st.integers(0x0A000000, 0x0AFFFFFF), st.integers(20, 32)).map(
        lambda given: ip_network((given[0] >> (32 - given[1]) << (32 - given[1]), given[1]))
    ),
    st.integers(100, 128).map(lambda length: ip_network(f"fd00::/{length}")),
)


@given(cidrs, st.data())
def test_the_default_pools_hold_every_usable_address_but_the_gateway(
    cidr: Cidr, data: st.DataObject
) -> None:
    offset = data.draw(st.integers(0, cidr.num_addresses - 1))
    gateway = data.draw(st.sampled_from([None, default_gateway(cidr), cidr[offset]]))
    try:
        check_gateway(cidr, gateway)
    except Invalid:
        return
    pools = default_pools(cidr, gateway)
    check_pools(cidr, pools, gateway)
    size = sum(int(ip_address(p.end)) - int(ip_address(p.start)) + 1 for p in pools)
    # `hosts()` of IPv6 leaves out the routers' anycast address alone, as we do.
    usable = cidr.num_addresses
    if usable > 2:
        usable -= 2 if cidr.version == 4 else 1
    assert size == usable - (gateway is not None)


@pytest.mark.parametrize(
    ("pools", "error"),
    [
        ([("10.0.0.10", "10.0.0.5")], Invalid),
        ([("10.0.1.1", "10.0.1.5")], Invalid),
        ([("10.0.0.0", "10.0.0.5")], Invalid),
        ([("10.0.0.2", "10.0.0.255")], Invalid),
        ([("fd00::1", "fd00::5")], Invalid),
        ([("10.0.0.2", "fd00::5")], Invalid),
        ([("x", "10.0.0.5")], Invalid),
        ([("10.0.0.1", "10.0.0.5")], StateConflict),  # Holds the gateway.
        ([("10.0.0.2", "10.0.0.9"), ("10.0.0.9", "10.0.0.12")], StateConflict),
        ([("10.0.0.20", "10.0.0.30"), ("10.0.0.2", "10.0.0.25")], StateConflict),
        ([(f"10.0.0.{n}", f"10.0.0.{n}") for n in range(2, 103)], Invalid),
    ],
)
def test_pools_that_cannot_be_are_refused(
    svc: Services,
    network_id: NetworkId,
    pools: list[tuple[str, str]],
    error: type[Exception],
) -> None:
    wanted = SubnetCreate(
        network_id=network_id,
        cidr=ip_network("10.0.0.0/24"),
        allocation_pools=tuple(AddressPool(*pool) for pool in pools),
    )
    with pytest.raises(error):
        create_subnet(svc, DEMO, wanted)


@pytest.mark.parametrize("gateway", ["10.0.0.0", "10.0.0.255", "10.0.1.1", "fd00::1", "fe80::1"])
def test_a_gateway_that_cannot_be_reached_is_refused(
    svc: Services, network_id: NetworkId, gateway: str
) -> None:
    wanted = SubnetCreate(
        network_id=network_id, cidr=ip_network("10.0.0.0/24"), gateway_ip=ip_address(gateway)
    )
    with pytest.raises(Invalid) as refused:
        create_subnet(svc, DEMO, wanted)
    assert refused.value.field == "gateway_ip"


def test_an_ipv6_gateway_may_be_link_local(svc: Services, network_id: NetworkId) -> None:
    wanted = SubnetCreate(
        network_id=network_id, cidr=ip_network("fd00::/64"), gateway_ip=ip_address("fe80::1")
    )
    assert str(create_subnet(svc, DEMO, wanted).gateway_ip) == "fe80::1"


@pytest.mark.parametrize("cidr", ["0.0.0.0/0", "224.0.0.0/24", "127.0.0.0/8", "ff00::/8", "::/0"])
def test_a_cidr_that_no_hosts_can_have_is_refused(
    svc: Services, network_id: NetworkId, cidr: str
) -> None:
    with pytest.raises(Invalid) as refused:
        a_subnet(svc, network_id, cidr)
    assert refused.value.field == "cidr"


@pytest.mark.parametrize("cidr", ["10.0.0.0/24", "10.0.0.128/25", "10.0.0.0/16"])
def test_subnets_of_one_network_do_not_overlap(
    svc: Services, network_id: NetworkId, cidr: str
) -> None:
    first = a_subnet(svc, network_id)
    with pytest.raises(Invalid, match=first.id):
        a_subnet(svc, network_id, cidr)
    other_network = create_network(svc, DEMO, NetworkCreate()).network.id
    a_subnet(svc, other_network, cidr)
    a_subnet(svc, network_id, "fd00::/64")


def test_of_several_subnets_all_are_made_or_none(svc: Services, network_id: NetworkId) -> None:
    wanted = SubnetCreate(network_id=network_id, cidr=ip_network("10.0.0.0/24"))
    with pytest.raises(Invalid):
        create_subnets(svc, DEMO, [wanted, wanted])
    assert list_subnets(svc, DEMO, ListQuery()) == []


def test_a_new_subnet_raises_the_revision_of_its_network(
    svc: Services, network_id: NetworkId
) -> None:
    before = get_network(svc, DEMO, network_id).network.revision
    subnet = a_subnet(svc, network_id)
    view = get_network(svc, DEMO, network_id)
    assert view.network.revision == before + 1
    assert view.subnet_ids == (subnet.id,)


def test_a_subnet_that_ports_have_addresses_in_stays(svc: Services, network_id: NetworkId) -> None:
    subnet = a_subnet(svc, network_id)
    port = create_port(svc, DEMO, PortCreate(network_id=network_id)).port
    with pytest.raises(InUse):
        delete_subnet(svc, DEMO, subnet.id)
    delete_port(svc, DEMO, port.id)
    delete_subnet(svc, DEMO, subnet.id)
    with pytest.raises(NotFound):
        get_subnet(svc, DEMO, subnet.id)


def test_an_update_is_checked_as_a_whole(svc: Services, network_id: NetworkId) -> None:
    subnet = a_subnet(svc, network_id)
    with pytest.raises(StateConflict):  # The gateway would be in the pool.
        update_subnet(svc, DEMO, subnet.id, SubnetUpdate(gateway_ip=ip_address("10.0.0.9")))
    changed = update_subnet(
        svc,
        DEMO,
        subnet.id,
        SubnetUpdate(
            name="x",
            gateway_ip=ip_address("10.0.0.9"),
            allocation_pools=(AddressPool("10.0.0.20", "10.0.0.30"),),
        ),
    )
    assert (changed.name, str(changed.gateway_ip)) == ("x", "10.0.0.9")
    assert changed.revision == subnet.revision + 1
    assert get_subnet(svc, DEMO, subnet.id) == changed
    stale = SubnetUpdate(name="y", seen_revision=subnet.revision)
    with pytest.raises(GenerationMoved):
        update_subnet(svc, DEMO, subnet.id, stale)


def test_another_projects_subnet_does_not_exist(svc: Services, network_id: NetworkId) -> None:
    subnet = a_subnet(svc, network_id)
    for use_case in (get_subnet, delete_subnet):
        with pytest.raises(NotFound):
            use_case(svc, OTHER, subnet.id)
    with pytest.raises(NotFound):
        update_subnet(svc, OTHER, subnet.id, SubnetUpdate(name="x"))
    with pytest.raises(NotFound):
        create_subnet(
            svc, OTHER, SubnetCreate(network_id=network_id, cidr=ip_network("10.9.0.0/24"))
        )
    assert list_subnets(svc, OTHER, ListQuery()) == []


def test_a_shared_networks_subnets_are_seen_by_all_and_changed_by_its_owner(svc: Services) -> None:
    network_id = create_network(svc, ADMIN, NetworkCreate(shared=True)).network.id
    wanted = SubnetCreate(network_id=network_id, cidr=ip_network("10.0.0.0/24"))
    with pytest.raises(Forbidden):
        create_subnet(svc, DEMO, wanted)
    subnet = create_subnet(svc, ADMIN, wanted)
    assert get_subnet(svc, DEMO, subnet.id) == subnet
    assert list_subnets(svc, DEMO, ListQuery()) == [subnet]
    with pytest.raises(Forbidden):
        delete_subnet(svc, DEMO, subnet.id)


def test_subnets_of_other_projects_and_by_readers_are_refused(
    svc: Services, network_id: NetworkId
) -> None:
    cidr = ip_network("10.0.0.0/24")
    with pytest.raises(Forbidden):
        create_subnet(svc, a_caller("demo", READER), SubnetCreate(network_id=network_id, cidr=cidr))
    with pytest.raises(Forbidden):
        create_subnet(
            svc,
            DEMO,
            SubnetCreate(network_id=network_id, cidr=cidr, project_id=ProjectId("project-other")),
        )

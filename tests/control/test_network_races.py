"""Many at once on the network side: no VLAN, address or piece of a network is given twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from ipaddress import ip_network
from typing import TypeVar

import pytest

from tests.support.world import DEMO
from trunkline.control.network_requests import NetworkCreate, SubnetCreate
from trunkline.control.networks import create_network, delete_network
from trunkline.control.ports import create_port
from trunkline.control.requests import PortCreate
from trunkline.control.services import Services
from trunkline.control.subnets import create_subnet, delete_subnet
from trunkline.domain.errors import InUse, NotFound, TrunklineError
from trunkline.domain.listing import ListQuery

T = TypeVar("T")
THREADS, EACH = 6, 5


def at_once(
    replicas: Sequence[Services], work: Callable[[Services, int], T]
) -> tuple[list[T], list[TrunklineError]]:
    """Run ``work(svc, 0)``, … in threads that start together, spread over the replicas."""
    results: list[T] = []
    refused: list[TrunklineError] = []
    bugs: list[BaseException] = []
    start = threading.Barrier(THREADS)

    def run(number: int) -> None:
        start.wait()
        for round_ in range(EACH):
            try:
                results.append(work(replicas[number % len(replicas)], number * EACH + round_))
            except TrunklineError as problem:
                refused.append(problem)
            except BaseException as bug:  # noqa: BLE001 - told to the test below
                bugs.append(bug)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bugs == []
    return results, refused


def test_tenant_networks_made_at_once_never_share_a_vlan(replicas: list[Services]) -> None:
    made, refused = at_once(replicas, lambda svc, _: create_network(svc, DEMO, NetworkCreate()))
    assert refused == []
    vlans = sorted(view.network.segments[0].segmentation_id or 0 for view in made)
    assert vlans == list(range(100, 100 + THREADS * EACH))


def test_ports_made_at_once_never_share_an_address(replicas: list[Services]) -> None:
    network = create_network(replicas[0], DEMO, NetworkCreate()).network
    cidr = ip_network("10.0.0.0/27")  # 29 addresses beside the gateway's, for 30 ports.
    create_subnet(replicas[0], DEMO, SubnetCreate(network_id=network.id, cidr=cidr))
    made, refused = at_once(
        replicas, lambda svc, _: create_port(svc, DEMO, PortCreate(network_id=network.id))
    )
    assert [problem.code for problem in refused] == ["network.no_address_free"]
    addresses = {view.port.fixed_ips[0].ip_address for view in made}
    assert addresses == {str(host) for host in list(cidr.hosts())[1:]}


def test_of_overlapping_subnets_made_at_once_one_is_made(replicas: list[Services]) -> None:
    network = create_network(replicas[0], DEMO, NetworkCreate()).network

    def make(svc: Services, number: int) -> str:
        cidr = ip_network(f"10.0.{number * 4 % 8}.0/{22 - number % 3}", strict=False)
        return create_subnet(svc, DEMO, SubnetCreate(network_id=network.id, cidr=cidr)).id

    at_once(replicas, make)
    subnets = replicas[0].store.read(lambda tx: tx.subnets.of_network(network.id))
    cidrs = [subnet.cidr for subnet in subnets]
    assert cidrs
    for position, cidr in enumerate(cidrs):
        assert not any(cidr.overlaps(other) for other in cidrs[position + 1 :]), cidrs


@pytest.mark.parametrize("attempt", range(5))
def test_a_network_deleted_while_ports_are_made_on_it_is_gone_or_in_use(
    replicas: list[Services], attempt: int
) -> None:
    network = create_network(replicas[0], DEMO, NetworkCreate()).network
    cidr = ip_network("10.0.0.0/24")
    subnet = create_subnet(replicas[0], DEMO, SubnetCreate(network_id=network.id, cidr=cidr))

    def work(svc: Services, number: int) -> None:
        if number % EACH == 2:
            delete_subnet(svc, DEMO, subnet.id)
        elif number % EACH == 3:
            delete_network(svc, DEMO, network.id)
        else:
            create_port(svc, DEMO, PortCreate(network_id=network.id))

    _, refused = at_once(replicas, work)
    assert {type(problem) for problem in refused} <= {InUse, NotFound}
    query = ListQuery(equals={"network_id": (network.id,)})
    ports = replicas[0].store.read(lambda tx: tx.ports.page(query))
    left = replicas[0].store.read(lambda tx: tx.networks.find(network.id))
    assert (left is not None) == bool(ports)

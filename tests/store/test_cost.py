"""What a request costs the database does not grow with the fleet: no table is read whole.

The same requests on a fleet of 4 hosts and on one of 40: as many statements, as many rows fetched,
and on SQLite no statement that scans a table.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from tests.support.world import (
    ADMIN,
    DEMO,
    PHY1,
    AgentByHand,
    a_card,
    a_flavor,
    a_network,
    a_world,
)
from trunkline.control.desired import desired_config
from trunkline.control.hosts import list_hosts
from trunkline.control.ports import create_port, list_ports
from trunkline.control.providers import list_providers
from trunkline.control.requests import NicRequest, PortCreate, ServerCreate
from trunkline.control.servers import (
    create_server,
    create_servers,
    delete_server,
    list_servers,
)
from trunkline.control.services import Services
from trunkline.domain.ids import FlavorId, HostName
from trunkline.domain.listing import ListQuery
from trunkline.domain.network import Network
from trunkline.domain.port import VnicType

FLEETS = (4, 40)
PAGE = ListQuery(limit=2)
BOUND_PORTS = ListQuery(limit=2, equals={"device_owner": ("compute:nova",)})


class Counted:
    """Statements and the rows that they gave, between two points."""

    def __init__(self) -> None:
        self.statements: list[tuple[str, Any]] = []


@contextmanager
def counting(svc: Services) -> Iterator[Counted]:
    counted = Counted()

    def note(_c: Any, _cu: Any, statement: str, parameters: Any, _x: Any, many: bool) -> None:
        counted.statements.append((statement, parameters[0] if many else parameters))

    engine = svc.store._engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield counted
    finally:
        event.remove(engine, "before_cursor_execute", note)


def a_request(network: Network) -> ServerCreate:
    nic = NicRequest(network_id=network.id, vnic_type=VnicType.DIRECT)
    return ServerCreate(name="web", flavor_id=FlavorId("small"), image_id=None, nics=(nic,))


def boot(svc: Services, network: Network) -> str:
    return create_server(svc, DEMO, a_request(network)).id


REQUESTS: dict[str, Callable[[Services, Network], object]] = {
    "create a server": boot,
    "create several servers": lambda svc, network: create_servers(
        svc, DEMO, a_request(network), least=3, most=3
    ),
    "create and delete a server": lambda svc, network: delete_server(svc, DEMO, boot(svc, network)),
    "create a port": lambda svc, network: create_port(
        svc, DEMO, PortCreate(network_id=network.id, vnic_type=VnicType.DIRECT)
    ),
    "what a host should have": lambda svc, _: desired_config(svc, HostName("h1")),
    "a page of servers": lambda svc, _: list_servers(svc, DEMO, PAGE),
    "a page of ports": lambda svc, _: list_ports(svc, DEMO, BOUND_PORTS),
    "a page of hosts": lambda svc, _: list_hosts(svc, ADMIN, PAGE),
}


@pytest.fixture(scope="module")
def fleets(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[int, tuple[Services, Network, Path]]]:
    with ExitStack() as stack:
        opened = {}
        for size in FLEETS:
            directory = tmp_path_factory.mktemp(f"fleet-{size}")
            svc = stack.enter_context(a_world(directory))
            a_flavor(svc)
            network = a_network(svc, "blue", (PHY1, 100))
            for n in range(size):
                AgentByHand(svc, f"h{n}", a_card(5, "phy1", vf_count=8, serial=n))
            for _ in range(size):  # One server for each host: tables grow with the fleet.
                boot(svc, network)
            opened[size] = (svc, network, directory / "trunkline.db")
        yield opened


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_takes_as_many_statements_on_a_large_fleet_as_on_a_small_one(
    name: str, fleets: dict[int, tuple[Services, Network, Path]]
) -> None:
    shapes = []
    for svc, network, _ in fleets.values():
        REQUESTS[name](svc, network)  # Once before: what is prepared once does not count.
        with counting(svc) as counted:
            REQUESTS[name](svc, network)
        shapes.append(Counter(statement.split("\nFROM ")[0] for statement, _ in counted.statements))
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("name", REQUESTS)
def test_no_request_scans_a_table(
    name: str, fleets: dict[int, tuple[Services, Network, Path]]
) -> None:
    svc, network, database = fleets[FLEETS[-1]]
    with counting(svc) as counted:
        REQUESTS[name](svc, network)
    with sqlite3.connect(database) as connection:
        for statement, parameters in counted.statements:
            if not statement.startswith(("SELECT", "UPDATE", "DELETE", "INSERT")):
                continue
            plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            scans = [row[3] for row in plan if row[3].startswith("SCAN") and "INDEX" not in row[3]]
            assert not scans, f"{scans}: {statement}"


def test_what_is_told_of_all_hosts_is_read_without_reading_every_vf(
    fleets: dict[int, tuple[Services, Network, Path]],
) -> None:
    svc, _, database = fleets[FLEETS[-1]]
    with counting(svc) as counted:
        assert len(list_providers(svc, ADMIN)) == 2 * FLEETS[-1]
    with sqlite3.connect(database) as connection:
        for statement, parameters in counted.statements:
            if statement.startswith("SELECT"):
                plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
                assert not any(row[3].startswith("SCAN devices") for row in plan), statement

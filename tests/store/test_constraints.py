"""The second guard: what must never be is refused by the schema, past all code of the store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, insert, select, update
from sqlalchemy.exc import IntegrityError

from tests.support.world import DEMO, PHY1, AgentByHand, a_card, a_flavor, a_network, a_world
from trunkline.control.network_requests import SubnetCreate
from trunkline.control.requests import NicRequest, ServerCreate
from trunkline.control.servers import create_server
from trunkline.control.services import Services
from trunkline.control.subnets import create_subnet
from trunkline.domain.ids import FlavorId
from trunkline.domain.port import VnicType
from trunkline.store import tables
from trunkline.store.transaction import Transaction

OTHER_ID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(params=["sqlite", "postgresql"])
def svc(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Services]:
    """A server with one VF of h1, on a network with a subnet."""
    url = None
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_cluster").new_database()
    with a_world(tmp_path, url=url) as opened:
        a_flavor(opened)
        AgentByHand(opened, "h1", a_card(5, "phy1"))
        network = a_network(opened, "blue", (PHY1, 100))
        create_subnet(
            opened, DEMO, SubnetCreate(network_id=network.id, cidr=IPv4Network("10.0.0.0/24"))
        )
        nic = NicRequest(network_id=network.id, vnic_type=VnicType.DIRECT)
        request_ = ServerCreate(name="web", flavor_id=FlavorId("small"), image_id=None, nics=(nic,))
        create_server(opened, DEMO, request_)
        yield opened


@pytest.mark.parametrize(
    ("table", "changes"),
    [
        pytest.param(tables.allocations, {"id": OTHER_ID}, id="two owners of one device"),
        pytest.param(tables.segments, {"id": OTHER_ID}, id="two segments with one VLAN"),
        pytest.param(tables.ports, {"id": OTHER_ID}, id="one MAC twice in a network"),
        pytest.param(tables.ip_allocations, {"position": 7}, id="one address held twice"),
        pytest.param(tables.bindings, {"vif_type": "other"}, id="two bindings of one port"),
        pytest.param(tables.devices, {"id": OTHER_ID}, id="two devices at one PCI address"),
        pytest.param(tables.hosts, {"id": OTHER_ID}, id="two hosts of one name"),
    ],
)
def test_a_row_that_repeats_what_must_be_unique_is_refused(
    svc: Services, table: Table, changes: Mapping[str, Any]
) -> None:
    def repeat(tx: Transaction) -> None:
        row = tx._connection.execute(select(table)).mappings().first()
        assert row is not None
        tx._connection.execute(insert(table), dict(row) | dict(changes))

    with pytest.raises(IntegrityError):
        svc.store.write(repeat)


def test_a_pf_is_never_given_away_whole_while_vfs_of_it_are_held(svc: Services) -> None:
    def give_away(tx: Transaction) -> None:
        tx._connection.execute(
            update(tables.devices).where(tables.devices.c.kind == "pf").values(held_whole=True)
        )

    with pytest.raises(IntegrityError):
        svc.store.write(give_away)


def test_no_more_vfs_are_given_back_than_were_held(svc: Services) -> None:
    def give_back(tx: Transaction) -> None:
        tx._connection.execute(
            update(tables.devices).where(tables.devices.c.kind == "pf").values(vfs_held=-1)
        )

    with pytest.raises(IntegrityError):
        svc.store.write(give_back)

"""Hosts whose agent can't use them, and hosts with two agents."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

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
from trunkline.control.events import list_events
from trunkline.control.hosts import get_host
from trunkline.control.requests import NicRequest, ServerCreate
from trunkline.control.servers import create_server
from trunkline.control.services import Services
from trunkline.domain.errors import TwoAgents
from trunkline.domain.host import RUNS_ALTERNATING, take_turns
from trunkline.domain.ids import FlavorId, NetworkId
from trunkline.domain.listing import ListQuery
from trunkline.domain.server import ServerState

INVENTORY = tuple(a_card(5, "phy1"))


@pytest.fixture
def svc(tmp_path: Path) -> Iterator[Services]:
    with a_world(tmp_path) as opened:
        a_flavor(opened)
        yield opened


def state_of_a_new_server(svc: Services, network_id: NetworkId) -> ServerState:
    nics = (NicRequest(network_id=network_id),)
    asked = ServerCreate(name="web", flavor_id=FlavorId("small"), image_id=None, nics=nics)
    return create_server(svc, DEMO, asked).state


def an_agent(svc: Services, run_id: str) -> AgentByHand:
    return AgentByHand(svc, "h1", INVENTORY, run_id=run_id)


def test_a_host_that_its_agent_cannot_use_gets_no_servers_until_it_can(svc: Services) -> None:
    network = a_network(svc, "blue", (PHY1, 100))
    agent = an_agent(svc, "run")
    agent.report(problem="reading kernel.json: damaged")
    view = get_host(svc, ADMIN, "h1")
    assert (view.up, view.host.problem) == (False, "reading kernel.json: damaged")
    assert state_of_a_new_server(svc, network.id) is ServerState.ERROR
    agent.report(problem="reading kernel.json: damaged")  # A heartbeat makes it no better.
    assert state_of_a_new_server(svc, network.id) is ServerState.ERROR
    agent.report()
    assert get_host(svc, ADMIN, "h1").up
    assert state_of_a_new_server(svc, network.id) is ServerState.BUILD


def test_an_agent_that_has_never_read_its_host_tells_why(svc: Services) -> None:
    agent = an_agent(svc, "run")
    later = AgentByHand.__new__(AgentByHand)
    later.__dict__ |= {**agent.__dict__, "_run_id": "later"}
    assert later.report(problem="damaged").send_all
    assert get_host(svc, ADMIN, "h1").host.problem == "damaged"


def test_two_agents_that_report_in_turn_are_both_refused_and_told_of(svc: Services) -> None:
    network = a_network(svc, "blue", (PHY1, 100))
    one, two = an_agent(svc, "one"), an_agent(svc, "two")
    for _ in range(RUNS_ALTERNATING // 2 - 2):
        one.report(inventory=INVENTORY)
        two.report(inventory=INVENTORY)
    one.report(inventory=INVENTORY)
    for agent in (two, one, two, one):
        with pytest.raises(TwoAgents, match="stop both"):
            agent.report(inventory=INVENTORY)
    view = get_host(svc, ADMIN, "h1")
    assert not view.up
    assert "two agents report for host h1" in view.host.problem
    assert state_of_a_new_server(svc, network.id) is ServerState.ERROR
    told = list_events(svc, ADMIN, ListQuery(equals={"action": ("host.two_agents",)}))
    assert [event.host for event in told] == ["h1"]

    an_agent(svc, "three").report()
    assert get_host(svc, ADMIN, "h1").host.problem == ""
    assert state_of_a_new_server(svc, network.id) is ServerState.BUILD


def test_restarts_and_a_first_report_that_comes_late_are_no_second_agent(svc: Services) -> None:
    for number in range(20):
        an_agent(svc, f"restart {number}")
    alive = an_agent(svc, "alive")
    for number in range(5):
        an_agent(svc, f"restart {number}")  # Held up on its way: the run is long over.
        alive.report(inventory=INVENTORY)
    assert get_host(svc, ADMIN, "h1").up


@pytest.mark.parametrize(
    ("runs", "expected"),
    [("", False), ("ababa", False), ("ababab", True), ("cababab", True), ("abcabc", False),
     ("acabab", False)],
)  # fmt: skip
def test_turns_are_taken_by_two_alone(runs: str, *, expected: bool) -> None:
    assert take_turns(runs) is expected

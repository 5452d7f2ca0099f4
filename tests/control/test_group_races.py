"""Members of one server group that are placed at the same moment: the policy holds all the same.

h1 … h6, each one PF on phy1 with 4 VFs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tests.support.world import (
    ADMIN,
    DEMO,
    PHY1,
    AgentByHand,
    a_card,
    a_flavor,
    a_network,
)
from trunkline.control.aggregates import add_host, create_aggregate, update_aggregate
from trunkline.control.requests import NicRequest, ServerCreate
from trunkline.control.server_groups import create_server_group, delete_server_group
from trunkline.control.servers import create_servers, get_server
from trunkline.control.services import Services
from trunkline.domain.errors import Invalid
from trunkline.domain.ids import FlavorId, ZoneName
from trunkline.domain.network import Network
from trunkline.domain.policy import compute_rules as rules
from trunkline.domain.port import VnicType
from trunkline.domain.server import Server, ServerState
from trunkline.domain.server_group import GroupPolicy
from trunkline.reconcile.report import ServerCondition, ServerFact

HOSTS, VFS, ASKERS = 6, 4, 9


@pytest.fixture
def agents(replicas: Sequence[Services]) -> list[AgentByHand]:
    svc = replicas[0]
    a_flavor(svc)
    return [
        AgentByHand(svc, f"h{n}", a_card(5, "phy1", vf_count=VFS, serial=n))
        for n in range(1, HOSTS + 1)
    ]


@pytest.fixture
def network(replicas: Sequence[Services], agents: list[AgentByHand]) -> Network:
    assert agents
    return a_network(replicas[0], "blue", (PHY1, 100))


def boot(
    svc: Services, network: Network, group: str | None, *, most: int = 1, **changes: Any
) -> list[Server]:
    nic = NicRequest(network_id=network.id, vnic_type=VnicType.DIRECT)
    asked = ServerCreate(
        name="web", flavor_id=FlavorId("small"), image_id=None, nics=(nic,), group_id=group,
        **changes,
    )  # fmt: skip
    return create_servers(svc, DEMO, asked, least=1, most=most)


def by_host(svc: Services, servers: Sequence[Server]) -> Counter[str]:
    views = [get_server(svc, DEMO, server.id) for server in servers]
    return Counter(str(view.host.name) for view in views if view.host)


def a_group(svc: Services, policy: GroupPolicy, *, most: int | None = None) -> str:
    return create_server_group(svc, DEMO, "web", policy, max_per_host=most).group.id


def at_once(replicas: Sequence[Services], count: int, work: Any) -> list[Any]:
    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(lambda n: work(replicas[n % len(replicas)], n), range(count)))


def test_no_host_gets_two_of_an_anti_affinity_group(
    replicas: list[Services], network: Network
) -> None:
    group = a_group(replicas[0], GroupPolicy.ANTI_AFFINITY)
    made = at_once(replicas, ASKERS, lambda svc, _: boot(svc, network, group))
    servers = [server for [server] in made]
    states = Counter(server.state for server in servers)
    assert states == {ServerState.BUILD: HOSTS, ServerState.ERROR: ASKERS - HOSTS}
    assert set(by_host(replicas[0], servers).values()) == {1}


def test_batches_of_a_group_together_leave_no_host_with_more_than_the_rule_says(
    replicas: list[Services], network: Network
) -> None:
    group = a_group(replicas[0], GroupPolicy.ANTI_AFFINITY, most=2)
    made = at_once(replicas, 5, lambda svc, _: boot(svc, network, group, most=3))
    servers = [server for batch in made for server in batch]
    placed = [server for server in servers if server.state is ServerState.BUILD]
    assert by_host(replicas[0], placed) == {f"h{n}": 2 for n in range(1, HOSTS + 1)}


def test_members_of_an_affinity_group_that_come_first_at_once_are_on_one_host(
    replicas: list[Services], network: Network
) -> None:
    for _ in range(3):
        group = a_group(replicas[0], GroupPolicy.AFFINITY)
        made = at_once(replicas, 3, lambda svc, _, group=group: boot(svc, network, group))
        where = by_host(replicas[0], [server for [server] in made])
        assert where.total() == 3
        assert len(where) == 1


def test_servers_that_are_refused_while_others_are_made_obey_the_policy(
    replicas: list[Services], network: Network, agents: list[AgentByHand]
) -> None:
    """Reports lock the host first, and then place; creates lock hosts as they place."""
    svc, group = replicas[0], a_group(replicas[0], GroupPolicy.ANTI_AFFINITY)
    first = [server for _ in range(3) for server in boot(svc, network, group)]
    homes = {server.id: get_server(svc, DEMO, server.id).host for server in first}
    by_name = {agent.name: agent for agent in agents}

    def work(svc: Services, n: int) -> list[Server]:
        if n >= len(first):
            return boot(svc, network, group)
        home = homes[first[n].id]
        assert home is not None
        failed = ServerFact(
            id=first[n].id, boot_number=1, condition=ServerCondition.FAILED, reason="no such"
        )
        by_name[home.name].report(servers=[failed])
        return []

    made = at_once(replicas, 6, work)
    servers = [*first, *(server for batch in made for server in batch)]
    where = by_host(svc, servers)
    assert set(where.values()) == {1}
    assert where.total() >= 4, "six hosts, of which each refused one server at most"


def test_a_group_that_goes_while_members_are_made_leaves_none_that_names_it(
    replicas: list[Services], network: Network
) -> None:
    group = a_group(replicas[0], GroupPolicy.ANTI_AFFINITY)

    def work(svc: Services, n: int) -> list[Server]:
        if n == 2:
            delete_server_group(svc, DEMO, group)
            return []
        with suppress(Invalid):  # It could not be found.
            return boot(svc, network, group)
        return []

    made = at_once(replicas, 6, work)
    for server in (server for batch in made for server in batch):
        assert get_server(replicas[0], DEMO, server.id).server.group_id is None


def test_a_host_that_changes_zones_while_servers_are_placed_keeps_what_they_asked_for(
    replicas: list[Services], network: Network
) -> None:
    svc, east = replicas[0], ZoneName("east")
    aggregate = create_aggregate(svc, ADMIN, "east", zone=east).aggregate
    for n in (1, 2):
        add_host(svc, ADMIN, aggregate.id, f"h{n}")

    def work(svc: Services, n: int) -> list[Server]:
        with suppress(Invalid):  # The zone has no host any more; or it has servers already.
            if n != 3:
                return boot(svc, network, None, zone=east)
            update_aggregate(
                svc,
                ADMIN,
                aggregate.id,
                rules.UPDATE_AGGREGATE,
                metadata={"availability_zone": "west"},
            )
        return []

    made = at_once(replicas, 6, work)
    for server in (server for batch in made for server in batch):
        view = get_server(svc, DEMO, server.id)
        assert view.zone == east or view.host is None


def test_placing_members_of_one_group_at_once_loses_few_races(
    replicas: list[Services], network: Network
) -> None:
    """They wait for their turn: else each round but one would be decided in vain."""
    lost = REGISTRY.get_sample_value("trunkline_races_lost_total") or 0
    group = a_group(replicas[0], GroupPolicy.SOFT_ANTI_AFFINITY)
    made = at_once(replicas, 18, lambda svc, _: boot(svc, network, group))
    assert Counter(server.state for [server] in made) == {ServerState.BUILD: 18}
    after = REGISTRY.get_sample_value("trunkline_races_lost_total") or 0
    assert after - lost <= 18

"""What each group, user and server may have, asked for by many at once, on both databases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.ssh_keys import an_ssh_key
from tests.support.world import ADMIN, DEMO, PHY1, AgentByHand, a_card, a_flavor, a_network
from trunkline.control.key_pairs import create_key_pair, list_key_pairs
from trunkline.control.quotas import set_quotas
from trunkline.control.requests import NicRequest, ServerCreate
from trunkline.control.server_groups import (
    create_server_group,
    get_server_group,
    list_server_groups,
)
from trunkline.control.server_labels import set_metadata
from trunkline.control.servers import create_servers, get_server
from trunkline.control.services import Services
from trunkline.domain.errors import Invalid
from trunkline.domain.ids import FlavorId, NetworkId
from trunkline.domain.policy import compute_rules as rules
from trunkline.domain.port import VnicType
from trunkline.domain.quota import QuotaExceeded, Resource
from trunkline.domain.server import Server
from trunkline.domain.server_group import GroupPolicy

ASKERS, LIMIT = 9, 3


@pytest.fixture
def network_id(replicas: Sequence[Services]) -> NetworkId:
    svc = replicas[0]
    a_flavor(svc)
    for number in (1, 2):
        AgentByHand(svc, f"h{number}", a_card(5, "phy1", vf_count=8, serial=number))
    return a_network(svc, "blue", (PHY1, 100)).id


def allow(svc: Services, resource: Resource, limit: int = LIMIT) -> None:
    set_quotas(svc, ADMIN, None, [(resource, None, limit)])


def boot(
    svc: Services, network_id: NetworkId, *, group_id: str | None = None, most: int = 1
) -> list[Server]:
    nic = NicRequest(network_id=network_id, vnic_type=VnicType.DIRECT)
    asked = ServerCreate(
        name="web", flavor_id=FlavorId("small"), image_id=None, nics=(nic,), group_id=group_id
    )
    return create_servers(svc, DEMO, asked, least=most, most=most)


def at_once(
    replicas: Sequence[Services], work: Callable[[Services, int], object]
) -> Counter[type[BaseException] | None]:
    """Return how many of all who ask were refused with what."""

    def ask(number: int) -> type[BaseException] | None:
        try:
            work(replicas[number % len(replicas)], number)
        except QuotaExceeded as refused:
            return type(refused)
        return None

    with ThreadPoolExecutor(ASKERS) as threads:
        return Counter(threads.map(ask, range(ASKERS)))


ALL_BUT_THE_LIMIT: Counter[type[BaseException] | None] = Counter({
    None: LIMIT, QuotaExceeded: ASKERS - LIMIT,
})  # fmt: skip


def test_a_group_gets_no_more_members_than_one_may_have(
    replicas: Sequence[Services], network_id: NetworkId
) -> None:
    svc = replicas[0]
    allow(svc, Resource.SERVER_GROUP_MEMBERS)
    group_id = create_server_group(svc, DEMO, "g", GroupPolicy.SOFT_AFFINITY).group.id
    ended = at_once(replicas, lambda here, _: boot(here, network_id, group_id=group_id))
    assert ended == ALL_BUT_THE_LIMIT
    assert len(get_server_group(svc, DEMO, group_id).members) == LIMIT


def test_a_batch_joins_a_group_whole_or_not_at_all(
    replicas: Sequence[Services], network_id: NetworkId
) -> None:
    svc = replicas[0]
    allow(svc, Resource.SERVER_GROUP_MEMBERS)
    group_id = create_server_group(svc, DEMO, "g", GroupPolicy.SOFT_AFFINITY).group.id
    boot(svc, network_id, group_id=group_id, most=2)
    with pytest.raises(QuotaExceeded, match="2 asked for, 2 of 3 held"):
        boot(svc, network_id, group_id=group_id, most=2)
    assert len(get_server_group(svc, DEMO, group_id).members) == 2
    other = create_server_group(svc, DEMO, "other", GroupPolicy.SOFT_AFFINITY).group.id
    assert len(boot(svc, network_id, group_id=other, most=LIMIT)) == LIMIT  # Each by itself.


def test_a_project_gets_no_more_groups_than_it_may_have(replicas: Sequence[Services]) -> None:
    allow(replicas[0], Resource.SERVER_GROUPS)

    def make(svc: Services, number: int) -> None:
        create_server_group(svc, DEMO, f"g{number}", GroupPolicy.AFFINITY)

    assert at_once(replicas, make) == ALL_BUT_THE_LIMIT
    assert len(list_server_groups(replicas[0], DEMO)) == LIMIT


def test_a_user_gets_no_more_key_pairs_than_one_may_have(replicas: Sequence[Services]) -> None:
    allow(replicas[0], Resource.KEY_PAIRS)

    def bring(svc: Services, number: int) -> None:
        create_key_pair(svc, DEMO, f"k{number}", an_ssh_key())

    assert at_once(replicas, bring) == ALL_BUT_THE_LIMIT
    assert len(list_key_pairs(replicas[0], DEMO)) == LIMIT


def test_a_server_gets_no_more_metadata_than_one_may_have(
    replicas: Sequence[Services], network_id: NetworkId
) -> None:
    svc = replicas[0]
    allow(svc, Resource.METADATA_ITEMS)
    [server] = boot(svc, network_id)

    def add(here: Services, number: int) -> None:
        set_metadata(here, DEMO, server.id, {f"k{number}": "v"}, by=rules.ADD_METADATA)

    assert at_once(replicas, add) == ALL_BUT_THE_LIMIT
    assert len(get_server(svc, DEMO, server.id).server.metadata) == LIMIT


@pytest.mark.parametrize("limit", [None, 1001])
def test_no_quota_lets_a_users_key_pairs_grow_without_end(
    replicas: Sequence[Services], limit: int | None
) -> None:
    with pytest.raises(Invalid, match="0 to 1000"):
        set_quotas(replicas[0], ADMIN, None, [(Resource.KEY_PAIRS, None, limit)])

"""Servers of a group: together or apart, whatever way they come to be placed.

h1, h2                            network blue: vlan 100 on phy1
├─ 0000:05:00.0  phy1, 4 VFs
└─ 0000:82:00.0  phy2, 4 VFs
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from tests.control.scene import Scene, on
from tests.support.world import ADMIN, DEMO, OTHER, AgentByHand, a_card
from trunkline.control.capacity import capacity_of_mix, capacity_of_shape
from trunkline.control.desired import desired_config
from trunkline.control.explaining import Advice, explain
from trunkline.control.hosts import set_host_enabled
from trunkline.control.requests import ExplainRequest, ServerCreate
from trunkline.control.server_groups import (
    ServerGroupView,
    create_server_group,
    delete_server_group,
    get_server_group,
    list_server_groups,
)
from trunkline.control.servers import create_servers, delete_server, get_server
from trunkline.control.what_if import WhatIf, what_if
from trunkline.domain.errors import Forbidden, Invalid, NotFound
from trunkline.domain.ids import FlavorId, HostName
from trunkline.domain.server import Server, ServerState
from trunkline.domain.server_group import GroupPolicy
from trunkline.placement.asks.edits import EditKind
from trunkline.placement.asks.request import Reason
from trunkline.reconcile.report import ServerCondition, ServerFact

ANTI, TOGETHER = GroupPolicy.ANTI_AFFINITY, GroupPolicy.AFFINITY
SOFT_ANTI, SOFT_TOGETHER = GroupPolicy.SOFT_ANTI_AFFINITY, GroupPolicy.SOFT_AFFINITY
READER = replace(DEMO, roles=frozenset({"reader"}))


def a_group(scene: Scene, policy: GroupPolicy, *, most: int | None = None) -> str:
    made = create_server_group(scene.svc, DEMO, "web", policy, max_per_host=most)
    return made.group.id


def create(
    scene: Scene, group: str | None, *, least: int = 1, most: int = 1, **changes: Any
) -> list[Server]:
    asked = ServerCreate(
        name="web", flavor_id=FlavorId("small"), image_id=None, nics=(on(scene.blue),),
        group_id=group, **changes,
    )  # fmt: skip
    caller = ADMIN if "host" in changes else DEMO
    return create_servers(scene.svc, caller, asked, least=least, most=most)


def hosts_of(scene: Scene, servers: list[Server]) -> Counter[str]:
    views = [get_server(scene.svc, DEMO, server.id) for server in servers]
    return Counter(str(view.host.name) if view.host else "none" for view in views)


def members(scene: Scene, group: str) -> set[str]:
    return set(get_server_group(scene.svc, DEMO, group).members)


def a_third_host(scene: Scene) -> None:
    scene.agents["h3"] = AgentByHand(scene.svc, "h3", a_card(5, "phy1", serial=3))


def would_be(scene: Scene, group: str) -> Advice:
    asked = ExplainRequest(flavor_id=FlavorId("small"), nics=(on(scene.blue),), group_id=group)
    return explain(scene.svc, ADMIN, asked)


def test_servers_of_an_anti_affinity_group_are_each_on_a_host_of_their_own(scene: Scene) -> None:
    group = a_group(scene, ANTI)
    placed = [create(scene, group)[0] for _ in range(2)]
    assert hosts_of(scene, placed) == {"h1": 1, "h2": 1}
    [third] = create(scene, group)
    assert third.state is ServerState.ERROR
    assert third.fault is not None
    assert "2 server group anti affinity" in third.fault.message
    assert "in server group web (anti-affinity)" in third.fault.message
    assert "Smallest change: do without the server group: web (anti-affinity)" in (
        third.fault.details
    )
    assert members(scene, group) == {server.id for server in (*placed, third)}


def test_servers_of_an_affinity_group_are_all_on_one_host(scene: Scene) -> None:
    group = a_group(scene, TOGETHER)
    placed = [create(scene, group)[0] for _ in range(4)]
    [home] = hosts_of(scene, placed)
    [fifth] = create(scene, group)  # Its four VFs are taken; those of the other host are not.
    assert fifth.fault is not None
    assert "1 server group affinity" in fifth.fault.message
    explanation = would_be(scene, group).explanation
    assert explanation is not None
    refusals = {host.host_name: host for host in explanation.nearest}
    other = refusals.pop(HostName("h1" if home == "h2" else "h2"))
    assert other.reasons == (Reason.SERVER_GROUP_AFFINITY,)
    assert [edit.kind for edit in other.edits] == [EditKind.LEAVE_GROUP]


def test_as_many_may_be_on_a_host_as_the_rule_says(scene: Scene) -> None:
    group = a_group(scene, ANTI, most=2)
    assert hosts_of(scene, create(scene, group, least=3, most=4)) == {"h1": 2, "h2": 2}
    assert create(scene, group)[0].state is ServerState.ERROR


def test_soft_policies_say_which_host_comes_first_and_refuse_none(scene: Scene) -> None:
    together, apart = a_group(scene, SOFT_TOGETHER), a_group(scene, SOFT_ANTI)
    first = [create(scene, together)[0] for _ in range(3)]
    assert len(hosts_of(scene, first)) == 1
    assert hosts_of(scene, create(scene, apart, least=2, most=2)) == {"h1": 1, "h2": 1}
    rest = create(scene, together, least=3, most=3)
    assert {server.state for server in rest} == {ServerState.BUILD}
    assert hosts_of(scene, [*first, *rest]).most_common()[0][1] >= 3


@pytest.mark.parametrize(("policy", "fitting"), [(ANTI, 2), (TOGETHER, 4)])
def test_a_batch_is_placed_together_as_many_as_the_policy_lets_fit(
    scene: Scene, policy: GroupPolicy, fitting: int
) -> None:
    group = a_group(scene, policy)
    placed = create(scene, group, least=1, most=6)
    assert len(placed) == fitting
    assert len(hosts_of(scene, placed)) == (2 if policy is ANTI else 1)


@pytest.mark.parametrize(("policy", "fitting"), [(ANTI, 2), (TOGETHER, 4)])
def test_of_a_batch_that_does_not_fit_as_a_whole_none_is_placed(
    scene: Scene, policy: GroupPolicy, fitting: int
) -> None:
    servers = create(scene, a_group(scene, policy), least=fitting + 1, most=6)
    assert {server.state for server in servers} == {ServerState.ERROR}
    assert servers[0].fault is not None
    assert f"{fitting} of at least {fitting + 1} servers fit" in servers[0].fault.message
    scene.index_agrees()


def test_the_first_members_of_an_affinity_group_go_where_all_of_them_fit(scene: Scene) -> None:
    """h2 comes first for one, since more of it is free; h3 alone has room for all."""
    scene.agents["h3"] = AgentByHand(scene.svc, "h3", a_card(5, "phy1", vf_count=6, serial=3))
    create(scene, None, host=HostName("h3"))
    placed = create(scene, a_group(scene, TOGETHER), least=5, most=5)
    assert hosts_of(scene, placed) == {"h3": 5}


def refuse(scene: Scene, server: Server) -> None:
    view = get_server(scene.svc, DEMO, server.id)
    assert view.host is not None
    scene.agents[view.host.name].report(
        servers=[
            ServerFact(
                id=server.id, boot_number=1, condition=ServerCondition.FAILED, reason="no such"
            )
        ]
    )


def test_a_server_that_its_host_refused_keeps_its_policy_where_it_goes(scene: Scene) -> None:
    a_third_host(scene)
    group = a_group(scene, ANTI)
    first, second = create(scene, group, least=2, most=2)
    before = hosts_of(scene, [first, second])
    refuse(scene, first)
    after = hosts_of(scene, [first, second])
    assert after.keys() - before.keys(), "it is on the one host that was left"
    assert set(after.values()) == {1}
    refuse(scene, first)
    assert get_server(scene.svc, DEMO, first.id).server.state is ServerState.ERROR


def test_a_deleted_server_leaves_its_group_at_once(scene: Scene) -> None:
    group = a_group(scene, ANTI)
    first, _ = create(scene, group, least=2, most=2)
    [home] = hosts_of(scene, [first])
    delete_server(scene.svc, DEMO, first.id)
    assert first.id not in members(scene, group)
    assert hosts_of(scene, create(scene, group)) == {home: 1}


def test_members_of_a_group_that_is_deleted_stay_and_are_of_none(scene: Scene) -> None:
    group = a_group(scene, ANTI)
    [server] = create(scene, group)
    delete_server_group(scene.svc, DEMO, group)
    assert get_server(scene.svc, DEMO, server.id).server.group_id is None
    with pytest.raises(NotFound):
        get_server_group(scene.svc, DEMO, group)
    with pytest.raises(Invalid, match="could not be found"):
        create(scene, group)


def test_a_named_host_is_refused_where_the_group_says_so(scene: Scene) -> None:
    group = a_group(scene, ANTI)
    create(scene, group, host=HostName("h1"))
    [second] = create(scene, group, host=HostName("h1"))
    assert second.state is ServerState.ERROR
    [third] = create(scene, group, host=HostName("h2"))
    assert third.state is ServerState.BUILD


def test_groups_are_of_their_project(scene: Scene) -> None:
    group = a_group(scene, ANTI)
    with pytest.raises(NotFound):
        get_server_group(scene.svc, OTHER, group)
    with pytest.raises(NotFound):
        delete_server_group(scene.svc, OTHER, group)
    with pytest.raises(Forbidden):
        create_server_group(scene.svc, READER, "web", ANTI)
    with pytest.raises(Forbidden):
        delete_server_group(scene.svc, READER, group)
    with pytest.raises(Forbidden):
        list_server_groups(scene.svc, DEMO, all_projects=True)
    assert list_server_groups(scene.svc, OTHER) == []
    assert _ids(list_server_groups(scene.svc, READER)) == [group]
    assert _ids(list_server_groups(scene.svc, ADMIN, all_projects=True)) == [group]


def _ids(views: list[ServerGroupView]) -> list[str]:
    return [view.group.id for view in views]


def test_capacity_counts_what_a_group_lets_fit(scene: Scene) -> None:
    shape = ExplainRequest(flavor_id=FlavorId("small"), nics=(on(scene.blue),))
    apart, together = a_group(scene, ANTI, most=3), a_group(scene, TOGETHER)
    create(scene, apart, host=HostName("h1"))
    counted = capacity_of_shape(scene.svc, ADMIN, replace(shape, group_id=apart))
    assert [(host.name, host.least, host.most) for host in counted.hosts] == [
        ("h1", 2, 2), ("h2", 3, 3),
    ]  # fmt: skip
    assert counted.limits == {Reason.SERVER_GROUP_ANTI_AFFINITY: 2}
    counted = capacity_of_shape(scene.svc, ADMIN, replace(shape, group_id=together))
    assert (counted.least, counted.most) == (4, 4), "the first decides where all others are"
    create(scene, together, host=HostName("h1"))
    counted = capacity_of_shape(scene.svc, ADMIN, replace(shape, group_id=together))
    assert [(host.name, host.least) for host in counted.hosts] == [("h1", 2), ("h2", 0)]
    assert counted.limits[Reason.SERVER_GROUP_AFFINITY] == 1
    with pytest.raises(Invalid, match="server group"):
        capacity_of_mix(scene.svc, ADMIN, [(1, replace(shape, group_id=apart))])


def test_what_if_keeps_policies_for_those_that_would_move(scene: Scene) -> None:
    a_third_host(scene)
    group = a_group(scene, ANTI, most=2)
    create(scene, group, least=2, most=2, host=HostName("h1"))
    create(scene, group, least=1, most=1, host=HostName("h2"))
    outlook = what_if(scene.svc, ADMIN, WhatIf(drained=(HostName("h1"),)))
    where = Counter(outlook.host_names[m.placed.host_id] for m in outlook.resettled.moves)
    assert sum(where.values()) == 2
    assert where[HostName("h2")] <= 1, "one is there already, and at most two may be"
    tight = a_group(scene, ANTI)
    create(scene, tight, least=3, most=3)
    outlook = what_if(scene.svc, ADMIN, WhatIf(drained=(HostName("h3"),)))
    [stuck] = [one for one in outlook.stuck if one.resident.request.fellows]
    assert stuck.explanation is not None
    assert stuck.explanation.counts == {Reason.SERVER_GROUP_ANTI_AFFINITY: 2}


def test_a_policy_is_no_reason_where_it_is_kept(scene: Scene) -> None:
    group = a_group(scene, ANTI)
    create(scene, group, host=HostName("h1"))
    set_host_enabled(scene.svc, ADMIN, "h2", enabled=False)
    explanation = would_be(scene, group).explanation
    assert explanation is not None
    assert explanation.counts == {Reason.DISABLED: 1, Reason.SERVER_GROUP_ANTI_AFFINITY: 1}
    assert explanation.smallest_change.startswith("enable h2")


def test_a_rule_goes_with_anti_affinity_only(scene: Scene) -> None:
    with pytest.raises(Invalid, match="max_server_per_host"):
        a_group(scene, TOGETHER, most=2)


def test_placing_a_member_wakes_no_more_than_its_host(scene: Scene) -> None:
    group = a_group(scene, ANTI)
    [server] = create(scene, group)
    [home] = hosts_of(scene, [server])
    other = "h1" if home == "h2" else "h2"
    assert desired_config(scene.svc, HostName(other)).servers == ()

"""Several servers by one request: as many as fit, or, below the least that is asked for, none.

h1, h2                            network blue: vlan 100 on phy1
├─ 0000:05:00.0  phy1, 4 VFs      network red:  vlan 200 on phy2
└─ 0000:82:00.0  phy2, 4 VFs
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.control import holdings
from tests.control.scene import Scene, on
from tests.support.world import ADMIN, DEMO
from trunkline.control.events import list_events
from trunkline.control.ports import create_port
from trunkline.control.requests import NicPolicy, NicRequest, PortCreate, ServerCreate
from trunkline.control.server_batches import BATCH_SERVERS_MAX
from trunkline.control.servers import (
    create_server,
    create_servers,
    get_server,
    list_servers,
)
from trunkline.domain.errors import Invalid
from trunkline.domain.ids import FlavorId, HostName
from trunkline.domain.listing import ListQuery
from trunkline.domain.port import VnicType
from trunkline.domain.quota import Quota, QuotaExceeded, Resource
from trunkline.domain.server import Server, ServerState

HOSTS = [HostName("h1"), HostName("h2")]


def asked_for(*nics: NicRequest, **changes: Any) -> ServerCreate:
    fields: dict[str, Any] = {"name": "web", "flavor_id": FlavorId("small"), "image_id": None}
    return ServerCreate(**fields | {"nics": nics} | changes)


def create(scene: Scene, *nics: NicRequest, least: int, most: int) -> list[Server]:
    return create_servers(scene.svc, DEMO, asked_for(*nics), least=least, most=most)


def test_servers_are_named_and_numbered_as_nova_does(scene: Scene) -> None:
    servers = create(scene, on(scene.blue), least=3, most=3)
    assert [server.name for server in servers] == ["web-1", "web-2", "web-3"]
    assert [server.hostname for server in servers] == ["web-1", "web-2", "web-3"]
    assert [server.launch_index for server in servers] == [0, 1, 2]
    assert len({server.reservation_id for server in servers}) == 1
    assert len({server.id for server in servers}) == 3
    stored = list_servers(scene.svc, DEMO, ListQuery())
    assert {view.server.name for view in stored} == {"web-1", "web-2", "web-3"}


def test_one_server_keeps_its_name(scene: Scene) -> None:
    [server] = create(scene, on(scene.blue), least=1, most=1)
    assert (server.name, server.launch_index) == ("web", 0)


def test_as_many_are_made_as_fit_up_to_the_last_vf(scene: Scene) -> None:
    servers = create(scene, on(scene.blue), on(scene.red), least=2, most=20)
    assert [server.name for server in servers] == [f"web-{n}" for n in range(1, 9)]
    assert {server.state for server in servers} == {ServerState.BUILD}
    assert len(list_servers(scene.svc, DEMO, ListQuery())) == 8
    assert len(scene.devices("claimed")) == 16
    views = [get_server(scene.svc, DEMO, server.id) for server in servers]
    assert Counter(view.host.name for view in views if view.host) == {"h1": 4, "h2": 4}
    assert all(len(view.nics) == 2 for view in views)
    holdings.check(scene.svc, hosts=HOSTS)
    scene.index_agrees()


def test_below_the_least_none_is_placed_and_each_is_told_why(scene: Scene) -> None:
    create(scene, on(scene.blue), least=3, most=3)
    before = scene.devices("claimed")
    servers = create(scene, on(scene.blue), least=6, most=9)
    assert len(servers) == 6
    for server in servers:
        assert server.state is ServerState.ERROR
        assert (server.host_id, server.port_ids) == (None, ())
        assert server.fault is not None
        assert "5 of at least 6 servers fit; none was placed" in server.fault.message
        assert "no free device" in server.fault.message
    assert scene.devices("claimed") == before
    holdings.check(scene.svc, hosts=HOSTS)
    scene.index_agrees()
    assert len(create(scene, on(scene.blue), least=5, most=5)) == 5, "what was held is free again"


def test_a_host_that_is_named_takes_all_of_them(scene: Scene) -> None:
    request = asked_for(on(scene.blue), host=HostName("h2"))
    servers = create_servers(scene.svc, ADMIN, request, least=1, most=20)
    views = [get_server(scene.svc, ADMIN, server.id) for server in servers]
    assert [view.host.name for view in views if view.host] == ["h2"] * 4


def test_each_server_is_in_the_audit_trail_and_wakes_its_host_once(scene: Scene) -> None:
    servers = create(scene, on(scene.blue), least=3, most=3)
    for server in servers:
        events = list_events(scene.svc, ADMIN, ListQuery(equals={"server_id": (server.id,)}))
        assert Counter(event.action for event in events) == {
            "server.create": 1, "server.place": 1, "device.claim": 1,
        }  # fmt: skip


def test_servers_of_a_batch_live_and_die_alone(scene: Scene) -> None:
    one, two = create(scene, on(scene.blue), least=2, most=2)
    scene.settle(one.id)
    assert get_server(scene.svc, DEMO, one.id).server.state is ServerState.ACTIVE
    assert get_server(scene.svc, DEMO, two.id).server.state is ServerState.BUILD
    scene.delete(two.id)
    for host in scene.agents:
        scene.clean(host)
    assert len(scene.devices("claimed", "active")) == 1
    scene.index_agrees()


def test_a_quota_is_for_all_of_them_together(scene: Scene) -> None:
    quota = Quota(
        project_id=DEMO.own_project, resource=Resource.VFS, physical_network=None, limit=4
    )
    scene.svc.store.write(lambda tx: tx.quotas.put(quota))
    create(scene, on(scene.blue), least=2, most=2)
    with pytest.raises(QuotaExceeded, match="3"):
        create(scene, on(scene.blue), least=3, most=3)
    assert len(scene.devices("claimed")) == 2
    scene.index_agrees()
    assert len(create(scene, on(scene.blue), least=2, most=2)) == 2


def test_what_several_servers_can_t_have_is_refused_and_named(scene: Scene) -> None:
    port = create_port(
        scene.svc, DEMO, PortCreate(network_id=scene.blue.id, vnic_type=VnicType.DIRECT)
    )
    fixed = NicRequest(network_id=scene.blue.id, fixed_ip="10.0.0.5")
    many = (on(scene.blue),) * 5
    for request, most, field in (
        (asked_for(NicRequest(port_id=port.port.id)), 2, "networks"),
        (asked_for(fixed), 2, "networks"),
        (asked_for(on(scene.blue), hostname="web"), 2, "hostname"),
        (asked_for(on(scene.blue), name="w" * 254), 2, "name"),
        (asked_for(nics=NicPolicy.NONE), BATCH_SERVERS_MAX + 1, "max_count"),
        (asked_for(*many), BATCH_SERVERS_MAX, "max_count"),
    ):
        with pytest.raises(Invalid) as refused:
            create_servers(scene.svc, DEMO, request, least=1, most=most)
        assert refused.value.field == field
        assert "several servers" in refused.value.message or "at most" in refused.value.message
    assert list_servers(scene.svc, DEMO, ListQuery()) == []
    assert create_server(scene.svc, DEMO, asked_for(on(scene.blue), hostname="w")).hostname == "w"

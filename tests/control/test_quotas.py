"""Quotas: no project holds more devices than an admin lets it, whoever asks at the same moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.control.scene import Scene, on
from tests.support.world import (
    ADMIN,
    DEMO,
    OTHER,
    PHY1,
    AgentByHand,
    a_card,
    a_flavor,
    a_network,
)
from trunkline.control.desired import desired_config
from trunkline.control.network_requests import NetworkUpdate
from trunkline.control.networks import update_network
from trunkline.control.ports import create_port
from trunkline.control.qos_policies import (
    QosPolicyCreate,
    QosRuleCreate,
    QosRuleUpdate,
    create_policies,
    create_rule,
    get_policy,
    update_rule,
)
from trunkline.control.quotas import list_quotas, set_quotas, unset_quota
from trunkline.control.requests import NicRequest, PortCreate, ServerCreate
from trunkline.control.servers import create_server
from trunkline.control.services import Services
from trunkline.domain.bandwidth import Bandwidth
from trunkline.domain.errors import Forbidden, NotFound
from trunkline.domain.identity import Caller, Project
from trunkline.domain.ids import FlavorId, HostName, PhysicalNetwork
from trunkline.domain.port import VnicType
from trunkline.domain.qos import Direction, QosPolicy, QosRuleType
from trunkline.domain.quota import QuotaExceeded, Resource
from trunkline.domain.server import ServerState
from trunkline.reconcile.report import DeviceCondition, DeviceFact
from trunkline.store.transaction import Transaction

VF, PF = Resource.VFS, Resource.PFS


def set_quota(
    svc: Services,
    caller: Caller,
    project: str | None,
    resource: Resource,
    physical_network: PhysicalNetwork | None,
    limit: int | None,
) -> None:
    set_quotas(svc, caller, project, [(resource, physical_network, limit)])


@pytest.fixture(autouse=True)
def projects(request: pytest.FixtureRequest) -> None:
    """The callers' projects, as quotas are of projects that there are."""
    names = set(request.fixturenames)
    svc = request.getfixturevalue("svc" if "svc" in names else "replicas")
    svc = svc if isinstance(svc, Services) else svc[0]

    def insert(tx: Transaction) -> None:
        for caller in (DEMO, OTHER):
            tx.identity.insert_project(Project(id=caller.own_project, name=caller.project_name))

    svc.store.write(insert)


def held(scene: Scene) -> dict[str, int | None]:
    return {view.quota.what: view.held for view in list_quotas(scene.svc, ADMIN)}


def test_a_project_without_quotas_may_hold_any_number(scene: Scene) -> None:
    assert scene.boot(on(scene.blue), on(scene.red)).server.state is ServerState.BUILD
    assert list_quotas(scene.svc, ADMIN) == []


def test_a_server_beyond_the_quota_is_refused_whole(scene: Scene) -> None:
    set_quota(scene.svc, ADMIN, "demo", VF, None, 3)
    scene.boot(on(scene.blue), on(scene.red))
    before = scene.devices()
    with pytest.raises(QuotaExceeded, match="for VFs: 2 asked for, 2 of 3 held"):
        scene.boot(on(scene.blue), on(scene.red))
    assert scene.devices() == before
    scene.index_agrees()
    assert scene.boot(on(scene.red)).server.state is ServerState.BUILD
    assert held(scene) == {"VFs": 3}


def test_a_quota_on_a_physical_network_counts_what_is_cabled_to_it(scene: Scene) -> None:
    set_quota(scene.svc, ADMIN, "demo", VF, PHY1, 1)
    scene.boot(on(scene.blue), on(scene.red))
    with pytest.raises(QuotaExceeded, match="VFs on phy1"):
        scene.boot(on(scene.blue))
    scene.boot(on(scene.red))
    assert held(scene) == {"VFs on phy1": 1}


def test_kinds_are_counted_apart(scene: Scene) -> None:
    set_quota(scene.svc, ADMIN, "demo", PF, None, 0)
    scene.boot(on(scene.blue))
    with pytest.raises(QuotaExceeded, match="for PFs"):
        scene.boot(on(scene.red, VnicType.DIRECT_PHYSICAL))


def test_a_deleted_server_counts_no_more_though_its_devices_are_not_back(scene: Scene) -> None:
    set_quota(scene.svc, ADMIN, "demo", VF, None, 1)
    first = scene.boot(on(scene.blue))
    scene.delete(first.server.id)
    assert len(scene.devices("releasing")) == 1
    assert scene.boot(on(scene.blue)).server.state is ServerState.BUILD


def test_a_lowered_quota_takes_nothing_away_and_lets_in_what_it_is_not_about(
    scene: Scene,
) -> None:
    scene.boot(on(scene.blue), on(scene.red))
    set_quota(scene.svc, ADMIN, "demo", VF, None, 1)
    assert len(scene.devices("claimed")) == 2
    scene.boot(on(scene.blue, VnicType.NORMAL))
    with pytest.raises(QuotaExceeded, match="1 asked for, 2 of 1 held"):
        scene.boot(on(scene.blue))


def test_a_server_that_a_host_refused_is_placed_anew_though_the_quota_was_lowered(
    scene: Scene,
) -> None:
    view = scene.boot(on(scene.blue))
    set_quota(scene.svc, ADMIN, "demo", VF, None, 0)
    assert view.host is not None
    (server,) = desired_config(scene.svc, view.host.name).servers
    (nic,) = server.nics
    assert nic.device is not None
    refused = DeviceFact(
        address=nic.device.address,
        epoch=nic.device.epoch,
        condition=DeviceCondition.REFUSED,
        reason="no",
    )
    scene.agents[view.host.name].report(devices=[refused])
    (claimed,) = scene.devices("claimed")
    assert not claimed.startswith(view.host.name)


def test_other_projects_have_quotas_of_their_own(scene: Scene) -> None:
    set_quota(scene.svc, ADMIN, "other", VF, None, 0)
    assert scene.boot(on(scene.blue)).server.state is ServerState.BUILD


def test_a_claim_of_an_admin_counts_for_the_ports_project(scene: Scene) -> None:
    set_quota(scene.svc, ADMIN, "demo", VF, None, 0)
    free = next(line for line in scene.devices("free") if line.startswith("h1 0000:05:02"))
    port = PortCreate(
        network_id=scene.blue.id, project_id=DEMO.project_id, vnic_type=VnicType.DIRECT,
        host=HostName("h1"), profile={"pci_slot": free.split()[1]},
    )  # fmt: skip
    with pytest.raises(QuotaExceeded):
        create_port(scene.svc, ADMIN, port)
    assert scene.devices("claimed") == []
    scene.index_agrees()


def test_a_quota_that_is_removed_limits_nothing(scene: Scene) -> None:
    set_quota(scene.svc, ADMIN, "demo", VF, PHY1, 0)
    unset_quota(scene.svc, ADMIN, "demo", VF, PHY1)
    assert scene.boot(on(scene.blue)).server.state is ServerState.BUILD
    with pytest.raises(NotFound, match="VFs on phy1 of project demo"):
        unset_quota(scene.svc, ADMIN, "demo", VF, PHY1)


def test_tenants_see_their_own_quotas_and_set_none(scene: Scene) -> None:
    set_quota(scene.svc, ADMIN, "demo", VF, None, 3)
    set_quota(scene.svc, ADMIN, "other", VF, None, 4)
    assert [view.quota.limit for view in list_quotas(scene.svc, DEMO)] == [3]
    assert [view.quota.limit for view in list_quotas(scene.svc, DEMO, "demo")] == [3]
    with pytest.raises(NotFound):
        list_quotas(scene.svc, DEMO, "other")
    with pytest.raises(Forbidden):
        set_quota(scene.svc, DEMO, "demo", VF, None, 100)
    with pytest.raises(Forbidden):
        unset_quota(scene.svc, DEMO, "demo", VF, None)
    with pytest.raises(NotFound):
        set_quota(scene.svc, ADMIN, "nobody", VF, None, 1)


def test_servers_cores_and_memory_count_as_long_as_the_server_is_there(scene: Scene) -> None:
    set_quota(scene.svc, ADMIN, "demo", Resource.SERVERS, None, 1)
    set_quota(scene.svc, ADMIN, "demo", Resource.CORES, None, 100)
    set_quota(scene.svc, ADMIN, "demo", Resource.MEMORY_MIB, None, 100_000)
    first = scene.boot(on(scene.blue))
    flavor = first.server.flavor
    before = scene.devices()
    with pytest.raises(QuotaExceeded, match="for servers: 1 asked for, 1 of 1 held"):
        scene.boot(on(scene.blue))
    assert scene.devices() == before
    scene.index_agrees()
    assert held(scene) == {
        "servers": 1, "cores": flavor.vcpus, "MiB of memory": flavor.memory_mib,
    }  # fmt: skip
    scene.delete(first.server.id)
    assert held(scene) == {"servers": 0, "cores": 0, "MiB of memory": 0}
    scene.boot(on(scene.blue))


def test_a_server_in_error_counts_and_ports_that_it_would_have_had_do_not(scene: Scene) -> None:
    set_quota(scene.svc, ADMIN, "demo", Resource.SERVERS, None, 5)
    set_quota(scene.svc, ADMIN, "demo", Resource.PORTS, None, 5)
    failed = scene.boot(*[on(scene.blue)] * 5)
    assert failed.server.state is ServerState.ERROR
    assert held(scene) == {"servers": 1, "ports": 0}


def test_ports_that_are_made_for_a_server_count(scene: Scene) -> None:
    set_quota(scene.svc, ADMIN, "demo", Resource.PORTS, None, 3)
    scene.boot(on(scene.blue), on(scene.red))
    with pytest.raises(QuotaExceeded, match="for ports: 2 asked for, 2 of 3 held"):
        scene.boot(on(scene.blue), on(scene.red))
    assert held(scene) == {"ports": 2}


def test_a_quota_of_all_projects_holds_where_a_project_has_none_of_its_own(scene: Scene) -> None:
    set_quota(scene.svc, ADMIN, None, VF, None, 0)
    with pytest.raises(QuotaExceeded, match="0 of 0 held"):
        scene.boot(on(scene.blue))
    set_quota(scene.svc, ADMIN, "demo", VF, None, 1)
    scene.boot(on(scene.blue))
    with pytest.raises(QuotaExceeded, match="1 of 1 held"):
        scene.boot(on(scene.blue))
    set_quota(scene.svc, ADMIN, "demo", VF, None, None)
    scene.boot(on(scene.blue))
    unset_quota(scene.svc, ADMIN, "demo", VF, None)
    with pytest.raises(QuotaExceeded, match="2 of 0 held"):
        scene.boot(on(scene.blue))


def guaranteeing(scene: Scene, mbps: int) -> QosPolicy:
    """A policy that guarantees as much in egress, of PFs that have 10,000 on phy1."""
    for host, agent in scene.agents.items():
        pf, *vfs = a_card(5, "phy1", serial=int(host[1:]), vf_count=4)
        bandwidth = Bandwidth(egress_mbps=10_000, ingress_mbps=10_000)
        agent.report(inventory=(replace(pf, bandwidth=bandwidth), *vfs))
    policy = create_policies(scene.svc, ADMIN, [QosPolicyCreate(name="gold", shared=True)])[0]
    rule = QosRuleCreate(
        type=QosRuleType.MINIMUM_BANDWIDTH, direction=Direction.EGRESS, kbps=1000 * mbps
    )
    create_rule(scene.svc, ADMIN, policy.id, rule)
    return get_policy(scene.svc, ADMIN, policy.id)


def test_guarantees_on_a_physical_network_count_and_may_not_be_raised_beyond(
    scene: Scene,
) -> None:
    policy = guaranteeing(scene, 400)
    set_quota(scene.svc, ADMIN, "demo", Resource.EGRESS_MBPS, PHY1, 1000)
    update_network(scene.svc, ADMIN, scene.blue.id, NetworkUpdate(qos_policy_id=policy.id))
    for _ in range(2):
        scene.boot(on(scene.blue))
    refusal = "for guaranteed egress Mbit/s on phy1: 400 asked for, 800 of 1000 held"
    with pytest.raises(QuotaExceeded, match=refusal):
        scene.boot(on(scene.blue))
    scene.index_agrees()
    (rule,) = policy.rules
    with pytest.raises(QuotaExceeded, match="400 asked for, 800 of 1000 held"):
        update_rule(scene.svc, ADMIN, policy.id, rule.id, QosRuleUpdate(kbps=600_000))
    update_rule(scene.svc, ADMIN, policy.id, rule.id, QosRuleUpdate(kbps=500_000))
    assert held(scene) == {"guaranteed egress Mbit/s on phy1": 1000}
    scene.index_agrees()


@pytest.mark.parametrize("resource", [VF, Resource.SERVERS, Resource.CORES, Resource.PORTS])
@pytest.mark.parametrize("of_all", [True, False], ids=["of all projects", "its own"])
def test_exactly_as_many_as_allowed_are_held_however_many_ask_at_once(
    replicas: list[Services], resource: Resource, *, of_all: bool
) -> None:
    svc = replicas[0]
    a_flavor(svc)
    for n in range(4):
        AgentByHand(svc, f"h{n}", a_card(5, "phy1", vf_count=8, serial=n))
    for each in replicas[1:]:
        each.store.read(each.fleet.load)
    blue = a_network(svc, "blue", (PHY1, 100))
    set_quota(svc, ADMIN, None if of_all else "demo", resource, None, 7)
    request = ServerCreate(
        name="web", flavor_id=FlavorId("small"), image_id=None,
        nics=(NicRequest(network_id=blue.id, vnic_type=VnicType.DIRECT),),
    )  # fmt: skip

    def boot(number: int) -> bool:
        try:
            server = create_server(replicas[number % len(replicas)], DEMO, request)
        except QuotaExceeded:
            return False
        return server.state is ServerState.BUILD

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(boot, range(20)))
    assert sum(outcomes) == 7
    assert [view.held for view in list_quotas(svc, ADMIN, "demo")] == [7]

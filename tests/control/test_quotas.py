"""Quotas: no project holds more devices than an admin lets it, whoever asks at the same moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

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
from trunkline.control.ports import create_port
from trunkline.control.quotas import list_quotas, set_quota, unset_quota
from trunkline.control.requests import NicRequest, PortCreate, ServerCreate
from trunkline.control.servers import create_server
from trunkline.control.services import Services
from trunkline.domain.device import DeviceKind
from trunkline.domain.errors import Forbidden, NotFound
from trunkline.domain.identity import Project
from trunkline.domain.ids import FlavorId, HostName
from trunkline.domain.port import VnicType
from trunkline.domain.quota import QuotaExceeded
from trunkline.domain.server import ServerState
from trunkline.reconcile.report import DeviceCondition, DeviceFact
from trunkline.store.transaction import Transaction

VF, PF = DeviceKind.VF, DeviceKind.PF


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


def held(scene: Scene) -> dict[str, int]:
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
    with pytest.raises(NotFound, match="vf on phy1 of project demo"):
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


def test_exactly_as_many_as_allowed_are_held_however_many_ask_at_once(
    replicas: list[Services],
) -> None:
    svc = replicas[0]
    a_flavor(svc)
    for n in range(4):
        AgentByHand(svc, f"h{n}", a_card(5, "phy1", vf_count=8, serial=n))
    for each in replicas[1:]:
        each.store.read(each.fleet.load)
    blue = a_network(svc, "blue", (PHY1, 100))
    set_quota(svc, ADMIN, "demo", VF, None, 7)
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
    assert [view.held for view in list_quotas(svc, ADMIN)] == [7]

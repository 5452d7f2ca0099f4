"""Guests confined to NUMA nodes: what is taken, told to the host, and given back.

h1   node 0: CPUs 0-3, 8 GiB, phy1      node 1: CPUs 4-7, 8 GiB, phy2
h2   the same
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.control.scene import Scene
from tests.support.world import ADMIN, DEMO, PHY1, PHY2, AgentByHand, a_card, a_flavor, a_network
from trunkline.control.desired import desired_config
from trunkline.control.hosts import get_host
from trunkline.control.ledger import Flaw
from trunkline.control.ports import create_port
from trunkline.control.requests import NicRequest, PortCreate, ServerCreate
from trunkline.control.servers import create_server, delete_server, get_server
from trunkline.control.services import Services
from trunkline.control.verifying import verify_hosts
from trunkline.control.views import ServerView
from trunkline.domain.host import HostResources, HostUse
from trunkline.domain.ids import FlavorId, HostName, ServerId
from trunkline.domain.listing import ListQuery
from trunkline.domain.network import Network
from trunkline.domain.nic_rules import NumaPolicy
from trunkline.domain.numa import NumaNode, NumaUse
from trunkline.domain.port import VnicType
from trunkline.domain.server import ServerState
from trunkline.reconcile.desired import GuestNode
from trunkline.reconcile.report import ServerCondition, ServerFact
from trunkline.store.transaction import Transaction

REQUIRED, PREFERRED = NumaPolicy.REQUIRED, NumaPolicy.PREFERRED
NODES = (
    NumaNode(number=0, socket=0, cpus="0-3", memory_mib=8192),
    NumaNode(number=1, socket=1, cpus="4-7", memory_mib=8192),
)


def resources(*nodes: NumaNode) -> HostResources:
    return HostResources(
        vcpus=8, memory_mib=16384, disk_gib=500, bridges={PHY1: "br-phy1", PHY2: "br-phy2"},
        numa_nodes=nodes,
    )  # fmt: skip


@pytest.fixture
def scene(scene: Scene) -> Scene:
    for number, name in enumerate(("h1", "h2")):
        cards = a_card(5, "phy1", vf_count=8, serial=number, numa_node=0)
        cards += a_card(0x82, "phy2", vf_count=8, serial=number, numa_node=1)
        scene.agents[name].report(inventory=tuple(cards), resources=resources(*NODES))
    return scene


def boot(
    scene: Scene, network: Network, policy: NumaPolicy | None, *, host: str | None = "h1"
) -> ServerView:
    asked = PortCreate(network_id=network.id, vnic_type=VnicType.DIRECT, numa_policy=policy)
    nic = NicRequest(port_id=create_port(scene.svc, DEMO, asked).port.id)
    request = ServerCreate(
        name="web", flavor_id=FlavorId("small"), image_id=None, nics=(nic,),
        host=None if host is None else HostName(host),
    )  # fmt: skip
    who = DEMO if host is None else replace(DEMO, roles=ADMIN.roles | DEMO.roles)
    return get_server(scene.svc, DEMO, create_server(scene.svc, who, request).id)


def used(scene: Scene, host: str = "h1") -> dict[int, NumaUse]:
    return dict(get_host(scene.svc, ADMIN, host).use.numa)


def test_a_confined_server_takes_of_the_node_of_its_device_and_gives_it_back(
    scene: Scene,
) -> None:
    first, second = boot(scene, scene.red, REQUIRED), boot(scene, scene.blue, REQUIRED)
    assert (first.server.numa_node, second.server.numa_node) == (1, 0)
    assert used(scene) == {0: NumaUse(1, 512), 1: NumaUse(1, 512)}
    scene.index_agrees()
    assert [
        (room.number, room.socket, room.free_vcpus, room.free_memory_mib)
        for room in scene.svc.fleet.view(get_host(scene.svc, ADMIN, "h1").host.id).numa
    ] == [(0, 0, 3, 7680), (1, 1, 3, 7680)]
    delete_server(scene.svc, DEMO, first.server.id)
    assert used(scene) == {0: NumaUse(1, 512)}
    scene.index_agrees()


@pytest.mark.parametrize("policy", [None, PREFERRED])
def test_who_only_prefers_a_node_counts_against_none(
    scene: Scene, policy: NumaPolicy | None
) -> None:
    view = boot(scene, scene.red, policy)
    assert view.server.numa_node is None
    assert (used(scene), get_host(scene.svc, ADMIN, "h1").use.vcpus) == ({}, 1)
    (config,) = desired_config(scene.svc, HostName("h1")).servers
    assert config.numa_node is None


def test_a_full_node_takes_no_more_confined_guests_while_the_host_takes_others(
    scene: Scene,
) -> None:
    for _ in range(4):
        assert boot(scene, scene.red, REQUIRED).server.state is ServerState.BUILD
    refused = boot(scene, scene.red, REQUIRED)
    assert (refused.server.state, refused.server.numa_node) == (ServerState.ERROR, None)
    assert boot(scene, scene.red, PREFERRED).server.state is ServerState.BUILD
    assert boot(scene, scene.blue, REQUIRED).server.numa_node == 0
    elsewhere = boot(scene, scene.red, REQUIRED, host=None)
    assert elsewhere.host is not None
    assert (elsewhere.host.name, elsewhere.server.numa_node) == ("h2", 1)
    scene.index_agrees()


def test_the_host_is_told_the_node_and_its_cpus(scene: Scene) -> None:
    boot(scene, scene.red, REQUIRED)
    (config,) = desired_config(scene.svc, HostName("h1")).servers
    assert config.numa_node == GuestNode(number=1, cpus="4-7")


def test_a_server_that_its_host_refuses_leaves_nothing_on_the_node(scene: Scene) -> None:
    view = boot(scene, scene.red, REQUIRED, host=None)
    assert view.host is not None
    first = view.host.name
    scene.agents[first].report(servers=[a_failure(view.server.id)])
    moved = get_server(scene.svc, DEMO, view.server.id)
    assert moved.host is not None
    assert moved.host.name != first
    assert (used(scene, first), moved.server.numa_node) == ({}, 1)
    scene.agents[moved.host.name].report(servers=[a_failure(view.server.id)])
    failed = get_server(scene.svc, DEMO, view.server.id)
    assert (failed.server.state, failed.server.numa_node) == (ServerState.ERROR, None)
    assert used(scene, moved.host.name) == {}
    scene.index_agrees()


def a_failure(server_id: ServerId) -> ServerFact:
    return ServerFact(
        id=server_id, boot_number=1, condition=ServerCondition.FAILED, reason="planted"
    )


def test_other_cpus_of_a_node_are_told_for_guests_that_are_on_it(scene: Scene) -> None:
    boot(scene, scene.red, REQUIRED)
    before = desired_config(scene.svc, HostName("h1"))
    changed = replace(NODES[1], cpus="4-6")
    scene.agents["h1"].report(resources=resources(NODES[0], changed))
    after = desired_config(scene.svc, HostName("h1"))
    assert after.servers[0].numa_node == GuestNode(number=1, cpus="4-6")
    assert after.generation > before.generation
    scene.index_agrees()
    for _ in range(2):
        boot(scene, scene.red, REQUIRED)
    assert boot(scene, scene.red, REQUIRED).server.state is ServerState.ERROR


def test_a_node_that_is_not_reported_any_more_takes_nobody_and_its_guests_stay(
    scene: Scene,
) -> None:
    view = boot(scene, scene.red, REQUIRED)
    scene.agents["h1"].report(resources=resources(NODES[0]))
    scene.index_agrees()
    (config,) = desired_config(scene.svc, HostName("h1")).servers
    assert config.numa_node == GuestNode(number=1, cpus="")
    assert boot(scene, scene.red, REQUIRED).server.state is ServerState.ERROR
    delete_server(scene.svc, DEMO, view.server.id)
    scene.agents["h1"].report(resources=resources(*NODES))
    assert used(scene) == {}
    scene.index_agrees()


def test_what_is_counted_on_nodes_is_verified_with_all_else_and_mended(scene: Scene) -> None:
    view = boot(scene, scene.red, REQUIRED)
    host = get_host(scene.svc, ADMIN, "h1").host

    def damage(tx: Transaction) -> None:
        tx.hosts.add_use(host.id, HostUse(0, 0, 0, {1: NumaUse(2, 100)}))
        scene.svc.fleet.reload_after(tx, host.id)

    scene.svc.store.write(damage)
    (found,) = verify_hosts(scene.svc, ADMIN, ListQuery(), mend=True).verdicts
    assert (found.flaw, found.mended) == (Flaw.USE, True)
    assert "3 vCPUs and 612 MiB of NUMA node 1 counted" in found.detail
    assert used(scene) == view.server.use.numa
    scene.index_agrees()


def fill(svc: Services, network: Network, count: int) -> list[ServerView]:
    found = []
    for _ in range(count):
        asked = PortCreate(
            network_id=network.id, vnic_type=VnicType.DIRECT, numa_policy=NumaPolicy.REQUIRED
        )
        nic = NicRequest(port_id=create_port(svc, DEMO, asked).port.id)
        request = ServerCreate(name="web", flavor_id=FlavorId("small"), image_id=None, nics=(nic,))
        found.append(get_server(svc, DEMO, create_server(svc, DEMO, request).id))
    return found


def test_nodes_are_filled_to_the_last_vcpu_and_not_beyond_whoever_fills_them(
    replicas: list[Services],
) -> None:
    first = replicas[0]
    a_flavor(first)
    for number, name in enumerate(("h1", "h2")):
        agent = AgentByHand(first, name, a_card(5, "phy1", vf_count=8, serial=number, numa_node=0))
        agent.report(resources=resources(*NODES))
    network = a_network(first, "blue", (PHY1, 100))
    with ThreadPoolExecutor(4) as threads:
        filled = threads.map(lambda n: fill(replicas[n % len(replicas)], network, 4), range(4))
        views = [view for found in filled for view in found]
    states = Counter(view.server.state for view in views)
    assert states == {ServerState.BUILD: 8, ServerState.ERROR: 8}
    for name in ("h1", "h2"):
        use = get_host(first, ADMIN, name).use
        assert (use.vcpus, dict(use.numa)) == (4, {0: NumaUse(4, 2048)})
    for svc in replicas:
        assert not verify_hosts(svc, ADMIN, ListQuery()).verdicts

"""What PFs can guarantee: from the agent's report to the index, and what is owed of it.

h1, h2: 0000:05:00.0 phy1 with 4 VFs, 1000 Mbps egress and 500 ingress; 0000:82:00.0 phy2 with 4.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.control.scene import Scene, on
from tests.support.world import ADMIN, DEMO, a_card
from trunkline.control.desired import desired_config
from trunkline.control.devices import list_devices
from trunkline.control.network_requests import NetworkUpdate
from trunkline.control.networks import update_network
from trunkline.control.ports import create_port, delete_port, update_port
from trunkline.control.qos_policies import (
    QosPolicyCreate,
    QosRuleCreate,
    QosRuleUpdate,
    create_policies,
    create_rule,
    delete_policy,
    delete_rule,
    get_policy,
    update_rule,
)
from trunkline.control.requests import NicRequest, PortCreate, PortUpdate
from trunkline.control.verifying import verify_hosts
from trunkline.control.views import ServerView
from trunkline.domain.bandwidth import Bandwidth
from trunkline.domain.device import OfferedDevice
from trunkline.domain.errors import InUse, NotEnoughBandwidth, QosNotSupported
from trunkline.domain.ids import HostName, PortId
from trunkline.domain.listing import ListQuery
from trunkline.domain.network import Network
from trunkline.domain.port import Port, VnicType
from trunkline.domain.qos import Direction, QosPolicy, QosRuleType
from trunkline.domain.server import ServerState
from trunkline.placement.hosts.views import HostView

HAS = Bandwidth(egress_mbps=1000, ingress_mbps=500)


def inventory(
    host: str, bandwidth: Bandwidth | None = HAS, *, vf_count: int = 4
) -> tuple[OfferedDevice, ...]:
    serial = int(host[1:])
    pf, *vfs = a_card(5, "phy1", serial=serial, vf_count=vf_count)
    return replace(pf, bandwidth=bandwidth), *vfs, *a_card(0x82, "phy2", serial=serial)


def offer(scene: Scene, bandwidth: Bandwidth | None = HAS, *, vf_count: int = 4) -> None:
    for host, agent in scene.agents.items():
        agent.report(inventory=inventory(host, bandwidth, vf_count=vf_count))


def view(scene: Scene, host: str) -> HostView:
    scene.index_agrees()
    found = scene.svc.store.read(lambda tx: tx.hosts.get_by_name(host))
    return scene.svc.fleet.view(found.id)


def left(scene: Scene, host: str) -> list[tuple[int | None, int | None]]:
    return [
        (each.egress_mbps, each.ingress_mbps) for each in view(scene, host).bandwidth_left.values()
    ]


def test_what_an_agent_says_of_its_pfs_is_in_the_index_and_follows_it(scene: Scene) -> None:
    assert left(scene, "h1") == []
    offer(scene)
    assert left(scene, "h1") == left(scene, "h2") == [(1000, 500)]
    offer(scene, Bandwidth(egress_mbps=7))
    assert left(scene, "h1") == [(7, None)]
    offer(scene, None)
    assert left(scene, "h1") == []


MINIMUM, LIMIT = QosRuleType.MINIMUM_BANDWIDTH, QosRuleType.BANDWIDTH_LIMIT
EGRESS, INGRESS = Direction.EGRESS, Direction.INGRESS


def a_policy(scene: Scene, *rules: tuple[QosRuleType, Direction, int]) -> QosPolicy:
    asked = QosPolicyCreate(name="gold", shared=True)
    (policy,) = create_policies(scene.svc, ADMIN, [asked])
    for type_, direction, kbps in rules:
        rule = QosRuleCreate(type=type_, direction=direction, kbps=kbps)
        create_rule(scene.svc, ADMIN, policy.id, rule)
    return get_policy(scene.svc, DEMO, policy.id)


def a_port(
    scene: Scene,
    policy: QosPolicy | None,
    vnic_type: VnicType = VnicType.DIRECT,
    network: Network | None = None,
) -> Port:
    asked = PortCreate(
        network_id=(network or scene.blue).id,
        vnic_type=vnic_type,
        qos_policy_id=None if policy is None else policy.id,
    )
    return create_port(scene.svc, DEMO, asked).port


def boot(scene: Scene, *ports: Port) -> ServerView:
    return scene.boot(*(NicRequest(port_id=port.id) for port in ports))


def rates(scene: Scene, port: Port) -> tuple[int | None, int | None]:
    """What the card is to set, as the port's host is told: least and most."""
    nics = [
        nic
        for host in scene.agents
        for server in desired_config(scene.svc, HostName(host)).servers
        for nic in server.nics
    ]
    (found,) = [nic for nic in nics if nic.port_id == port.id]
    return found.min_tx_rate_mbps, found.max_tx_rate_mbps


def generations(scene: Scene) -> dict[str, int]:
    hosts = scene.svc.store.read(lambda tx: tx.hosts.all())
    return {host.name: host.generation for host in hosts}


def no_flaw(scene: Scene) -> None:
    assert verify_hosts(scene.svc, ADMIN, ListQuery()).verdicts == ()
    scene.index_agrees()


def test_servers_are_guaranteed_what_pfs_have_and_no_more(scene: Scene) -> None:
    offer(scene)
    policy = a_policy(scene, (MINIMUM, EGRESS, 400_000), (MINIMUM, INGRESS, 100_000))
    states = [boot(scene, a_port(scene, policy)).server.state for _ in range(5)]
    assert states == [ServerState.BUILD] * 4 + [ServerState.ERROR]
    assert left(scene, "h1") == left(scene, "h2") == [(200, 300)]
    no_flaw(scene)


def test_what_was_guaranteed_is_to_be_had_again_once_the_device_is_clean(scene: Scene) -> None:
    offer(scene)
    policy = a_policy(scene, (MINIMUM, EGRESS, 1_000_000))
    first, _ = boot(scene, a_port(scene, policy)), boot(scene, a_port(scene, policy))
    scene.delete(first.server.id)
    assert boot(scene, a_port(scene, policy)).server.state is ServerState.ERROR
    assert first.host is not None
    scene.clean(first.host.name)
    no_flaw(scene)
    again = boot(scene, a_port(scene, policy))
    assert again.host is not None
    assert again.host.name == first.host.name


def test_pfs_that_account_nothing_guarantee_nothing(scene: Scene) -> None:
    policy = a_policy(scene, (MINIMUM, EGRESS, 1))
    assert boot(scene, a_port(scene, policy)).server.state is ServerState.ERROR
    offer(scene, Bandwidth(ingress_mbps=500))
    assert boot(scene, a_port(scene, policy)).server.state is ServerState.ERROR
    offer(scene)
    assert boot(scene, a_port(scene, policy)).server.state is ServerState.BUILD


def test_a_ports_own_policy_goes_before_its_networks(scene: Scene) -> None:
    offer(scene)
    network = a_policy(scene, (MINIMUM, EGRESS, 300_000), (LIMIT, EGRESS, 900_000))
    own = a_policy(scene, (MINIMUM, EGRESS, 50_000))
    update_network(scene.svc, DEMO, scene.blue.id, NetworkUpdate(qos_policy_id=network.id))
    port, other = a_port(scene, own), a_port(scene, None)
    boot(scene, port, other)
    assert (rates(scene, port), rates(scene, other)) == ((50, 0), (300, 900))
    created = scene.boot(on(scene.blue)).nics[0].port.port
    assert rates(scene, created) == (300, 900)
    no_flaw(scene)


@pytest.mark.parametrize(("kbps", "mbps"), [(1, 1), (499, 1), (1499, 1), (1500, 2), (2000, 2)])
def test_kbps_are_rounded_to_mbps_and_are_1_at_least(scene: Scene, kbps: int, mbps: int) -> None:
    offer(scene)
    policy = a_policy(scene, (MINIMUM, EGRESS, kbps), (LIMIT, EGRESS, kbps))
    port = a_port(scene, policy)
    boot(scene, port)
    assert rates(scene, port) == (mbps, mbps)


def test_a_limit_changes_where_the_server_is_and_its_host_is_told(scene: Scene) -> None:
    policy = a_policy(scene, (LIMIT, EGRESS, 100_000))
    port = a_port(scene, policy)
    view = boot(scene, port)
    assert view.host is not None
    before = generations(scene)
    (rule,) = policy.rules
    update_rule(scene.svc, ADMIN, policy.id, rule.id, QosRuleUpdate(kbps=200_000))
    assert rates(scene, port) == (0, 200)
    after = generations(scene)
    assert [name for name in after if after[name] > before[name]] == [view.host.name]
    delete_rule(scene.svc, ADMIN, policy.id, rule.id)
    assert rates(scene, port) == (0, 0)
    scene.index_agrees()


def test_a_guarantee_is_raised_only_if_the_pf_has_as_much_left(scene: Scene) -> None:
    offer(scene)
    policy, other = (a_policy(scene, (MINIMUM, EGRESS, 400_000)) for _ in range(2))
    ports = a_port(scene, policy), a_port(scene, other)
    view = boot(scene, *ports)
    assert view.host is not None
    host, (rule,) = view.host.name, policy.rules
    assert left(scene, host) == [(200, 500)]
    before = generations(scene)
    with pytest.raises(NotEnoughBandwidth):
        update_rule(scene.svc, ADMIN, policy.id, rule.id, QosRuleUpdate(kbps=601_000))
    assert get_policy(scene.svc, ADMIN, policy.id) == policy
    assert (left(scene, host), generations(scene)) == ([(200, 500)], before)
    update_rule(scene.svc, ADMIN, policy.id, rule.id, QosRuleUpdate(kbps=600_000))
    assert (left(scene, host), rates(scene, ports[0])) == ([(0, 500)], (600, 0))
    update_rule(scene.svc, ADMIN, policy.id, rule.id, QosRuleUpdate(kbps=1_000))
    assert left(scene, host) == [(599, 500)]
    no_flaw(scene)


def test_what_one_port_gives_up_another_can_have_in_the_same_change(scene: Scene) -> None:
    offer(scene)
    own = a_policy(scene, (MINIMUM, EGRESS, 600_000))
    of_network = a_policy(scene, (MINIMUM, EGRESS, 400_000))
    update_network(scene.svc, DEMO, scene.blue.id, NetworkUpdate(qos_policy_id=of_network.id))
    port, other = a_port(scene, own), a_port(scene, None)
    view = boot(scene, port, other)
    assert view.host is not None
    assert left(scene, view.host.name) == [(0, 500)]
    update_port(scene.svc, DEMO, port.id, PortUpdate(qos_policy_id=None))
    assert left(scene, view.host.name) == [(200, 500)]
    (rule,) = of_network.rules
    with pytest.raises(NotEnoughBandwidth):  # 501 for both of them.
        update_rule(scene.svc, ADMIN, of_network.id, rule.id, QosRuleUpdate(kbps=501_000))
    update_rule(scene.svc, ADMIN, of_network.id, rule.id, QosRuleUpdate(kbps=500_000))
    assert left(scene, view.host.name) == [(0, 500)]
    update_network(scene.svc, DEMO, scene.blue.id, NetworkUpdate(qos_policy_id=None))
    assert left(scene, view.host.name) == [(1000, 500)]
    no_flaw(scene)


def test_another_policy_for_a_bound_port_is_had_or_refused_as_a_whole(scene: Scene) -> None:
    offer(scene)
    modest = a_policy(scene, (MINIMUM, EGRESS, 100_000))
    greedy = a_policy(scene, (LIMIT, EGRESS, 2_000_000), (MINIMUM, EGRESS, 1_001_000))
    port = a_port(scene, modest)
    boot(scene, port)
    with pytest.raises(NotEnoughBandwidth):
        update_port(scene.svc, DEMO, port.id, PortUpdate(qos_policy_id=greedy.id, name="new"))
    assert rates(scene, port) == (100, 0)
    assert scene.svc.store.read(lambda tx: tx.ports.get(port.id)).name == ""
    update_port(scene.svc, DEMO, port.id, PortUpdate(qos_policy_id=None))
    assert rates(scene, port) == (0, 0)
    no_flaw(scene)


@pytest.mark.parametrize(
    ("vnic_type", "type_", "direction", "remedy"),
    [
        (VnicType.NORMAL, LIMIT, EGRESS, "make it a port of type direct"),
        (VnicType.NORMAL, MINIMUM, INGRESS, "make it a port of type direct"),
        (VnicType.DIRECT, LIMIT, INGRESS, "limit the egress of those who send"),
        (VnicType.MACVTAP, LIMIT, INGRESS, "limit the egress of those who send"),
        (VnicType.DIRECT_PHYSICAL, LIMIT, EGRESS, "a policy without a bandwidth-limit rule"),
    ],
)
def test_what_no_card_can_do_is_refused_where_it_is_to_be_bound(
    scene: Scene, vnic_type: VnicType, type_: QosRuleType, direction: Direction, remedy: str
) -> None:
    bad, empty = a_policy(scene, (type_, direction, 1000)), a_policy(scene)
    unbound = a_port(scene, bad, vnic_type)  # As in Neutron: its VNIC type may yet change.
    with pytest.raises(QosNotSupported, match=remedy):
        boot(scene, unbound)
    update_network(scene.svc, DEMO, scene.blue.id, NetworkUpdate(qos_policy_id=bad.id))
    with pytest.raises(QosNotSupported, match=remedy):
        scene.boot(on(scene.blue, vnic_type))
    update_network(scene.svc, DEMO, scene.blue.id, NetworkUpdate(qos_policy_id=None))
    bound = a_port(scene, None, vnic_type)
    assert boot(scene, bound).server.state is ServerState.BUILD
    with pytest.raises(QosNotSupported, match=remedy):
        update_port(scene.svc, DEMO, bound.id, PortUpdate(qos_policy_id=bad.id))
    with pytest.raises(QosNotSupported, match=remedy):
        update_network(scene.svc, DEMO, scene.blue.id, NetworkUpdate(qos_policy_id=bad.id))
    update_port(scene.svc, DEMO, bound.id, PortUpdate(qos_policy_id=empty.id))
    with pytest.raises(QosNotSupported, match=remedy):
        create_rule(
            scene.svc, ADMIN, empty.id, QosRuleCreate(type=type_, direction=direction, kbps=1)
        )


def test_an_admin_claims_nothing_for_a_port_whose_policy_no_card_keeps(scene: Scene) -> None:
    bad = a_policy(scene, (LIMIT, INGRESS, 1000))
    host, profile = HostName("h1"), {"pci_slot": "0000:05:02.0"}
    asked = PortCreate(network_id=scene.blue.id, vnic_type=VnicType.DIRECT, qos_policy_id=bad.id)
    with pytest.raises(QosNotSupported, match="limit the egress"):
        create_port(scene.svc, ADMIN, replace(asked, host=host, profile=profile))
    port = create_port(scene.svc, ADMIN, asked).port
    with pytest.raises(QosNotSupported, match="limit the egress"):
        update_port(scene.svc, ADMIN, port.id, PortUpdate(host=host, profile=profile))


def test_a_whole_pf_is_guaranteed_its_minimum_and_programmed_with_nothing(scene: Scene) -> None:
    offer(scene)
    policy = a_policy(scene, (MINIMUM, EGRESS, 900_000))
    port = a_port(scene, policy, VnicType.DIRECT_PHYSICAL)
    view = boot(scene, port)
    assert view.host is not None
    assert left(scene, view.host.name) == [(100, 500)]
    assert rates(scene, port) == (None, None)


@pytest.mark.parametrize(
    ("driver", "type_", "fits"),
    [
        ("mlx5_core", MINIMUM, True),
        ("ixgbe", MINIMUM, False),
        ("ixgbe", LIMIT, True),
        ("unheard_of", LIMIT, False),
    ],
)
def test_a_vf_whose_pf_cannot_set_a_rate_is_not_chosen_for_it(
    scene: Scene, driver: str, type_: QosRuleType, fits: bool
) -> None:
    for host, agent in scene.agents.items():
        pf, *vfs = a_card(5, "phy1", serial=int(host[1:]), driver=driver)
        agent.report(inventory=(replace(pf, bandwidth=HAS), *vfs))
    policy = a_policy(scene, (type_, EGRESS, 1000))
    view = boot(scene, a_port(scene, policy))
    assert view.server.state is (ServerState.BUILD if fits else ServerState.ERROR)
    if not fits:
        assert view.server.fault is not None
        assert "can." in view.server.fault.message + view.server.fault.details


def test_a_policy_that_the_card_of_a_bound_port_cannot_keep_is_refused(scene: Scene) -> None:
    for host, agent in scene.agents.items():
        pf, *vfs = a_card(5, "phy1", serial=int(host[1:]), driver="ixgbe")
        agent.report(inventory=(replace(pf, bandwidth=HAS), *vfs))
    port = a_port(scene, None)
    boot(scene, port)
    policy = a_policy(scene, (MINIMUM, EGRESS, 1000))
    with pytest.raises(QosNotSupported, match=r"can\.min_tx_rate"):
        update_port(scene.svc, DEMO, port.id, PortUpdate(qos_policy_id=policy.id))
    no_flaw(scene)


def test_a_claimed_device_owes_the_guarantee_or_the_claim_is_refused(scene: Scene) -> None:
    offer(scene)
    policy = a_policy(scene, (MINIMUM, EGRESS, 700_000))

    def claim(slot: str) -> PortId:
        asked = PortCreate(
            network_id=scene.blue.id, vnic_type=VnicType.DIRECT, qos_policy_id=policy.id,
            host=HostName("h1"), profile={"pci_slot": slot},
        )  # fmt: skip
        return create_port(scene.svc, ADMIN, asked).port.id

    port_id = claim("0000:05:02.0")
    assert left(scene, "h1") == [(300, 500)]
    with pytest.raises(NotEnoughBandwidth):
        claim("0000:05:02.1")
    no_flaw(scene)
    delete_port(scene.svc, ADMIN, port_id)
    scene.clean("h1")
    assert left(scene, "h1") == [(1000, 500)]


def test_a_policy_that_somebody_has_stays(scene: Scene) -> None:
    policy = a_policy(scene, (LIMIT, EGRESS, 1000))
    port = a_port(scene, policy)
    with pytest.raises(InUse, match="ports have it"):
        delete_policy(scene.svc, ADMIN, policy.id)
    delete_port(scene.svc, DEMO, port.id)
    delete_policy(scene.svc, ADMIN, policy.id)


def test_operators_see_what_a_pf_owes_and_to_whom(scene: Scene) -> None:
    offer(scene)
    policy = a_policy(scene, (MINIMUM, EGRESS, 400_000))
    view = boot(scene, a_port(scene, policy))
    assert view.host is not None
    shown = list_devices(scene.svc, ADMIN, ListQuery(equals={"host": (view.host.name,)}))
    (use,) = [each.bandwidth for each in shown if each.bandwidth is not None]
    assert (use.bandwidth, use.owed.egress_mbps, use.left.egress_mbps) == (HAS, 400, 600)
    owners = [each.allocation for each in shown if each.allocation is not None]
    assert [owner.guarantee.egress_mbps for owner in owners] == [400]


def test_a_link_that_has_become_slower_owes_what_it_owes_and_guarantees_nothing_new(
    scene: Scene,
) -> None:
    offer(scene)
    policy = a_policy(scene, (MINIMUM, EGRESS, 600_000))
    for _ in range(2):
        boot(scene, a_port(scene, policy))
    offer(scene, Bandwidth(egress_mbps=100, ingress_mbps=100))
    assert left(scene, "h1") == left(scene, "h2") == [(-500, 100)]
    tiny = a_policy(scene, (MINIMUM, EGRESS, 1000))
    assert boot(scene, a_port(scene, tiny)).server.state is ServerState.ERROR
    no_flaw(scene)


def test_a_server_that_no_pf_can_guarantee_for_is_told_so(scene: Scene) -> None:
    offer(scene)
    policy = a_policy(scene, (MINIMUM, EGRESS, 1_001_000))
    fault = boot(scene, a_port(scene, policy)).server.fault
    assert fault is not None
    assert "bandwidth" in fault.message, fault

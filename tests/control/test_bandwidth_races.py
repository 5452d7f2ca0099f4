"""Many at once for the last Mbit/s: exactly as many servers are placed as PFs can guarantee.

h1, h2: each one PF on phy1 with 16 VFs, 1000 Mbps egress and 2000 ingress. Each server asks for one
NIC with 125 Mbps egress and 100 ingress: 16 servers of 24 fit, and 16 VFs are left over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import text

from tests.control import holdings
from tests.control.test_races import at_once, boot
from tests.support.world import ADMIN, PHY1, AgentByHand, a_card, a_flavor, a_network
from trunkline.control.network_requests import NetworkUpdate
from trunkline.control.networks import update_network
from trunkline.control.qos_policies import (
    QosPolicyCreate,
    QosRuleCreate,
    create_policies,
    create_rule,
)
from trunkline.control.services import Services
from trunkline.domain.bandwidth import Bandwidth
from trunkline.domain.ids import HostName
from trunkline.domain.network import Network
from trunkline.domain.qos import Direction, QosRuleType
from trunkline.domain.server import ServerState

HOSTS, VFS, THREADS, PER_THREAD = 2, 16, 6, 4
HAS = Bandwidth(egress_mbps=1000, ingress_mbps=2000)
ASKED = {Direction.EGRESS: 125, Direction.INGRESS: 100}  # Mbps.
FITTING = HOSTS * 8


@pytest.fixture
def network(replicas: Sequence[Services]) -> Network:
    svc = replicas[0]
    a_flavor(svc)
    for n in range(1, HOSTS + 1):
        pf, *vfs = a_card(5, "phy1", vf_count=VFS, serial=n)
        AgentByHand(svc, f"h{n}", [replace(pf, bandwidth=HAS), *vfs])
    (policy,) = create_policies(svc, ADMIN, [QosPolicyCreate(name="gold", shared=True)])
    for direction, mbps in ASKED.items():
        rule = QosRuleCreate(
            type=QosRuleType.MINIMUM_BANDWIDTH, direction=direction, kbps=1000 * mbps
        )
        create_rule(svc, ADMIN, policy.id, rule)
    blue = a_network(svc, "blue", (PHY1, 100))
    update_network(svc, ADMIN, blue.id, NetworkUpdate(qos_policy_id=policy.id))
    return blue


def test_pfs_guarantee_all_they_have_and_not_a_megabit_more(
    replicas: list[Services], network: Network
) -> None:
    views = at_once(
        THREADS,
        lambda n: [boot(replicas[n % len(replicas)], network) for _ in range(PER_THREAD)],
    )
    refused = [view.server for view in views if view.server.state is ServerState.ERROR]
    assert Counter(view.server.state for view in views) == {
        ServerState.BUILD: FITTING,
        ServerState.ERROR: THREADS * PER_THREAD - FITTING,
    }
    assert all(server.fault and "bandwidth" in server.fault.message for server in refused)
    assert owed_by_rows(replicas[0]) == {(1000, 800): HOSTS}
    holdings.check(*replicas, hosts=[HostName(f"h{n}") for n in range(1, HOSTS + 1)])


def owed_by_rows(svc: Services) -> Counter[tuple[int, int]]:
    """What the servers' allocations add up to, host by host: (egress, ingress)."""
    query = "SELECT host_id, sum(egress_mbps), sum(ingress_mbps) FROM allocations GROUP BY host_id"
    rows = svc.store.read(lambda tx: tx._connection.execute(text(query)).all())
    return Counter((int(egress), int(ingress)) for _, egress, ingress in rows)

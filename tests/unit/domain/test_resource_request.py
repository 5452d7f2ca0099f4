"""What ports ask of Placement."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from trunkline.domain.ether import MacAddress
from trunkline.domain.ids import (
    NetworkId,
    PhysicalNetwork,
    PortId,
    ProjectId,
    QosPolicyId,
    QosRuleId,
    SegmentId,
)
from trunkline.domain.network import Network, NetworkType, Segment
from trunkline.domain.port import Port, VnicType
from trunkline.domain.qos import Direction, QosPolicy, QosRule, QosRuleType
from trunkline.domain.resource_request import resource_request

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PROJECT = ProjectId("p")


def a_network(*physical_networks: str | None) -> Network:
    segments = tuple(
        Segment(
            id=SegmentId(f"s{at}"),
            network_id=NetworkId("n"),
            network_type=NetworkType.VLAN if name else NetworkType.VXLAN,
            physical_network=PhysicalNetwork(name) if name else None,
            segmentation_id=100 + at,
            created_at=NOW,
            updated_at=NOW,
        )
        for at, name in enumerate(physical_networks)
    )
    return Network(
        id=NetworkId("n"), project_id=PROJECT, name="n", segments=segments,
        created_at=NOW, updated_at=NOW,
    )  # fmt: skip


def a_port(vnic_type: VnicType = VnicType.DIRECT) -> Port:
    return Port(
        id=PortId("6b0a2c5e-0000-4000-8000-000000000001"), network_id=NetworkId("n"),
        project_id=PROJECT, name="", mac=MacAddress.parse("02:00:00:00:00:01"),
        created_at=NOW, updated_at=NOW, vnic_type=vnic_type,
    )  # fmt: skip


def a_policy(*rules: tuple[QosRuleType, Direction, int]) -> QosPolicy:
    return QosPolicy(
        id=QosPolicyId("q"), project_id=PROJECT, name="q", created_at=NOW, updated_at=NOW,
        rules=tuple(
            QosRule(id=QosRuleId(f"r{at}"), type=type_, direction=direction, kbps=kbps)
            for at, (type_, direction, kbps) in enumerate(rules)
        ),
    )  # fmt: skip


MINIMUM, LIMIT = QosRuleType.MINIMUM_BANDWIDTH, QosRuleType.BANDWIDTH_LIMIT
BOTH = a_policy((LIMIT, Direction.EGRESS, 9000), (MINIMUM, Direction.INGRESS, 1500),
                (MINIMUM, Direction.EGRESS, 400))  # fmt: skip


def test_minimums_are_asked_for_as_they_are_accounted_and_limits_are_not() -> None:
    asked = resource_request(a_port(VnicType.DIRECT_PHYSICAL), a_network("phy-1", "phy2"), BOTH)
    assert asked is not None
    assert asked.resources == {
        "NET_BW_EGR_KILOBIT_PER_SEC": 1000, "NET_BW_IGR_KILOBIT_PER_SEC": 2000,
    }  # fmt: skip
    assert asked.traits == ("CUSTOM_PHYSNET_PHY_1", "CUSTOM_VNIC_TYPE_DIRECT_PHYSICAL")


def test_the_id_is_the_ports_and_its_minimum_rules_alone() -> None:
    port, network = a_port(), a_network("phy1")
    asked = resource_request(port, network, BOTH)
    assert asked is not None
    assert asked.id == str(uuid.uuid5(uuid.UUID(port.id), "r1:r2"))  # Neutron's.
    renamed = resource_request(replace(port, name="new"), network, replace(BOTH, name="new"))
    assert renamed is not None
    assert renamed.id == asked.id


@pytest.mark.parametrize(
    ("network", "policy"),
    [
        (a_network(None), BOTH),
        (a_network(None, "phy1"), BOTH),
        (a_network("phy1"), a_policy()),
        (a_network("phy1"), a_policy((LIMIT, Direction.EGRESS, 9000))),
        (a_network("phy1"), a_policy((MINIMUM, Direction.EGRESS, 0))),
    ],
)
def test_without_a_minimum_or_a_physical_network_nothing_is_asked_for(
    network: Network, policy: QosPolicy
) -> None:
    assert resource_request(a_port(), network, policy) is None

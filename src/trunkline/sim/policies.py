"""QoS policies of a simulated world."""

from __future__ import annotations

from trunkline.control.qos_policies import (
    QosPolicyCreate,
    QosRuleCreate,
    create_policies,
    create_rule,
)
from trunkline.control.services import Services
from trunkline.domain.ids import QosPolicyId, QosRuleId
from trunkline.domain.qos import QosRuleType
from trunkline.sim.callers import ADMIN


def a_policy(svc: Services, *, kbps: int) -> tuple[QosPolicyId, QosRuleId]:
    """Make a policy with a limit, and a minimum that can be changed."""
    (policy,) = create_policies(svc, ADMIN, [QosPolicyCreate(shared=True)])
    limit = QosRuleCreate(type=QosRuleType.BANDWIDTH_LIMIT, kbps=kbps)
    create_rule(svc, ADMIN, policy.id, limit)
    least = QosRuleCreate(type=QosRuleType.MINIMUM_BANDWIDTH, kbps=2_000_000)
    return policy.id, create_rule(svc, ADMIN, policy.id, least).id

"""QoS policies: named sets of rules about the bandwidth of ports, as Neutron has them.

A port has its own policy, or else its network's. Rules are in kbit/s; cards set rates in whole
Mbit/s, so that each rule is rounded, up from half, and is 1 at least.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

from trunkline.domain.bandwidth import NO_GUARANTEE, Guarantee
from trunkline.domain.ids import ProjectId, QosPolicyId, QosRuleId
from trunkline.domain.port import VnicType


class QosRuleType(enum.Enum):
    """What a rule is about. The values are Neutron's."""

    BANDWIDTH_LIMIT = "bandwidth_limit"  # No more than so much.
    MINIMUM_BANDWIDTH = "minimum_bandwidth"  # No less: a guarantee.


class Direction(enum.Enum):
    """Seen from the server. The values are Neutron's."""

    EGRESS = "egress"  # What it sends.
    INGRESS = "ingress"


@dataclass(frozen=True, slots=True, kw_only=True)
class QosRule:
    """One rule; a policy has at most one of a type for each direction."""

    id: QosRuleId
    type: QosRuleType
    direction: Direction
    kbps: int  # The most, or the least. 0 limits and guarantees nothing.
    burst_kbits: int = 0  # Kept for clients: the rate limiters of cards take no burst.


@dataclass(frozen=True, slots=True, kw_only=True)
class QosPolicy:
    """A policy with its rules."""

    id: QosPolicyId
    project_id: ProjectId
    name: str
    created_at: datetime
    updated_at: datetime
    rules: tuple[QosRule, ...] = ()  # By type, then direction.
    description: str = ""
    shared: bool = False  # Every project may use it.
    is_default: bool = False  # New networks of its project have it.
    tags: tuple[str, ...] = ()
    revision: int = 0

    def mbps(self, type_: QosRuleType, direction: Direction) -> int:
        """Return what a rule says in Mbit/s; 0: there is none."""
        kbps = (r.kbps for r in self.rules if (r.type, r.direction) == (type_, direction))
        return mbps_of(next(kbps, 0))

    @property
    def guarantee(self) -> Guarantee:
        """What a PF owes to each port that has the policy."""
        egress = self.mbps(QosRuleType.MINIMUM_BANDWIDTH, Direction.EGRESS)
        ingress = self.mbps(QosRuleType.MINIMUM_BANDWIDTH, Direction.INGRESS)
        if not egress and not ingress:
            return NO_GUARANTEE
        return Guarantee(egress_mbps=egress, ingress_mbps=ingress)

    @property
    def egress_limit_mbps(self) -> int:
        """What each port that has the policy may send at most; 0: there is no limit."""
        return self.mbps(QosRuleType.BANDWIDTH_LIMIT, Direction.EGRESS)


def mbps_of(kbps: int) -> int:
    """Return kbit/s as cards take them: whole Mbit/s, 1 at least unless it is 0."""
    return max((kbps + 500) // 1000, 1) if kbps else 0


def not_supported(policy: QosPolicy, vnic_type: VnicType) -> str | None:
    """Say why ports of a VNIC type can't have a policy, and what to do; None: they can."""
    ruled = {(rule.type, rule.direction) for rule in policy.rules if rule.kbps}
    limit = QosRuleType.BANDWIDTH_LIMIT
    if not ruled:
        return None
    if vnic_type is VnicType.NORMAL:
        return (
            "no card limits or guarantees the bandwidth of a port of type normal: make it a port of"
            " type direct or macvtap, or give it a policy without rules"
        )
    if (limit, Direction.INGRESS) in ruled:
        return (
            "no card limits what comes in to one of its functions: delete the ingress"
            " bandwidth-limit rule, and limit the egress of those who send"
        )
    if vnic_type is VnicType.DIRECT_PHYSICAL and (limit, Direction.EGRESS) in ruled:
        return (
            "a whole card is its server's own and is not limited: make it a port of type direct or"
            " macvtap, or give it a policy without a bandwidth-limit rule"
        )
    return None


def demanded_abilities(policy: QosPolicy, vnic_type: VnicType) -> tuple[str, ...]:
    """Name the attributes that a VF must have for a policy: what its PF can set for it."""
    if vnic_type not in (VnicType.DIRECT, VnicType.MACVTAP):
        return ()
    demanded = (
        ("can.max_tx_rate", policy.egress_limit_mbps),
        ("can.min_tx_rate", policy.guarantee.egress_mbps),
    )
    return tuple(name for name, mbps in demanded if mbps)

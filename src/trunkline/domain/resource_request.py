"""What a port asks of OpenStack Placement, as Neutron tells it in a port's `resource_request`.

Nothing here is placed by it: it is told so that operators and schedulers beside ours can read it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from trunkline.domain.network import Network
from trunkline.domain.port import Port
from trunkline.domain.providers import EGRESS, INGRESS, custom_name
from trunkline.domain.qos import QosPolicy, QosRuleType


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRequest:
    """What one provider is to have, all of it."""

    id: str  # The same for as long as port and rules are; Nova's requests name it.
    traits: tuple[str, ...]
    resources: Mapping[str, int]  # By class.


def resource_request(port: Port, network: Network, policy: QosPolicy) -> ResourceRequest | None:
    """Return what a port with this policy asks for; None: nothing.

    As in Neutron, the first segment of a network is the one that is asked for; without a physical
    network there is no provider to ask.
    """
    guarantee = policy.guarantee
    physical_network = network.segments[0].physical_network
    if not guarantee or physical_network is None:
        return None
    # In kbit/s as it is accounted, so that it is the number that allocations show.
    wanted = {EGRESS: 1000 * guarantee.egress_mbps, INGRESS: 1000 * guarantee.ingress_mbps}
    rules = [
        rule.id for rule in policy.rules
        if rule.type is QosRuleType.MINIMUM_BANDWIDTH and rule.kbps
    ]  # fmt: skip
    return ResourceRequest(
        # neutron_lib.placement.utils.resource_request_group_uuid
        id=str(uuid.uuid5(uuid.UUID(port.id), ":".join(rules))),
        traits=(
            custom_name("PHYSNET", physical_network),
            custom_name("VNIC_TYPE", port.vnic_type.value),
        ),
        resources={name: kbps for name, kbps in wanted.items() if kbps},
    )

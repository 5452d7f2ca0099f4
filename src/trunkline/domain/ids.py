"""One ID type an entity, so that a port's ID can't be passed where a server's is wanted.

All are UUIDs in their canonical lower-case text form, except `HostName` and `PhysicalNetwork`,
which operators choose.
"""

from __future__ import annotations

import uuid
from typing import NewType

AllocationId = NewType("AllocationId", str)
AggregateId = NewType("AggregateId", int)  # A number, as Nova has it.
AccessRuleId = NewType("AccessRuleId", str)
ApplicationCredentialId = NewType("ApplicationCredentialId", str)
DeviceId = NewType("DeviceId", str)
DomainId = NewType("DomainId", str)
EnrolmentTokenId = NewType("EnrolmentTokenId", str)
FlavorId = NewType("FlavorId", str)  # A UUID unless an admin chose another text.
GroupId = NewType("GroupId", str)  # Of users.
HostId = NewType("HostId", str)
HostName = NewType("HostName", str)
ImageId = NewType("ImageId", str)
NetworkId = NewType("NetworkId", str)
PciFlavorId = NewType("PciFlavorId", str)
PhysicalNetwork = NewType("PhysicalNetwork", str)
PortId = NewType("PortId", str)
ProjectId = NewType("ProjectId", str)
QosPolicyId = NewType("QosPolicyId", str)
QosRuleId = NewType("QosRuleId", str)
RoleId = NewType("RoleId", str)
SecurityGroupId = NewType("SecurityGroupId", str)
SecurityGroupRuleId = NewType("SecurityGroupRuleId", str)
SegmentId = NewType("SegmentId", str)
ServerGroupId = NewType("ServerGroupId", str)
ServerId = NewType("ServerId", str)
ShareId = NewType("ShareId", str)
SubnetId = NewType("SubnetId", str)
RoleTarget = NewType("RoleTarget", str)  # A project's ID, `system`, `domain` or `d:ID`.
UserId = NewType("UserId", str)
ZoneName = NewType("ZoneName", str)  # Of an availability zone.


def is_uuid(text: str) -> bool:
    """Say whether `text` is a UUID in a form that clients send (with or without dashes)."""
    try:
        return uuid.UUID(text).hex == text.replace("-", "").lower()
    except ValueError:
        return False

"""Shares: what of one project others may use, besides what is theirs. Neutron's RBAC policies."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from trunkline.domain.ids import ProjectId, ShareId

EVERYBODY: Final = "*"  # As a target: every project.


class SharedKind(enum.Enum):
    """What can be shared. The values are stored, and are Neutron's."""

    NETWORK = "network"
    QOS_POLICY = "qos_policy"
    SECURITY_GROUP = "security_group"


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One thing, shared with one project or with everybody."""

    id: ShareId
    kind: SharedKind
    object_id: str
    target: str  # A project's ID, or `*`.
    project_id: ProjectId  # Whose the thing is.

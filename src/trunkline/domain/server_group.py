"""Server groups: servers that are to be on one host, or each on a host of its own."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from trunkline.domain.ids import ProjectId, ServerGroupId, UserId

NAME_CHARS_MAX: Final = 255


class GroupPolicy(enum.Enum):
    """Where the members of a server group are, seen from each other. The values are Nova's."""

    AFFINITY = "affinity"  # All on one host.
    ANTI_AFFINITY = "anti-affinity"  # No more than so many on a host.
    SOFT_AFFINITY = "soft-affinity"  # On one host, as far as it can be had.
    SOFT_ANTI_AFFINITY = "soft-anti-affinity"

    @property
    def is_soft(self) -> bool:
        """Whether it says which hosts come first, and leaves none out."""
        return self in (GroupPolicy.SOFT_AFFINITY, GroupPolicy.SOFT_ANTI_AFFINITY)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerGroup:
    """A server group. Its members are the servers that name it."""

    id: ServerGroupId
    project_id: ProjectId
    user_id: UserId
    name: str
    policy: GroupPolicy
    created_at: datetime
    max_per_host: int | None = None  # Of anti-affinity; None: it was not said, and is 1.
    generation: int = 0  # Raised whenever members are placed: what was decided before is void.

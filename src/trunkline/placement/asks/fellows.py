"""The other members of a server's group, as placement sees them: how many on which host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from trunkline.domain.ids import HostId, ServerGroupId
from trunkline.domain.server_group import GroupPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Fellows:
    """Where the fellows of a server are, and what that means for it."""

    group_id: ServerGroupId
    name: str  # Of the group: for people.
    policy: GroupPolicy
    max_per_host: int = 1  # Members on one host, of anti-affinity.
    on: Mapping[HostId, int] = field(default_factory=dict)  # Those that are placed, by host.
    seen_generation: int = 0  # Of the group; the commit goes through only if it has not moved.

    @property
    def must_gather(self) -> bool:
        """Whether the first of several decides on which host all the others are."""
        return self.policy is GroupPolicy.AFFINITY and not self.on

    def room_on(self, host_id: HostId) -> int | None:
        """How many more members a host may take; None: the group sets no limit there."""
        if self.policy is GroupPolicy.ANTI_AFFINITY:
            return max(0, self.max_per_host - self.on.get(host_id, 0))
        if self.policy is GroupPolicy.AFFINITY and self.on and host_id not in self.on:
            return 0
        return None

    def allow(self, host_id: HostId) -> bool:
        """Whether a host may take one more."""
        return self.room_on(host_id) != 0

    def and_on(self, host_id: HostId, count: int = 1) -> Fellows:
        """The same with so many more on a host (or fewer, if negative)."""
        on = dict(self.on)
        on[host_id] = on.get(host_id, 0) + count
        if on[host_id] <= 0:
            del on[host_id]
        return replace(self, on=on)

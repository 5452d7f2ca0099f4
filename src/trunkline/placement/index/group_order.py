"""What the fellows of a server mean for all hosts at once: which may take it, which come first."""

from __future__ import annotations

from collections.abc import Iterator

from trunkline.domain.ids import HostId
from trunkline.domain.server_group import GroupPolicy
from trunkline.placement.asks.fellows import Fellows
from trunkline.placement.hosts.bits import minus
from trunkline.placement.index.columns import Columns


def allowed_by(fellows: Fellows, columns: Columns) -> int:
    """Return the hosts that may take one more: as `Fellows.allow` says it of each."""
    if fellows.policy is GroupPolicy.ANTI_AFFINITY:
        full = [host_id for host_id in fellows.on if not fellows.allow(host_id)]
        return minus(columns.everywhere, columns.those(full))
    if fellows.policy is GroupPolicy.AFFINITY and fellows.on:
        return columns.those(fellows.on)
    return columns.everywhere


def soft_order(fellows: Fellows, hosts: int, columns: Columns) -> Iterator[int]:
    """Part hosts by a soft policy, best first: by how many fellows they have."""
    if not fellows.policy.is_soft:
        yield hosts
        return
    by_count: dict[int, list[HostId]] = {}
    for host_id, count in fellows.on.items():
        by_count.setdefault(count, []).append(host_id)
    parts = {count: hosts & columns.those(ids) for count, ids in by_count.items()}
    for part in parts.values():
        hosts = minus(hosts, part)
    parts[0] = hosts
    most_first = fellows.policy is GroupPolicy.SOFT_AFFINITY
    for count in sorted(parts, reverse=most_first):
        if parts[count]:
            yield parts[count]

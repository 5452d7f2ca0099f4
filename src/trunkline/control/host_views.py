"""Hosts as placement sees them, made of what the store says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from trunkline.domain.aggregate import HostMetadata, zone_of
from trunkline.domain.bandwidth import Bandwidth
from trunkline.domain.device_pool import DevicePool
from trunkline.domain.host import Host, HostUse
from trunkline.domain.ids import DeviceId, ZoneName
from trunkline.placement.hosts.views import HostView, numa_rooms
from trunkline.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class HostViews:
    """Makes views of hosts."""

    is_up: Callable[[Host], bool]
    default_zone: ZoneName  # Of hosts that no aggregate puts into one.

    def of_all(self, tx: Transaction, hosts: Iterable[Host]) -> Iterator[tuple[Host, HostView]]:
        """Yield all hosts, each with its view, by a few queries for all of them."""
        uses = tx.hosts.uses()
        left = tx.bandwidths.left_of_all_hosts()
        metadata = tx.aggregates.metadata_of_all_hosts()
        others = {host.id: host for host in hosts}
        for host_id, pools in tx.pools.of_all_hosts():
            host = others.pop(host_id)
            said = metadata.get(host_id, HostMetadata())
            yield host, self._view(host, uses[host_id], pools, left.get(host_id, {}), said)
        for host in others.values():  # Those without a device.
            said = metadata.get(host.id, HostMetadata())
            yield host, self._view(host, uses[host.id], (), {}, said)

    def of(self, tx: Transaction, host: Host) -> HostView:
        """Return the view of one host."""
        use, pools = tx.hosts.use_of(host.id), tx.pools.of_host(host.id)
        left = tx.bandwidths.left_of_host(host.id)
        return self._view(host, use, pools, left, tx.aggregates.metadata_of([host.id])[host.id])

    def _view(
        self,
        host: Host,
        use: HostUse,
        pools: tuple[DevicePool, ...],
        bandwidth_left: Mapping[DeviceId, Bandwidth],
        metadata: HostMetadata,
    ) -> HostView:
        resources = host.resources
        return HostView(
            id=host.id,
            name=host.name,
            generation=host.generation,
            enabled=host.enabled,
            up=self.is_up(host),
            problem=host.problem,
            free_vcpus=resources.vcpus - use.vcpus,
            free_memory_mib=resources.memory_mib - use.memory_mib,
            free_disk_gib=resources.disk_gib - use.disk_gib,
            bridges=frozenset(resources.bridges),
            pools=pools,
            numa=numa_rooms(resources.numa_nodes, use.numa),
            bandwidth_left=bandwidth_left,
            zone=zone_of(metadata) or self.default_zone,
            metadata=metadata,
        )

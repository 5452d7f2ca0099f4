"""Availability zones: what host aggregates make of hosts, and a default for the others."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from trunkline.control.services import Services
from trunkline.domain.aggregate import zone_of
from trunkline.domain.errors import Invalid
from trunkline.domain.host import Host
from trunkline.domain.ids import HostId, ZoneName
from trunkline.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Zone:
    """An availability zone with the hosts in it."""

    name: ZoneName
    hosts: tuple[Host, ...]  # By name.

    @property
    def is_available(self) -> bool:
        """Whether new servers may go there."""
        return any(host.enabled for host in self.hosts)


def list_zones(svc: Services) -> list[Zone]:
    """Return the availability zones that have hosts, by name; the default one is always told."""

    def list_(tx: Transaction) -> list[Zone]:
        zoned: dict[ZoneName, list[Host]] = {svc.default_zone: []}
        hosts = tx.hosts.all()
        metadata = tx.aggregates.metadata_of_all_hosts()
        for host in hosts:
            zone = zone_of(metadata.get(host.id, frozenset())) or svc.default_zone
            zoned.setdefault(zone, []).append(host)
        if len(zoned) > 1 and not zoned[svc.default_zone]:
            del zoned[svc.default_zone]
        return [Zone(name, tuple(zoned[name])) for name in sorted(zoned)]

    return svc.store.read(list_)


def zones_of(
    tx: Transaction, svc: Services, host_ids: Collection[HostId]
) -> dict[HostId, ZoneName]:
    """Return the zone of each of these hosts; none is left out."""
    zones = tx.aggregates.zones_of(host_ids)
    return {host_id: zones.get(host_id, svc.default_zone) for host_id in host_ids}


def require_zone(tx: Transaction, svc: Services, zone: ZoneName | None, *, field: str) -> None:
    """Raise `Invalid` for a zone that no aggregate makes and that is not the default one."""
    if zone in (None, svc.default_zone):
        return
    if not any(zone == aggregate.zone and aggregate.host_ids for aggregate in tx.aggregates.all()):
        raise Invalid(field, f"the availability zone {zone} is not available: it has no host")

"""Availability zones: what host aggregates make of hosts, and a default for the others."""

from __future__ import annotations

from collections.abc import Collection

from trunkline.control.services import Services
from trunkline.domain.errors import Invalid
from trunkline.domain.ids import HostId, ZoneName
from trunkline.store.transaction import Transaction


def list_zones(svc: Services) -> dict[ZoneName, bool]:
    """Return the availability zones that have hosts, by name, and whether servers may go there.

    Where there is no host at all, the default one is told, which takes none.
    """
    svc.store.write(svc.fleet.refresh)  # A snapshot is not followed.
    zones = svc.fleet.zones() or {svc.default_zone: False}
    return dict(sorted(zones.items()))


def hosts_in_zone(svc: Services, zone: str) -> list[HostId]:
    """Return the hosts of a zone; none if there is no such zone."""
    svc.store.write(svc.fleet.refresh)
    return svc.fleet.hosts_in_zone(ZoneName(zone))


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
    if not tx.aggregates.makes_zone(zone):
        raise Invalid(field, f"the availability zone {zone} is not available: it has no host")

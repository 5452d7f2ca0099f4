"""What PFs can guarantee, and what they owe: one row for each PF that accounts any.

What a PF owes is the sum of its allocations' guarantees, kept beside what it has so that one
UPDATE is the guard: what it saw can't change before it writes. A PF that has less than it owes, as
after its link has become slower, owes it still, and nothing more is had of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    case,
    delete,
    func,
    or_,
    select,
    update,
)

from trunkline.domain.bandwidth import NO_GUARANTEE, NOT_ACCOUNTED, Bandwidth, Guarantee
from trunkline.domain.device import DeviceKind
from trunkline.domain.errors import NotEnoughBandwidth
from trunkline.domain.ids import DeviceId, HostId
from trunkline.store.devices import DeviceRecord
from trunkline.store.prepared import Prepared, Row
from trunkline.store.statements import among, insert_row, select_where_in
from trunkline.store.tables import allocations, bandwidths, devices


@dataclass(frozen=True, slots=True, kw_only=True)
class BandwidthUse:
    """One PF: what it can guarantee, and what of it is owed."""

    bandwidth: Bandwidth = NOT_ACCOUNTED
    owed: Guarantee = NO_GUARANTEE

    @property
    def left(self) -> Bandwidth:
        """What it can guarantee besides; below 0 if it has less than it owes."""
        return self.bandwidth.less(self.owed)


def _fits(had: ColumnElement[int], owed: ColumnElement[int], name: str) -> ColumnElement[bool]:
    """Less may always be owed."""
    more = bindparam(name, type_=owed.type)
    return or_(more <= 0, had >= owed + more)


_OF_DEVICES = Prepared(select_where_in(bandwidths, "device_id"))
_OF_HOSTS = Prepared(select_where_in(bandwidths, "host_id"))
_THIS = bandwidths.c.device_id == bindparam("this_id")
_RAISED = {
    "egress_owed": bandwidths.c.egress_owed + bindparam("egress"),
    "ingress_owed": bandwidths.c.ingress_owed + bindparam("ingress"),
}
_OWE = Prepared(
    update(bandwidths)
    .where(
        _THIS,
        _fits(bandwidths.c.egress_mbps, bandwidths.c.egress_owed, "egress"),
        _fits(bandwidths.c.ingress_mbps, bandwidths.c.ingress_owed, "ingress"),
    )
    .values(_RAISED)
)
_DELETE = Prepared(delete(bandwidths).where(bandwidths.c.host_id == bindparam("this_host")))
_INSERT = Prepared(insert_row(bandwidths))
_PF_ID = case((devices.c.pf_id.is_not(None), devices.c.pf_id), else_=devices.c.id)
_OWED = Prepared(
    select(
        _PF_ID.label("pf_id"),
        func.sum(allocations.c.egress_mbps).label("egress"),
        func.sum(allocations.c.ingress_mbps).label("ingress"),
    )
    .select_from(allocations.join(devices, devices.c.id == allocations.c.device_id))
    .where(
        allocations.c.host_id == bindparam("this_host"),
        allocations.c.egress_mbps + allocations.c.ingress_mbps > 0,
    )
    .group_by(_PF_ID)
)


class Bandwidths:
    """Rows of bandwidth."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of_devices(self, device_ids: Collection[DeviceId]) -> dict[DeviceId, BandwidthUse]:
        """Return those of the devices that account any."""
        if not device_ids:
            return {}
        return _uses(_OF_DEVICES.all(self._connection, among(sorted(device_ids))))

    def of_host(self, host_id: HostId) -> dict[DeviceId, BandwidthUse]:
        """Return the PFs of a host that account any, or owe any."""
        return _uses(_OF_HOSTS.all(self._connection, among([host_id])))

    def of_all(self) -> dict[DeviceId, BandwidthUse]:
        """Return the PFs of all hosts that account any, or owe any."""
        return _uses(self._connection.execute(select(bandwidths)).mappings())

    def left_of_host(self, host_id: HostId) -> dict[DeviceId, Bandwidth]:
        """Return what each PF of a host that accounts any has left."""
        return {device_id: use.left for device_id, use in self.of_host(host_id).items()}

    def left_of_all_hosts(self) -> dict[HostId, dict[DeviceId, Bandwidth]]:
        """Return the same of every host that has such PFs."""
        found: dict[HostId, dict[DeviceId, Bandwidth]] = {}
        for row in self._connection.execute(select(bandwidths)).mappings():
            left = _use(row).left
            found.setdefault(HostId(row["host_id"]), {})[DeviceId(row["device_id"])] = left
        return found

    def put(self, host_id: HostId, records: Iterable[DeviceRecord]) -> None:
        """Follow what a host's PFs are said to have, and what the allocations say that they owe.

        The host is locked: nobody else gives or takes guarantees there meanwhile.
        """
        owed = self._owed(host_id)
        had = {
            record.id: record.device.bandwidth or NOT_ACCOUNTED
            for record in records
            if record.kind is DeviceKind.PF
        }
        _DELETE.run(self._connection, {"this_host": host_id})
        rows = [
            {
                "device_id": device_id,
                "host_id": host_id,
                "egress_mbps": bandwidth.egress_mbps,
                "ingress_mbps": bandwidth.ingress_mbps,
                "egress_owed": owed.get(device_id, (0, 0))[0],
                "ingress_owed": owed.get(device_id, (0, 0))[1],
            }
            for device_id, bandwidth in had.items()
            if bandwidth.is_accounted or device_id in owed
        ]
        _INSERT.run_many(self._connection, rows)

    def owe(self, device_id: DeviceId, guarantee: Guarantee, *, host_id: HostId) -> None:
        """Let a PF owe this more, or less where it is negative.

        Raises:
            NotEnoughBandwidth: It has not as much left, of one of both; nothing has changed.
        """
        changed = _OWE.run(
            self._connection,
            {
                "this_id": device_id,
                "egress": guarantee.egress_mbps,
                "ingress": guarantee.ingress_mbps,
            },
        )
        if changed != 1:
            found = self.of_devices([device_id]).get(device_id)
            left = NOT_ACCOUNTED if found is None else found.left
            raise NotEnoughBandwidth(device_id, guarantee, left, host_id=host_id)

    def _owed(self, host_id: HostId) -> Mapping[DeviceId, tuple[int, int]]:
        rows = _OWED.all(self._connection, {"this_host": host_id})
        return {DeviceId(row["pf_id"]): (int(row["egress"]), int(row["ingress"])) for row in rows}


def _uses(rows: Iterable[Row]) -> dict[DeviceId, BandwidthUse]:
    return {DeviceId(row["device_id"]): _use(row) for row in rows}


def _use(row: Row) -> BandwidthUse:
    return BandwidthUse(
        bandwidth=Bandwidth(egress_mbps=row["egress_mbps"], ingress_mbps=row["ingress_mbps"]),
        owed=Guarantee(egress_mbps=row["egress_owed"], ingress_mbps=row["ingress_owed"]),
    )

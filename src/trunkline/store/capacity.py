"""How many devices of each kind and state there are on each physical network: counted by SQL."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, case, false, func, not_, or_, select

from trunkline.domain.allocation import AllocationState
from trunkline.domain.device import DeviceKind
from trunkline.domain.ids import PhysicalNetwork
from trunkline.store.kin import IS_OUT_OF_SERVICE
from trunkline.store.tables import allocations, devices


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCount:
    """Devices of one kind on one physical network. `total` is the sum of the states."""

    physical_network: PhysicalNetwork
    kind: DeviceKind
    free: int
    held: int  # Claimed or active.
    releasing: int
    quarantined: int
    reserved: int  # For one use, and used.
    blocked: int  # VFs whose PF is given away whole; PFs of which VFs are held.
    out_of_service: int  # Free, but for the PF's link or driver.

    @property
    def total(self) -> int:
        """Everything that is on offer or has an owner."""
        owned = self.held + self.releasing + self.quarantined + self.reserved
        return self.free + owned + self.blocked + self.out_of_service


class Capacity:
    """Counts over the devices: one row comes back for each physical network and kind."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def device_counts(self, names: Collection[str] | None = None) -> list[DeviceCount]:
        """Count the devices cabled to these physical networks, or to any (None)."""
        pfs = devices.alias("pf")
        state = allocations.c.state
        ownerless = and_(state.is_(None), devices.c.offered)
        # No row of its PF (a PF itself, or its PF is not known): nothing blocks it from there.
        pf_given_away = func.coalesce(pfs.c.held_whole, false())
        blocked = or_(devices.c.vfs_held > 0, pf_given_away)
        counted = {
            "free": and_(ownerless, not_(blocked), not_(IS_OUT_OF_SERVICE)),
            "held": state.in_([AllocationState.CLAIMED.value, AllocationState.ACTIVE.value]),
            "releasing": state == AllocationState.RELEASING.value,
            "quarantined": state == AllocationState.QUARANTINED.value,
            "reserved": state == AllocationState.RESERVED.value,
            "blocked": and_(ownerless, blocked),
            "out_of_service": and_(ownerless, not_(blocked), IS_OUT_OF_SERVICE),
        }
        statement = (
            select(
                devices.c.physical_network,
                devices.c.kind,
                *(_count(condition).label(name) for name, condition in counted.items()),
            )
            .select_from(
                devices.outerjoin(allocations, allocations.c.device_id == devices.c.id).outerjoin(
                    pfs, pfs.c.id == devices.c.pf_id
                )
            )
            .where(_on(names))
            .group_by(devices.c.physical_network, devices.c.kind)
            .order_by(devices.c.physical_network, devices.c.kind)
        )
        return [
            DeviceCount(**dict(row) | {"kind": DeviceKind(row["kind"])})
            for row in self._connection.execute(statement).mappings()
        ]

    def host_counts(self, names: Collection[str] | None = None) -> dict[PhysicalNetwork, int]:
        """Count the hosts with a device that is cabled to each physical network."""
        rows = self._connection.execute(
            select(devices.c.physical_network, func.count(func.distinct(devices.c.host_id)))
            .where(_on(names))
            .group_by(devices.c.physical_network)
        )
        return {PhysicalNetwork(row[0]): row[1] for row in rows}


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _on(names: Collection[str] | None) -> ColumnElement[bool]:
    if names is None:
        return devices.c.physical_network.is_not(None)
    return devices.c.physical_network.in_(names)

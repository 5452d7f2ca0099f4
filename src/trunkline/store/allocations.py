"""Allocations: at most one owner for each device, whatever happens."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Connection,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from trunkline.domain.allocation import Allocation, AllocationState
from trunkline.domain.bandwidth import Guarantee
from trunkline.domain.device import DeviceRef
from trunkline.domain.errors import DeviceTaken, GenerationMoved
from trunkline.domain.ids import AllocationId, DeviceId, HostId, ServerId
from trunkline.store.prepared import Prepared, Row
from trunkline.store.statements import among, insert_row, select_where_in
from trunkline.store.tables import allocations, devices, servers

_OF_DEVICES = Prepared(select_where_in(allocations, "device_id").order_by(allocations.c.id))
_OF_HOSTS = Prepared(select_where_in(allocations, "host_id").order_by(allocations.c.id))
_OF_SERVERS = Prepared(select_where_in(allocations, "server_id").order_by(allocations.c.id))
_OF_PROJECTS = Prepared(select_where_in(allocations, "project_id").order_by(allocations.c.id))
_HOLDERS = Prepared(
    select(
        devices.c.id,
        devices.c.host_id,
        devices.c.pf_id,
        devices.c.vf_index,
        devices.c.address,
        allocations.c.state,
        allocations.c.server_id,
        servers.c.name,
    )
    .select_from(
        allocations.join(devices, devices.c.id == allocations.c.device_id).outerjoin(
            servers, servers.c.id == allocations.c.server_id
        )
    )
    .where(allocations.c.host_id.in_(bindparam("among", expanding=True)))
)
_INSERT = Prepared(insert_row(allocations))
_THIS_AS_SEEN = (
    allocations.c.id == bindparam("this_id"),
    allocations.c.state == bindparam("seen"),
)
_ADVANCE = Prepared(
    update(allocations)
    .where(*_THIS_AS_SEEN)
    .values(state=bindparam("new_state"), failure=bindparam("new_failure"))
)
_RESERVE = Prepared(
    update(allocations)
    .where(*_THIS_AS_SEEN)
    .values(
        state=AllocationState.RESERVED.value, failure=None, port_id=None, server_id=None, wire=None,
        egress_mbps=0, ingress_mbps=0,
    )
)  # fmt: skip
_DELETE = Prepared(delete(allocations).where(*_THIS_AS_SEEN))
_NOT_FIELDS = frozenset({"project_id", "egress_mbps", "ingress_mbps"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who has one device."""

    host_id: HostId
    device: DeviceRef
    address: str  # Of the device, on the PCI bus.
    state: AllocationState
    server_id: ServerId | None  # None: a port without a server, or, reserved, nobody.
    server_name: str | None


class Allocations:
    """Rows of allocations."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of_devices(self, device_ids: Collection[DeviceId]) -> dict[DeviceId, Allocation]:
        """Return the allocations of those devices that have one."""
        if not device_ids:
            return {}
        found = self._read(_OF_DEVICES, device_ids)
        return {allocation.device_id: allocation for allocation in found}

    def of_host(self, host_id: HostId) -> list[Allocation]:
        """Return every allocation on a host."""
        return self._read(_OF_HOSTS, [host_id])

    def of_server(self, server_id: ServerId) -> list[Allocation]:
        """Return every allocation that a server holds or held."""
        return self._read(_OF_SERVERS, [server_id])

    def of_servers(self, server_ids: Collection[ServerId]) -> list[Allocation]:
        """Return every allocation that any of these servers holds or held."""
        return self._read(_OF_SERVERS, server_ids) if server_ids else []

    def of_project(self, project_id: str) -> list[Allocation]:
        """Return every allocation of a project's."""
        return self._read(_OF_PROJECTS, [project_id])

    def holders_of_hosts(self, host_ids: Collection[HostId]) -> list[Holder]:
        """Return who has which device of these hosts, in no particular order."""
        if not host_ids:
            return []
        return [_holder(row) for row in _HOLDERS.all(self._connection, among(host_ids))]

    def find_on_wire(self, wire: str) -> Allocation | None:
        """Return one of the allocations whose frames come out at `wire`, if there is any."""
        found = self._connection.execute(
            select(allocations)
            .where(allocations.c.wire == wire)
            .order_by(allocations.c.id)
            .limit(1)
        ).mappings()
        row = found.one_or_none()
        return None if row is None else _allocation(row)

    def insert(self, allocation: Allocation, *, project_id: str) -> None:
        """Store a new allocation; raise `DeviceTaken` if its device has one."""
        try:
            _INSERT.run(self._connection, _row(allocation) | {"project_id": project_id})
        except IntegrityError as taken:
            raise DeviceTaken(allocation.device_id, host_id=allocation.host_id) from taken

    def advance(self, seen: Allocation, to: AllocationState, *, failure: str | None = None) -> None:
        """Store a new state; raise `GenerationMoved` if it is not in the one seen any more."""
        changed = _ADVANCE.run(
            self._connection,
            {
                "this_id": seen.id,
                "seen": seen.state.value,
                "new_state": to.value,
                "new_failure": failure,
            },
        )
        self._require_one(changed, seen)

    def set_guarantee(self, seen: Allocation, guarantee: Guarantee) -> None:
        """Store what the PF owes from now on; raise `GenerationMoved` if it is not as seen."""
        old = seen.guarantee
        changed = self._connection.execute(
            update(allocations)
            .where(
                allocations.c.id == seen.id,
                allocations.c.egress_mbps == old.egress_mbps,
                allocations.c.ingress_mbps == old.ingress_mbps,
            )
            .values(egress_mbps=guarantee.egress_mbps, ingress_mbps=guarantee.ingress_mbps)
        )
        self._require_one(changed.rowcount, seen)

    def give_to_server(self, device_id: DeviceId, server_id: ServerId) -> None:
        """Give a device that was claimed for a port to the server that now has the port."""
        self._connection.execute(
            update(allocations)
            .where(allocations.c.device_id == device_id)
            .values(server_id=server_id)
        )

    def move(self, places: Mapping[AllocationId, tuple[DeviceId, int]]) -> None:
        """Give allocations other devices, each at its new epoch, all at once."""
        rows = self._connection.execute(
            select(allocations).where(allocations.c.id.in_(places))
        ).mappings()
        moved = [
            {**row, "device_id": places[row["id"]][0], "epoch": places[row["id"]][1]}
            for row in rows
        ]
        # Two may change places, and at no moment may two have one device.
        self._connection.execute(delete(allocations).where(allocations.c.id.in_(places)))
        self._connection.execute(insert(allocations), moved)

    def set_epochs(self, device_ids: Collection[DeviceId], epoch: int) -> None:
        """Make this the epoch of whoever has one of these devices, as it is the devices' own."""
        self._connection.execute(
            update(allocations).where(allocations.c.device_id.in_(device_ids)).values(epoch=epoch)
        )

    def reserve(self, seen: Allocation) -> None:
        """Keep a clean device for nobody: whoever had it, its network and its guarantee are let go.

        Raises:
            GenerationMoved: It is not in the state seen any more.
        """
        self._require_one(
            _RESERVE.run(self._connection, {"this_id": seen.id, "seen": seen.state.value}), seen
        )

    def delete(self, seen: Allocation) -> None:
        """Free the device: it was observed clean, or an operator has freed it.

        Raises:
            GenerationMoved: It is not in the state seen any more, or is freed already.
        """
        deleted = _DELETE.run(self._connection, {"this_id": seen.id, "seen": seen.state.value})
        self._require_one(deleted, seen)

    def _require_one(self, changed: int, seen: Allocation) -> None:
        if changed != 1:
            raise GenerationMoved("allocation", seen.id, seen_generation=seen.epoch)

    def _read(self, statement: Prepared, wanted: Collection[str]) -> list[Allocation]:
        return [_allocation(row) for row in statement.all(self._connection, among(wanted))]


def _row(allocation: Allocation) -> dict[str, Any]:
    return {
        "id": allocation.id,
        "device_id": allocation.device_id,
        "host_id": allocation.host_id,
        "port_id": allocation.port_id,
        "server_id": allocation.server_id,
        "epoch": allocation.epoch,
        "state": allocation.state.value,
        "created_at": allocation.created_at,
        "failure": allocation.failure,
        "wire": allocation.wire,
        "egress_mbps": allocation.guarantee.egress_mbps,
        "ingress_mbps": allocation.guarantee.ingress_mbps,
    }


def _allocation(row: Row) -> Allocation:
    fields = {name: row[name] for name in row if name not in _NOT_FIELDS}
    egress, ingress = row["egress_mbps"], row["ingress_mbps"]
    if egress or ingress:
        fields["guarantee"] = Guarantee(egress_mbps=egress, ingress_mbps=ingress)
    return Allocation(**fields | {"state": AllocationState(row["state"])})


def _holder(row: Row) -> Holder:
    is_vf = row["pf_id"] is not None and row["vf_index"] is not None
    return Holder(
        host_id=row["host_id"],
        device=DeviceRef(row["pf_id"], row["vf_index"]) if is_vf else DeviceRef(row["id"]),
        address=row["address"],
        state=AllocationState(row["state"]),
        server_id=row["server_id"],
        server_name=row["name"],
    )

"""PFs and VFs: what is on offer, and the guards of who may have it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
    update,
)

from trunkline.domain.allocation import AllocationState
from trunkline.domain.device import (
    DeviceKind,
    DeviceRef,
    OfferedDevice,
    device_attributes,
    is_vfio_driver,
    service_problem,
)
from trunkline.domain.errors import DeviceTaken, NotFound
from trunkline.domain.ids import DeviceId, HostId
from trunkline.domain.listing import ListQuery, SortKey
from trunkline.domain.pci import PciAddress
from trunkline.store.kin import IS_OUT_OF_SERVICE
from trunkline.store.listing import select_page
from trunkline.store.prepared import Prepared, Row
from trunkline.store.statements import (
    among,
    insert_row,
    row_values,
    select_where_in,
    update_row,
)
from trunkline.store.tables import allocations, devices, hosts, pools
from trunkline.wire.json import encode


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRecord:
    """A device as the store keeps it."""

    id: DeviceId
    host_id: HostId
    pf_id: DeviceId | None
    offered: bool
    epoch: int  # Of its newest allocation, or a number that no allocation of the host was above.
    held_whole: bool
    vfs_held: int
    device: OfferedDevice
    fence: str = ""  # PF only: why it can't be told which PF it is now; empty: it can.
    said_at: PciAddress | None = None  # PF only: where it is now, says an operator.
    vf_count_wanted: int | None = None  # PF only: None: no operator has said it.

    @property
    def ref(self) -> DeviceRef:
        """What placement calls it."""
        vf_index = self.device.function.vf_index
        if self.pf_id is None or vf_index is None:
            return DeviceRef(self.id)
        return DeviceRef(self.pf_id, vf_index)

    @property
    def problem(self) -> str:
        """Why a PF is out of service; empty: it is in it."""
        return self.fence or self._awaited_vfs or service_problem(self.device.function)

    @property
    def _awaited_vfs(self) -> str:
        """What is wrong with its count of VFs; of a PF in a guest there are none to be seen."""
        pf, wanted = self.device.function, self.vf_count_wanted
        if wanted in (None, pf.vf_count) or self.held_whole or is_vfio_driver(pf.driver):
            return ""
        return f"{pf.ifname or pf.address} has {pf.vf_count} VFs, and is to have {wanted}"

    @property
    def kind(self) -> DeviceKind:
        """PF, VF or plain."""
        return self.device.function.kind


_BY_IDS = Prepared(select_where_in(devices))
# A few more than are wanted where these are of several PFs: pairs can't be looked up by an index.
_VFS = Prepared(
    select(devices).where(
        devices.c.offered,
        devices.c.pf_id.in_(bindparam("pf_ids", expanding=True)),
        devices.c.vf_index.in_(bindparam("vf_indexes", expanding=True)),
    )
)
# The guards of who may have a device. Each is one UPDATE whose WHERE is the condition, so that
# what it saw can't change before it writes.
_OF_THIS_HOST = (
    select(devices).where(devices.c.host_id == bindparam("this_host")).order_by(devices.c.address)
)
_OF_HOST = Prepared(_OF_THIS_HOST)
_AT = Prepared(_OF_THIS_HOST.where(devices.c.address == bindparam("at")))
_WITH_VFS_WANTED = Prepared(_OF_THIS_HOST.where(devices.c.vf_count_wanted.is_not(None)))
_INSERT = Prepared(insert_row(devices))
# What a host's agent says of a device, again and again.
_FACTS = (
    "kind", "pf_id", "vf_index", "offered", "physical_network", "attributes", "device", "fence",
    "said_at", "vf_count_wanted", "used_by",
)  # fmt: skip
_UPDATE_FACTS = Prepared(update_row(devices, "id", columns=_FACTS))
_THIS = devices.c.id == bindparam("this_id")
_TAKE_THIS = (
    update(devices)
    .where(_THIS, devices.c.epoch == bindparam("seen"), devices.c.offered.is_(True))
    .values(epoch=devices.c.epoch + 1)
)
_TAKE = Prepared(_TAKE_THIS)
_TAKE_PF = Prepared(
    _TAKE_THIS.where(devices.c.vfs_held == 0, devices.c.held_whole.is_(False)).values(
        held_whole=True
    )
)
_TAKE_VF_OF_PF = Prepared(
    update(devices)
    .where(_THIS, devices.c.held_whole.is_(False))
    .values(vfs_held=devices.c.vfs_held + 1)
)
_GIVE_BACK_PF = Prepared(update(devices).where(_THIS).values(held_whole=False))
_GIVE_BACK_VF = Prepared(update(devices).where(_THIS).values(vfs_held=devices.c.vfs_held - 1))


class Devices:
    """Rows of devices."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, device_id: str) -> DeviceRecord:
        """Return the device with this ID; raise `NotFound` if there is none."""
        found = self.get_many([device_id])
        if not found:
            raise NotFound("device", device_id)
        return found[DeviceId(device_id)]

    def get_many(self, device_ids: Collection[str]) -> dict[DeviceId, DeviceRecord]:
        """Return those of the devices that exist."""
        if not device_ids:
            return {}
        rows = _BY_IDS.all(self._connection, among(device_ids))
        return {DeviceId(row["id"]): _record(row) for row in rows}

    def named(self, refs: Collection[DeviceRef]) -> dict[DeviceRef, DeviceRecord]:
        """Return those of the devices that exist, by what placement calls them."""
        found: dict[DeviceRef, DeviceRecord] = {}
        vfs = [ref for ref in refs if ref.vf_index is not None]
        if vfs:
            wanted = {
                "pf_ids": sorted({ref.kin_id for ref in vfs}),
                "vf_indexes": sorted({ref.vf_index or 0 for ref in vfs}),
            }
            records = map(_record, _VFS.all(self._connection, wanted))
            found |= {record.ref: record for record in records if record.ref in refs}
        others = [ref.kin_id for ref in refs if ref.vf_index is None]
        found |= {record.ref: record for record in self.get_many(others).values()}
        return found

    def find_at(self, host_id: HostId, address: str) -> DeviceRecord | None:
        """Return the device at a PCI address of a host, if one is known there."""
        row = _AT.one_or_none(self._connection, {"this_host": host_id, "at": address})
        return None if row is None else _record(row)

    def of_host(self, host_id: HostId) -> list[DeviceRecord]:
        """Return every device of a host, by address."""
        return self._records(_OF_HOST, host_id)

    def addresses_of_parents(self, host_id: HostId | None = None) -> dict[DeviceId, str]:
        """Return the addresses of a host's devices that are no VFs; None: of all hosts."""
        # Of all hosts, by the few that pools are of: devices themselves are mostly VFs.
        which = (
            devices.c.id.in_(select(pools.c.kin_id))
            if host_id is None
            else devices.c.host_id == host_id
        )
        rows = self._connection.execute(
            select(devices.c.id, devices.c.address).where(
                which, devices.c.kind != DeviceKind.VF.value
            )
        )
        return {DeviceId(row.id): row.address for row in rows}

    def page(self, query: ListQuery) -> list[DeviceRecord]:
        """Return one page of devices.

        Filters may also be `host` (name), `state` (free, claimed, active, releasing, quarantined,
        reserved, blocked, out_of_service, in_use, withdrawn) and `port_id`, `server_id`,
        `project_id` of the holder.
        """
        conditions: list[Any] = []
        own = {}
        holder = select(allocations.c.id).where(allocations.c.device_id == devices.c.id)
        for name, values in query.equals.items():
            if name == "host":
                conditions.append(
                    devices.c.host_id.in_(select(hosts.c.id).where(hosts.c.name.in_(values)))
                )
            elif name == "state":
                any_of = [_in_state(str(value), holder) for value in values]
                conditions.append(or_(*any_of))
            elif name in ("port_id", "server_id", "project_id"):
                conditions.append(holder.where(allocations.c[name].in_(values)).exists())
            else:
                own[name] = values
        sort = query.sort or (SortKey("host_id"), SortKey("address"))
        rows = select_page(
            self._connection, devices, replace(query, equals=own, sort=sort), what="device",
            conditions=conditions,
        )  # fmt: skip
        return [_record(row) for row in rows]

    def insert_many(self, records: Sequence[DeviceRecord]) -> None:
        """Store new devices; PFs must come before their VFs."""
        _INSERT.run_many(self._connection, [_row(record) for record in records])

    def update_facts(self, records: Sequence[DeviceRecord]) -> None:
        """Store what the host's agent now says of known devices; guards and epochs stay."""
        rows = [_row(record) for record in records]
        many = [row_values({name: row[name] for name in _FACTS}, id=row["id"]) for row in rows]
        _UPDATE_FACTS.run_many(self._connection, many)

    def delete_many(self, device_ids: Collection[DeviceId]) -> None:
        """Forget devices that are gone from the host and have no owner."""
        if device_ids:
            self._connection.execute(
                delete(devices).where(devices.c.id.in_(device_ids), devices.c.pf_id.is_not(None))
            )
            self._connection.execute(delete(devices).where(devices.c.id.in_(device_ids)))

    def move(self, places: Mapping[DeviceId, PciAddress], *, epoch: int) -> None:
        """Put devices of one host at other addresses, all at once; `epoch` is above all of theirs.

        What is told of them follows by `update_facts`.
        """
        this = update(devices).where(devices.c.id == bindparam("this_id"))
        numbered = list(enumerate(sorted(places)))
        # Two devices may change places, and at no moment may two have one address.
        self._connection.execute(
            this.values(address=bindparam("aside")),
            [{"this_id": device_id, "aside": f"#{number}"} for number, device_id in numbered],
        )
        self._connection.execute(
            this.values(address=bindparam("new_address"), epoch=epoch),
            [{"this_id": id_, "new_address": str(place)} for id_, place in places.items()],
        )

    def set_fence(self, pf_id: DeviceId, fence: str) -> None:
        """Store why it can't be told which PF this is; empty: it can."""
        self._connection.execute(update(devices).where(devices.c.id == pf_id).values(fence=fence))

    def say_where(self, pf_id: DeviceId, address: PciAddress | None) -> None:
        """Store where an operator says that a PF is now; None: nothing is said any more."""
        said_at = None if address is None else str(address)
        self._connection.execute(
            update(devices).where(devices.c.id == pf_id).values(said_at=said_at)
        )

    def want_vfs(self, pf_id: DeviceId, count: int, *, though_held: bool = False) -> bool:
        """Store how many VFs a PF is to have, unless it or a VF of it has an owner; say if so."""
        free = (devices.c.vfs_held == 0, devices.c.held_whole.is_(False))
        changed = self._connection.execute(
            update(devices)
            .where(devices.c.id == pf_id, *(() if though_held else free))
            .values(vf_count_wanted=count)
        )
        return changed.rowcount == 1

    def unwant_vfs(self, pf_id: DeviceId) -> None:
        """Forget how many VFs a PF is to have."""
        self._connection.execute(
            update(devices).where(devices.c.id == pf_id).values(vf_count_wanted=None)
        )

    def with_vfs_wanted(self, host_id: HostId) -> list[DeviceRecord]:
        """Return the PFs of a host of which an operator has said how many VFs they are to have."""
        return self._records(_WITH_VFS_WANTED, host_id)

    def recount_held(self, host_id: HostId) -> None:
        """Make each PF's guards what the allocations of it and its VFs say."""
        vfs = devices.alias("vf")
        held = (
            select(func.count())
            .select_from(vfs.join(allocations, allocations.c.device_id == vfs.c.id))
            .where(vfs.c.pf_id == devices.c.id)
            .scalar_subquery()
        )
        whole = select(allocations.c.id).where(allocations.c.device_id == devices.c.id).exists()
        self._connection.execute(
            update(devices)
            .where(devices.c.host_id == host_id, devices.c.kind == DeviceKind.PF.value)
            .values(vfs_held=held, held_whole=whole)
        )

    def take(self, record: DeviceRecord) -> int:
        """Guard the taking of a device and return its new epoch.

        Raises:
            DeviceTaken: A PF of which VFs are held, a VF whose PF is given away, or a device that
                is not on offer, or was taken since `record` was read.
        """
        statement = _TAKE_PF if record.kind is DeviceKind.PF else _TAKE
        this = {"this_id": record.id, "seen": record.epoch}
        if statement.run(self._connection, this) != 1:
            raise self._taken(record)
        if record.pf_id is not None and (
            _TAKE_VF_OF_PF.run(self._connection, {"this_id": record.pf_id}) != 1
        ):
            raise self._taken(record)
        return record.epoch + 1

    def renew_epochs(self, records: Collection[DeviceRecord]) -> dict[DeviceId, int]:
        """Give devices new epochs, as whoever has them changes; return these.

        Raises:
            DeviceTaken: One was taken, or came off offer, since it was read.
        """
        for record in records:
            if _TAKE.run(self._connection, {"this_id": record.id, "seen": record.epoch}) != 1:
                raise self._taken(record)
        return {record.id: record.epoch + 1 for record in records}

    def give_back(self, record: DeviceRecord) -> None:
        """Undo the guard of `take`, once the device was observed clean."""
        if record.kind is DeviceKind.PF:
            _GIVE_BACK_PF.run(self._connection, {"this_id": record.id})
        if record.pf_id is not None:
            _GIVE_BACK_VF.run(self._connection, {"this_id": record.pf_id})

    def _taken(self, record: DeviceRecord) -> DeviceTaken:
        problem = "it has an owner already"
        if record.kind is DeviceKind.PF:
            problem = "it has an owner already, or VFs of it have"
        elif record.pf_id is not None:
            problem = "it has an owner already, or its PF is given away whole"
        return DeviceTaken(str(record.device.function.address), problem, host_id=record.host_id)

    def _records(self, statement: Prepared, host_id: HostId) -> list[DeviceRecord]:
        return [_record(row) for row in statement.all(self._connection, {"this_host": host_id})]


def _in_state(state: str, holder: Select[Any]) -> ColumnElement[bool]:
    """Say what `control.views.DeviceView.state` says, in SQL."""
    pfs = devices.alias("pf")
    given_away = select(pfs.c.id).where(pfs.c.id == devices.c.pf_id, pfs.c.held_whole).exists()
    blocked = or_(devices.c.vfs_held > 0, given_away)
    ownerless = ~holder.exists()
    match state:
        case "in_use":
            return and_(ownerless, ~devices.c.offered, devices.c.used_by != "")
        case "withdrawn":
            return and_(ownerless, ~devices.c.offered, devices.c.used_by == "")
        case "blocked":
            return and_(ownerless, devices.c.offered, blocked)
        case "out_of_service":
            return and_(ownerless, devices.c.offered, ~blocked, IS_OUT_OF_SERVICE)
        case AllocationState.FREE.value:
            return and_(ownerless, devices.c.offered, ~blocked, ~IS_OUT_OF_SERVICE)
        case _:
            return holder.where(allocations.c.state == state).exists()


def _row(record: DeviceRecord) -> dict[str, Any]:
    function = record.device.function
    return {
        "id": record.id,
        "host_id": record.host_id,
        "address": str(function.address),
        "kind": function.kind.value,
        "pf_id": record.pf_id,
        "vf_index": function.vf_index,
        "offered": record.offered,
        "physical_network": record.device.physical_network,
        "attributes": encode(device_attributes(record.device)).decode(),
        "device": record.device,
        "epoch": record.epoch,
        "held_whole": record.held_whole,
        "vfs_held": record.vfs_held,
        "fence": record.fence,
        "said_at": None if record.said_at is None else str(record.said_at),
        "vf_count_wanted": record.vf_count_wanted,
        "used_by": function.used_by,
    }


def _record(row: Row) -> DeviceRecord:
    return DeviceRecord(
        id=DeviceId(row["id"]),
        host_id=HostId(row["host_id"]),
        pf_id=row["pf_id"],
        offered=row["offered"],
        epoch=row["epoch"],
        held_whole=row["held_whole"],
        vfs_held=row["vfs_held"],
        device=row["device"],
        fence=row["fence"],
        vf_count_wanted=row["vf_count_wanted"],
        said_at=None if row["said_at"] is None else PciAddress.parse(row["said_at"]),
    )

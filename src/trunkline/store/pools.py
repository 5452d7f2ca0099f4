"""Pools of devices as placement counts them: a few rows a host, however many VFs it has.

Derived from the rows of devices whenever a host's inventory changes, so that the index is built
without reading every VF of the fleet. Which of them have owners is counted from the allocations.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import (
    BindParameter,
    Case,
    Connection,
    String,
    bindparam,
    case,
    cast,
    delete,
    func,
    select,
)

from trunkline.domain.allocation import AllocationState
from trunkline.domain.device import DeviceKind, DeviceRef, device_attributes
from trunkline.domain.device_pool import DevicePool, PoolMember, pools_of
from trunkline.domain.ids import DeviceId, HostId
from trunkline.store.devices import DeviceRecord
from trunkline.store.kin import IS_VF_OF_A_PF, KIN_ID
from trunkline.store.prepared import Prepared, Row
from trunkline.store.statements import insert_row
from trunkline.store.tables import allocations, devices, pools
from trunkline.wire.json import encode

_ROWS_AT_ONCE = 5000

_BIT = case((IS_VF_OF_A_PF, devices.c.vf_index), else_=0)


def _if_in(state: AllocationState) -> Case[str]:
    return case((allocations.c.state == state.value, cast(_BIT, String)))


_TAKEN = (
    select(
        # Of allocations, which are fewer than devices: SQLite begins with what groups come by.
        allocations.c.host_id,
        KIN_ID.label("kin_id"),
        devices.c.kind,
        func.aggregate_strings(cast(_BIT, String), ",").label("bits"),
        # NULL: none is.
        func.aggregate_strings(_if_in(AllocationState.QUARANTINED), ",").label("quarantined"),
        func.aggregate_strings(_if_in(AllocationState.RESERVED), ",").label("reserved"),
    )
    .select_from(allocations.join(devices, devices.c.id == allocations.c.device_id))
    .group_by(allocations.c.host_id, KIN_ID, devices.c.kind)
    .order_by(allocations.c.host_id)
)
_POOLS = select(pools).order_by(pools.c.host_id, pools.c.number)
_OF_HOST: BindParameter[str] = bindparam("this_host")
_TAKEN_OF_HOST = Prepared(_TAKEN.where(allocations.c.host_id == _OF_HOST))
_POOLS_OF_HOST = Prepared(_POOLS.where(pools.c.host_id == _OF_HOST))
_DELETE = Prepared(delete(pools).where(pools.c.host_id == _OF_HOST))
_INSERT = Prepared(insert_row(pools))


@dataclass(frozen=True, slots=True)
class _Held:
    """VFs of one PF, or one device, that have owners: bitmaps."""

    taken: int = 0
    quarantined: int = 0
    reserved: int = 0


_Taken = Mapping[tuple[str, str], _Held]  # By kin and kind.


class Pools:
    """Rows of pools."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, host_id: HostId, records: Collection[DeviceRecord]) -> None:
        """Store the pools that all the devices of a host make."""
        _DELETE.run(self._connection, {"this_host": host_id})
        made = enumerate(pools_from(records))
        _INSERT.run_many(self._connection, [_row(host_id, number, pool) for number, pool in made])

    def of_host(self, host_id: HostId) -> tuple[DevicePool, ...]:
        """Return the pools of one host."""
        parameters = {"this_host": host_id}
        taken = {
            (row["kin_id"], row["kind"]): _held(row["bits"], row["quarantined"], row["reserved"])
            for row in _TAKEN_OF_HOST.all(self._connection, parameters)
        }
        reader = _Reader()
        rows = _POOLS_OF_HOST.all(self._connection, parameters)
        return tuple(reader.pool(row, taken) for row in rows)

    def stored_of_host(self, host_id: HostId) -> tuple[DevicePool, ...]:
        """Return the pools of one host as they were put, whatever has been taken since."""
        reader = _Reader()
        rows = _POOLS_OF_HOST.all(self._connection, {"this_host": host_id})
        return tuple(reader.pool(row, {}) for row in rows)

    def problems_of_hosts(self, host_ids: Collection[HostId]) -> dict[HostId, tuple[str, ...]]:
        """Return why PFs of these hosts are out of service; of hosts that have such PFs."""
        if not host_ids:
            return {}
        rows = self._connection.execute(
            select(pools.c.host_id, pools.c.problem)
            .distinct()
            .where(pools.c.host_id.in_(host_ids), pools.c.problem != "")
            .order_by(pools.c.host_id, pools.c.problem)
        )
        return {
            HostId(host_id): tuple(problem for _, problem in group)
            for host_id, group in groupby(rows, key=itemgetter(0))
        }

    def of_all_hosts(self) -> Iterator[tuple[HostId, tuple[DevicePool, ...]]]:
        """Yield the pools of each host that has any."""
        taken = dict(self._taken())
        reader = _Reader()
        rows = self._connection.execute(
            _POOLS, execution_options={"yield_per": _ROWS_AT_ONCE}
        ).mappings()
        for host_id, group in groupby(rows, key=itemgetter("host_id")):
            of_host = taken.get(host_id, {})
            yield HostId(host_id), tuple(reader.pool(row, of_host) for row in group)

    def _taken(self) -> Iterator[tuple[str, _Taken]]:
        rows = self._connection.execute(_TAKEN, execution_options={"yield_per": _ROWS_AT_ONCE})
        for host_id, group in groupby(rows, key=itemgetter(0)):
            yield host_id, {(kin_id, kind): _held(*bits) for _, kin_id, kind, *bits in group}


def pools_from(records: Collection[DeviceRecord]) -> tuple[DevicePool, ...]:
    """Make the pools that all the devices of a host make, none of them taken."""
    return pools_of(_members(records))


class _Reader:
    """Makes pools of rows; equal texts are parsed, and kept, once."""

    def __init__(self) -> None:
        self._attributes: dict[str, Mapping[str, str]] = {}

    def pool(self, row: Row, taken: _Taken) -> DevicePool:
        text = row["attributes"]
        attributes = self._attributes.get(text)
        if attributes is None:
            attributes = msgspec.json.decode(text, type=dict[str, str])
            self._attributes[text] = attributes
        members, kind = int(row["members"], 16), DeviceKind(row["kind"])
        held = taken.get((row["kin_id"], kind.of_function.value), _Held())
        return DevicePool(
            kin_id=DeviceId(row["kin_id"]),
            kind=kind,
            attributes=attributes,
            address=row["address"],
            alone=row["alone"],
            members=members,
            offered=int(row["offered"], 16),
            taken=held.taken & members,
            reserved=held.reserved & members,
            problem=row["problem"] or _shut(attributes, held.quarantined & members),
        )


def _members(records: Collection[DeviceRecord]) -> Iterator[PoolMember]:
    """What is off offer comes last: where numbers of VFs have moved, it may be in the way."""
    problems = {record.id: record.problem for record in records}
    seen: set[DeviceRef] = set()
    for record in sorted(records, key=lambda record: not record.offered):
        ref = record.ref if record.ref not in seen else DeviceRef(record.id)
        seen.add(ref)
        yield PoolMember(
            ref=ref,
            kind=record.device.placement_kind,
            address=str(record.device.function.address),
            attributes=device_attributes(record.device),
            offered=record.offered,
            problem=problems.get(ref.kin_id, ""),
        )


def _row(host_id: HostId, number: int, pool: DevicePool) -> dict[str, Any]:
    return {
        "host_id": host_id,
        "number": number,
        "kin_id": pool.kin_id,
        "kind": pool.kind.value,
        "attributes": encode(pool.attributes).decode(),
        "address": pool.address,
        "alone": pool.alone,
        "members": f"{pool.members:x}",
        "offered": f"{pool.offered:x}",
        "problem": pool.problem,
    }


def _shut(attributes: Mapping[str, str], quarantined: int) -> str:
    """Say why libvirt is not to choose from a network pool; empty: it is, or it is none.

    It might choose a VF that did not come back clean, so that no guest is started from there.
    """
    name = attributes.get("network_pool")
    if name is None or not quarantined:
        return ""
    first = (quarantined & -quarantined).bit_length() - 1
    return f"VF {first} of network pool {name} is quarantined"


def _held(taken: str, quarantined: str | None, reserved: str | None) -> _Held:
    return _Held(_bitmap(taken), _bitmap(quarantined or ""), _bitmap(reserved or ""))


def _bitmap(bits: str) -> int:
    return sum(1 << int(bit) for bit in bits.split(",") if bit)

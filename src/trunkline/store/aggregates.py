"""Host aggregates: their metadata, and which hosts are in them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, bindparam, delete, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from trunkline.domain.aggregate import ZONE_KEY, Aggregate, HostMetadata, zone_of
from trunkline.domain.errors import AlreadyExists, NotFound
from trunkline.domain.ids import AggregateId, HostId, ZoneName
from trunkline.store.group_tables import aggregate_hosts, aggregates
from trunkline.store.locks import Lock, locked
from trunkline.store.prepared import Prepared, Row
from trunkline.store.statements import among

_METADATA = select(aggregate_hosts.c.host_id, aggregates.c.metadata).join(
    aggregates, aggregates.c.id == aggregate_hosts.c.aggregate_id
)
_METADATA_OF = Prepared(
    _METADATA.where(aggregate_hosts.c.host_id.in_(bindparam("among", expanding=True)))
)


class Aggregates:
    """Rows of aggregates."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, aggregate_id: AggregateId, lock: Lock = Lock.NONE) -> Aggregate:
        """Return the aggregate with this number; raise `NotFound` if there is none."""
        statement = select(aggregates).where(aggregates.c.id == aggregate_id)
        row = self._connection.execute(locked(statement, lock)).mappings().one_or_none()
        if row is None:
            raise NotFound("aggregate", str(aggregate_id))
        return self._with_hosts([row])[0]

    def all(self) -> list[Aggregate]:
        """Return every aggregate, by number: operators make a few."""
        rows = self._connection.execute(select(aggregates).order_by(aggregates.c.id)).mappings()
        return self._with_hosts(rows)

    def uuids_of(self, host_ids: Collection[HostId] | None) -> dict[HostId, frozenset[str]]:
        """Return the aggregates of these hosts, or of every host (None); others are left out."""
        statement = select(aggregate_hosts.c.host_id, aggregates.c.uuid).join(
            aggregates, aggregates.c.id == aggregate_hosts.c.aggregate_id
        )
        if host_ids is not None:
            statement = statement.where(aggregate_hosts.c.host_id.in_(host_ids))
        found: dict[HostId, set[str]] = {}
        for host_id, uuid in self._connection.execute(statement):
            found.setdefault(HostId(host_id), set()).add(uuid)
        return {host_id: frozenset(uuids) for host_id, uuids in found.items()}

    def metadata_of(self, host_ids: Collection[HostId]) -> dict[HostId, HostMetadata]:
        """Return what the aggregates of these hosts say of them; none is left out."""
        rows = _METADATA_OF.all(self._connection, among(host_ids)) if host_ids else ()
        return dict.fromkeys(host_ids, HostMetadata()) | _merged(rows)

    def metadata_of_all_hosts(self) -> dict[HostId, HostMetadata]:
        """Return the same of every host that is in an aggregate. For building the index."""
        return _merged(self._connection.execute(_METADATA).mappings())

    def makes_zone(self, zone: ZoneName) -> bool:
        """Whether an aggregate puts any host into a zone."""
        rows = self._connection.execute(select(aggregates.c.id, aggregates.c.metadata))
        of_zone = [number for number, metadata in rows if metadata.get(ZONE_KEY) == zone]
        there = exists().where(aggregate_hosts.c.aggregate_id.in_(of_zone))
        return bool(of_zone) and bool(self._connection.scalar(select(there)))

    def zones_of(self, host_ids: Collection[HostId]) -> dict[HostId, ZoneName]:
        """Return the zones that aggregates put these hosts into; others are left out."""
        zones = {host_id: zone_of(each) for host_id, each in self.metadata_of(host_ids).items()}
        return {host_id: zone for host_id, zone in zones.items() if zone is not None}

    def insert(self, aggregate: Aggregate) -> Aggregate:
        """Store a new one without hosts; return it with its number.

        Raises:
            AlreadyExists: Its name is taken.
        """
        try:
            done = self._connection.execute(insert(aggregates).values(_row(aggregate)))
        except IntegrityError as taken:
            raise AlreadyExists("aggregate", aggregate.name) from taken
        assert done.inserted_primary_key is not None
        return replace(aggregate, id=AggregateId(done.inserted_primary_key[0]))

    def update(self, aggregate: Aggregate) -> None:
        """Store what was changed, hosts apart; raise `AlreadyExists` if its name is taken.

        It was read under `Lock.EXCLUSIVE`.
        """
        statement = update(aggregates).where(aggregates.c.id == aggregate.id)
        try:
            self._connection.execute(statement.values(_row(aggregate)))
        except IntegrityError as taken:
            raise AlreadyExists("aggregate", aggregate.name) from taken

    def add_host(self, aggregate: Aggregate, host_id: HostId) -> None:
        """Put a host into an aggregate, which was read under `Lock.EXCLUSIVE`."""
        number = self._connection.scalar(
            select(func.coalesce(func.max(aggregate_hosts.c.number), 0) + 1).where(
                aggregate_hosts.c.aggregate_id == aggregate.id
            )
        )
        self._connection.execute(
            insert(aggregate_hosts).values(
                aggregate_id=aggregate.id, host_id=host_id, number=number
            )
        )

    def remove_host(self, aggregate: Aggregate, host_id: HostId) -> None:
        """Take a host out of an aggregate."""
        self._connection.execute(
            delete(aggregate_hosts).where(
                aggregate_hosts.c.aggregate_id == aggregate.id,
                aggregate_hosts.c.host_id == host_id,
            )
        )

    def delete(self, aggregate_id: AggregateId) -> None:
        """Forget an aggregate that has no hosts."""
        self._connection.execute(delete(aggregates).where(aggregates.c.id == aggregate_id))

    def _with_hosts(self, rows: Iterable[Row]) -> list[Aggregate]:
        every = list(rows)
        hosts: dict[int, list[HostId]] = {row["id"]: [] for row in every}
        found = self._connection.execute(
            select(aggregate_hosts.c.aggregate_id, aggregate_hosts.c.host_id)
            .where(aggregate_hosts.c.aggregate_id.in_(hosts))
            .order_by(aggregate_hosts.c.number)
        )
        for aggregate_id, host_id in found:
            hosts[aggregate_id].append(HostId(host_id))
        return [Aggregate(**row, host_ids=tuple(hosts[row["id"]])) for row in every]


def _merged(rows: Iterable[Row]) -> dict[HostId, HostMetadata]:
    found: dict[HostId, HostMetadata] = {}
    for row in rows:
        host_id = HostId(row["host_id"])
        found[host_id] = found.get(host_id, HostMetadata()) | frozenset(row["metadata"].items())
    return found


def _row(aggregate: Aggregate) -> dict[str, Any]:
    return {
        "uuid": aggregate.uuid,
        "name": aggregate.name,
        "metadata": aggregate.metadata,
        "created_at": aggregate.created_at,
        "updated_at": aggregate.updated_at,
    }

"""Networks and their segments."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, delete, exists, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from trunkline.domain.errors import AlreadyExists, GenerationMoved, InUse, NotFound
from trunkline.domain.ids import NetworkId, PhysicalNetwork, SegmentId
from trunkline.domain.listing import ListQuery
from trunkline.domain.network import Network, NetworkType, PfPolicy, Segment
from trunkline.store.listing import select_page
from trunkline.store.locks import Lock
from trunkline.store.prepared import Prepared, Row
from trunkline.store.shares import is_seen_as_shared, is_shared_with
from trunkline.store.statements import among, by_lock, select_where_in
from trunkline.store.tables import networks, segments

# Filters that speak of a network's segments, by the names clients use.
_SEGMENT_FILTERS = {
    "network_type": segments.c.network_type,
    "physical_network": segments.c.physical_network,
    "segmentation_id": segments.c.segmentation_id,
}

_CHOICE_LOCK = 0x7365676D  # "segm": the PostgreSQL advisory lock of choosing segmentation IDs.

_BY_IDS = by_lock(select_where_in(networks).order_by(networks.c.id))
_SEGMENTS = Prepared(
    select_where_in(segments, "network_id").order_by(segments.c.network_id, segments.c.position)
)


class Networks:
    """Rows of networks and segments."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, network_id: str) -> Network | None:
        """Return the network with this ID, if there is one."""
        return next(iter(self.get_many([network_id])), None)

    def get(self, network_id: str, lock: Lock = Lock.NONE) -> Network:
        """Return the network with this ID; raise `NotFound` if there is none.

        Locking a network keeps its segments as they are.
        """
        network = next(iter(self.get_many([network_id], lock)), None)
        if network is None:
            raise NotFound("network", network_id)
        return network

    def get_many(self, network_ids: Collection[str], lock: Lock = Lock.NONE) -> list[Network]:
        """Return those of the networks that exist, by ID."""
        if not network_ids:
            return []
        return self._with_segments(_BY_IDS[lock].all(self._connection, among(network_ids)))

    def page(self, query: ListQuery) -> list[Network]:
        """Return one page of networks; filters may name segment fields too."""
        conditions = []
        if query.visible_to is not None:
            conditions.append(
                or_(
                    networks.c.project_id == query.visible_to,
                    networks.c.shared.is_(True),
                    is_shared_with(networks.c.id, query.visible_to),
                )
            )
        own = {}
        for name, values in query.equals.items():
            if name in _SEGMENT_FILTERS:
                conditions.append(
                    exists().where(
                        segments.c.network_id == networks.c.id, _SEGMENT_FILTERS[name].in_(values)
                    )
                )
            elif name == "shared":
                conditions.append(is_seen_as_shared(networks, values, query.visible_to))
            else:
                own[name] = values
        rows = select_page(
            self._connection, networks, replace(query, equals=own), what="network",
            conditions=conditions,
        )  # fmt: skip
        return self._with_segments(rows)

    def insert(self, network: Network) -> None:
        """Store a new network with its segments.

        Raises:
            AlreadyExists: Another network has one of the segments.
        """
        self._connection.execute(insert(networks).values(_network_row(network)))
        for position, segment in enumerate(network.segments):
            try:
                self._connection.execute(insert(segments).values(_segment_row(segment, position)))
            except IntegrityError as taken:
                raise AlreadyExists("segment", segment.wire) from taken

    def update(self, network: Network, *, seen_revision: int) -> None:
        """Store a network's changed fields (its segments stay).

        Raises:
            GenerationMoved: It is not at `seen_revision` any more.
        """
        changed = self._connection.execute(
            update(networks)
            .where(networks.c.id == network.id, networks.c.revision == seen_revision)
            .values(_network_row(network))
        )
        if changed.rowcount != 1:
            raise GenerationMoved("network", network.id, seen_generation=seen_revision)

    def find_segment(self, segment_id: str) -> Segment | None:
        """Return the segment with this ID, if there is one."""
        rows = self._connection.execute(select(segments).where(segments.c.id == segment_id))
        row = rows.mappings().one_or_none()
        return None if row is None else _segment(row)

    def insert_segment(self, segment: Segment) -> None:
        """Store one more segment of a network; raise `AlreadyExists` if some network has it."""
        last: int | None = self._connection.scalar(
            select(func.max(segments.c.position)).where(segments.c.network_id == segment.network_id)
        )
        row = _segment_row(segment, 0 if last is None else last + 1)
        try:
            self._connection.execute(insert(segments).values(row))
        except IntegrityError as taken:
            raise AlreadyExists("segment", segment.wire) from taken

    def update_segment(self, segment: Segment) -> None:
        """Store a segment that has changed; raise `AlreadyExists` if some network has it."""
        new = {
            name: value for name, value in _segment_row(segment, 0).items() if name != "position"
        }
        try:
            self._connection.execute(
                update(segments).where(segments.c.id == segment.id).values(new)
            )
        except IntegrityError as taken:
            raise AlreadyExists("segment", segment.wire) from taken

    def delete_segment(self, segment: Segment) -> None:
        """Delete a segment; its segmentation ID is free with it."""
        self._connection.execute(delete(segments).where(segments.c.id == segment.id))

    def lock(self, network_id: str) -> None:
        """Let no other transaction change this network, or its subnets, until this one ends.

        On SQLite nothing is needed: writes take turns.
        """
        self._connection.execute(
            select(networks.c.id)
            .where(networks.c.id == network_id)
            .with_for_update(key_share=True)  # FOR NO KEY UPDATE: ports may still refer to it.
        )

    def delete(self, network_id: NetworkId) -> None:
        """Delete a network and its segments, whose segmentation IDs are free with it.

        Raises:
            InUse: A subnet or port came meanwhile.
        """
        try:
            self._connection.execute(delete(segments).where(segments.c.network_id == network_id))
            self._connection.execute(delete(networks).where(networks.c.id == network_id))
        except IntegrityError as used:
            raise InUse("network", network_id, "a subnet or a port was added to it") from used

    def segments_page(self, query: ListQuery) -> list[Segment]:
        """Return one page of the segments of all networks."""
        rows = select_page(self._connection, segments, query, what="segment")
        return [_segment(row) for row in rows]

    def find_free_segmentation_id(
        self,
        network_type: NetworkType,
        physical_network: PhysicalNetwork | None,
        low: int,
        high: int,
    ) -> int | None:
        """Return the lowest ID in `low`-`high` that no segment has; None: all are taken.

        Until the transaction ends, no other one chooses: it would choose the same.
        """
        if self._connection.dialect.name == "postgresql":
            self._connection.execute(select(func.pg_advisory_xact_lock(_CHOICE_LOCK)))
        mine = segments.alias("mine")
        following = segments.alias("following")

        def same(table: Any) -> list[Any]:
            return [
                table.c.network_type == network_type.value,
                table.c.physical_network == (physical_network or ""),
            ]

        if self._connection.scalar(
            select(mine.c.id).where(*same(mine), mine.c.segmentation_id == low)
        ) is None:  # fmt: skip
            return low
        free: int | None = self._connection.scalar(
            select(mine.c.segmentation_id + 1)
            .where(
                *same(mine),
                mine.c.segmentation_id >= low,
                mine.c.segmentation_id < high,
                ~exists().where(
                    *same(following),
                    following.c.segmentation_id == mine.c.segmentation_id + 1,
                ),
            )
            .order_by(mine.c.segmentation_id)
            .limit(1)
        )
        return free

    def physical_networks(self) -> list[PhysicalNetwork]:
        """Return every physical network that some segment is on."""
        rows = self._connection.scalars(
            select(segments.c.physical_network)
            .distinct()
            .where(segments.c.physical_network != "")
            .order_by(segments.c.physical_network)
        )
        return [PhysicalNetwork(row) for row in rows]

    def _with_segments(self, rows: Sequence[Row]) -> list[Network]:
        if not rows:
            return []
        found: dict[str, list[Segment]] = {row["id"]: [] for row in rows}
        for row in _SEGMENTS.all(self._connection, among(found)):
            found[row["network_id"]].append(_segment(row))
        return [_network(row, found[row["id"]]) for row in rows]


def _network_row(network: Network) -> dict[str, Any]:
    return {
        "id": network.id,
        "project_id": network.project_id,
        "name": network.name,
        "description": network.description,
        "admin_state_up": network.admin_state_up,
        "shared": network.shared,
        "provider": network.provider,
        "mtu": network.mtu,
        "port_security_enabled": network.port_security_enabled,
        "pf_policy": network.pf_policy.value,
        "qinq": network.qinq,
        "qos_policy_id": network.qos_policy_id,
        "tags": network.tags,
        "created_at": network.created_at,
        "updated_at": network.updated_at,
        "revision": network.revision,
    }


def _segment_row(segment: Segment, position: int) -> dict[str, Any]:
    return {
        "id": segment.id,
        "network_id": segment.network_id,
        "position": position,
        "network_type": segment.network_type.value,
        "physical_network": segment.physical_network or "",
        "segmentation_id": segment.segmentation_id or 0,
        "name": segment.name,
        "description": segment.description,
        "created_at": segment.created_at,
        "updated_at": segment.updated_at,
        "revision": segment.revision,
    }


def _segment(row: Row) -> Segment:
    return Segment(
        id=SegmentId(row["id"]),
        network_id=NetworkId(row["network_id"]),
        network_type=NetworkType(row["network_type"]),
        physical_network=PhysicalNetwork(row["physical_network"])
        if row["physical_network"]
        else None,
        segmentation_id=row["segmentation_id"] or None,
        name=row["name"],
        description=row["description"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        revision=row["revision"],
    )


def _network(row: Row, its_segments: Iterable[Segment]) -> Network:
    fields = dict(row) | {"pf_policy": PfPolicy(row["pf_policy"])}
    return Network(segments=tuple(its_segments), **fields)

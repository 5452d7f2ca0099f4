"""Segments of networks that are there: listed, added, named, taken away."""

from __future__ import annotations

from dataclasses import dataclass, replace

from trunkline.control import audit
from trunkline.control.access import require
from trunkline.control.locking import require_revision
from trunkline.control.network_requests import SegmentRequest
from trunkline.control.races import write_until_won
from trunkline.control.requests import UNSET, Unset, given_fields
from trunkline.control.segments import (
    SEGMENTS_MAX,
    choose_segments,
    largest_mtu,
    require_quiet_wire,
)
from trunkline.control.services import Services
from trunkline.domain.errors import AlreadyExists, InUse, Invalid, NotFound, StateConflict
from trunkline.domain.identity import Caller
from trunkline.domain.ids import NetworkId
from trunkline.domain.listing import ListQuery
from trunkline.domain.network import Network, NetworkType, Segment
from trunkline.domain.policy import network_rules as rules
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentCreate:
    """A new segment of a network."""

    network_id: NetworkId
    asked: SegmentRequest
    name: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentUpdate:
    """Changes to a segment; UNSET leaves a field alone."""

    name: str | Unset | None = UNSET
    description: str | Unset | None = UNSET
    seen_revision: int | None = None  # If-Match: refuse unless the segment is at this revision.


def list_segments(svc: Services, caller: Caller, query: ListQuery) -> list[Segment]:
    """Return a page of the segments of all networks; nothing to whom the policy shows none."""
    if not caller.may(rules.GET_SEGMENT):
        return []
    return svc.store.read(lambda tx: tx.networks.segments_page(query))


def get_segment(svc: Services, caller: Caller, segment_id: str) -> Segment:
    """Return one segment."""
    found = list_segments(svc, caller, ListQuery(equals={"id": (segment_id,)}))
    if not found:
        raise NotFound("segment", segment_id)
    return found[0]


def create_segment(svc: Services, caller: Caller, asked: SegmentCreate) -> Segment:
    """Add a segment to a network. Ports that are bound stay on the segment that they are on.

    Raises:
        Invalid: The segment can't be, or carries no frames as large as the network's.
        AlreadyExists: Some network has it.
        NoSegmentationIdFree: The configured ranges are used up.
        StateConflict: The network has as many as it can have.
    """
    require(caller, rules.CREATE_SEGMENT)

    def create(tx: Transaction) -> Segment:
        network = tx.networks.get(asked.network_id, Lock.EXCLUSIVE)
        if len(network.segments) >= SEGMENTS_MAX:
            problem = f"it has {SEGMENTS_MAX} segments, and can have no more"
            raise StateConflict("network", network.id, problem)
        (segment,) = choose_segments(
            tx, svc.networking, network.id, (asked.asked,), svc.ids.new_id,
            now=svc.clock.now(), qinq=network.qinq,
        )  # fmt: skip
        if network.mtu > largest_mtu(svc.networking, [segment]):
            problem = f"it does not carry the network's MTU of {network.mtu}"
            raise Invalid("network_type", problem)
        segment = replace(segment, name=asked.name, description=asked.description)
        require_quiet_wire(tx, segment)
        tx.networks.insert_segment(segment)
        _touch(svc, caller, tx, network, "network.segment.create", segment)
        return segment

    # An ID that was free when read may be taken by now; one that was named stays taken.
    named = asked.asked.segmentation_id or asked.asked.network_type is NetworkType.FLAT
    return write_until_won(svc.store, create, lost=() if named else (AlreadyExists,))


def update_segment(
    svc: Services, caller: Caller, segment_id: str, changes: SegmentUpdate
) -> Segment:
    """Name a segment, or describe it.

    Raises:
        GenerationMoved: It is not at `changes.seen_revision`.
    """
    require(caller, rules.UPDATE_SEGMENT)
    given = given_fields(changes, "name", "description")

    def update(tx: Transaction) -> Segment:
        segment, _ = _locked(tx, segment_id)
        require_revision("segment", segment, changes.seen_revision)
        changed = replace(
            segment, **given, updated_at=svc.clock.now(), revision=segment.revision + 1
        )
        tx.networks.update_segment(changed)
        return changed

    return svc.store.write(update)


def delete_segment(svc: Services, caller: Caller, segment_id: str) -> None:
    """Take a segment from its network.

    Raises:
        InUse: A port is bound on it, a subnet is tied to it, or it is the network's only one.
    """
    require(caller, rules.DELETE_SEGMENT)

    def delete(tx: Transaction) -> None:
        segment, network = _locked(tx, segment_id)
        if len(network.segments) == 1:
            problem = "it is the only one of its network: delete the network"
            raise InUse("segment", segment_id, problem)
        bound = tx.bindings.count_on_segment(segment.id)
        if bound:
            raise InUse("segment", segment_id, f"ports are bound on it ({bound})")
        for subnet in tx.subnets.of_network(network.id):
            if subnet.segment_id == segment.id:
                raise InUse("segment", segment_id, f"subnet {subnet.id} is tied to it")
        tx.networks.delete_segment(segment)
        _touch(svc, caller, tx, network, "network.segment.delete", segment)

    write_until_won(svc.store, delete)


def _locked(tx: Transaction, segment_id: str) -> tuple[Segment, Network]:
    """Return a segment with its network, which is locked: its segments stay as they are."""
    found = tx.networks.find_segment(segment_id)
    if found is None:
        raise NotFound("segment", segment_id)
    network = tx.networks.get(found.network_id, Lock.EXCLUSIVE)
    for segment in network.segments:
        if segment.id == segment_id:
            return segment, network
    raise NotFound("segment", segment_id)  # Somebody was faster.


def _touch(
    svc: Services, caller: Caller, tx: Transaction, network: Network, action: str, segment: Segment
) -> None:
    now = svc.clock.now()
    changed = replace(network, revision=network.revision + 1, updated_at=now)
    tx.networks.update(changed, seen_revision=network.revision)
    audit.record(
        tx, audit.actor_of(caller), now, action, f"network {network.id}",
        project_id=network.project_id, details={"segment": segment.wire},
    )  # fmt: skip

"""Host aggregates: create, show, list, change, delete; and the zones that they make of hosts.

What they say of a host decides where servers go. So whatever changes it raises the generation of
the host: a decision that was made before is void, and made again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from trunkline.control import audit
from trunkline.control.access import require
from trunkline.control.generations import raise_generation
from trunkline.control.services import Services
from trunkline.domain.aggregate import ZONE_KEY, Aggregate
from trunkline.domain.errors import AlreadyExists, InUse, Invalid, NotFound, StateConflict
from trunkline.domain.host import Host
from trunkline.domain.identity import Caller
from trunkline.domain.ids import AggregateId, HostId, HostName, ZoneName
from trunkline.domain.policy import compute_rules as rules
from trunkline.domain.policy.rule import Rule
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction

METADATA_ITEMS_MAX: Final = 128  # Of one aggregate.


@dataclass(frozen=True, slots=True)
class AggregateView:
    """An aggregate with the names of its hosts, in the order in which they were added."""

    aggregate: Aggregate
    host_names: tuple[HostName, ...]


def create_aggregate(
    svc: Services, caller: Caller, name: str, *, zone: ZoneName | None = None
) -> AggregateView:
    """Make an aggregate without hosts.

    Raises:
        AlreadyExists: The name is taken.
    """
    require(caller, rules.CREATE_AGGREGATE)
    new = Aggregate(
        id=AggregateId(0),
        uuid=svc.ids.new_id(),
        name=name,
        metadata={} if zone is None else {ZONE_KEY: zone},
        host_ids=(),
        created_at=svc.clock.now(),
    )

    def create(tx: Transaction) -> AggregateView:
        stored = tx.aggregates.insert(new)
        _audit(tx, svc, caller, "create", stored)
        return AggregateView(stored, ())

    return svc.store.write(create)


def get_aggregate(svc: Services, caller: Caller, aggregate_id: AggregateId) -> AggregateView:
    """Return one aggregate."""
    require(caller, rules.SHOW_AGGREGATE)
    return svc.store.read(lambda tx: _views(tx, [tx.aggregates.get(aggregate_id)])[0])


def list_aggregates(svc: Services, caller: Caller) -> list[AggregateView]:
    """Return all aggregates, by number."""
    require(caller, rules.LIST_AGGREGATES)
    return svc.store.read(lambda tx: _views(tx, tx.aggregates.all()))


def update_aggregate(
    svc: Services,
    caller: Caller,
    aggregate_id: AggregateId,
    rule: Rule,
    *,
    name: str | None = None,
    metadata: Mapping[str, str | None] | None = None,
) -> AggregateView:
    """Rename an aggregate, or change its metadata, by a rule of its own; a key with None goes.

    Raises:
        AlreadyExists: The name is taken.
        Invalid: A host would be in two zones, or a server outside the one it was asked for in.
    """
    require(caller, rule)

    def update(tx: Transaction) -> AggregateView:
        before = tx.aggregates.get(aggregate_id, Lock.EXCLUSIVE)
        merged = {**before.metadata, **(metadata or {})}
        after = replace(
            before,
            name=before.name if name is None else name,
            metadata={key: value for key, value in merged.items() if value is not None},
            updated_at=svc.clock.now(),
        )
        if len(after.metadata) > METADATA_ITEMS_MAX:
            raise Invalid("metadata", f"an aggregate has at most {METADATA_ITEMS_MAX} items")
        tx.aggregates.update(after)
        if after.metadata != before.metadata:
            problem = _changed(tx, svc, sorted(before.host_ids))
            if problem is not None:
                raise Invalid(f"metadata.{ZONE_KEY}", problem)
        _audit(tx, svc, caller, "update", after, {"metadata": dict(after.metadata)})
        return _views(tx, [after])[0]

    return svc.store.write(update)


def add_host(svc: Services, caller: Caller, aggregate_id: AggregateId, name: str) -> AggregateView:
    """Put a host into an aggregate.

    Raises:
        AlreadyExists: It is in it.
        StateConflict: It would be in two zones, or a server outside the one it was asked for in.
    """
    require(caller, rules.ADD_AGGREGATE_HOST)

    def add(tx: Transaction) -> AggregateView:
        aggregate = tx.aggregates.get(aggregate_id, Lock.EXCLUSIVE)
        host = tx.hosts.get_by_name(name)
        if host.id in aggregate.host_ids:
            raise AlreadyExists(f"host {name} in aggregate", str(aggregate_id))
        tx.aggregates.add_host(aggregate, host.id)
        return _after_move(tx, svc, caller, "add_host", aggregate_id, host)

    return svc.store.write(add)


def remove_host(
    svc: Services, caller: Caller, aggregate_id: AggregateId, name: str
) -> AggregateView:
    """Take a host out of an aggregate.

    Raises:
        NotFound: It is not in it.
        StateConflict: A server there was asked for in the zone that the host would leave.
    """
    require(caller, rules.REMOVE_AGGREGATE_HOST)

    def remove(tx: Transaction) -> AggregateView:
        aggregate = tx.aggregates.get(aggregate_id, Lock.EXCLUSIVE)
        host = tx.hosts.get_by_name(name)
        if host.id not in aggregate.host_ids:
            raise NotFound(f"host {name} in aggregate", str(aggregate_id))
        tx.aggregates.remove_host(aggregate, host.id)
        return _after_move(tx, svc, caller, "remove_host", aggregate_id, host)

    return svc.store.write(remove)


def delete_aggregate(svc: Services, caller: Caller, aggregate_id: AggregateId) -> None:
    """Forget an aggregate.

    Raises:
        InUse: It has hosts.
    """
    require(caller, rules.DELETE_AGGREGATE)

    def delete(tx: Transaction) -> None:
        aggregate = tx.aggregates.get(aggregate_id, Lock.EXCLUSIVE)
        if aggregate.host_ids:
            raise InUse("aggregate", str(aggregate_id), f"it has {len(aggregate.host_ids)} hosts")
        tx.aggregates.delete(aggregate_id)
        _audit(tx, svc, caller, "delete", aggregate)

    svc.store.write(delete)


def _after_move(
    tx: Transaction,
    svc: Services,
    caller: Caller,
    action: str,
    aggregate_id: AggregateId,
    host: Host,
) -> AggregateView:
    problem = _changed(tx, svc, [host.id])
    if problem is not None:
        raise StateConflict("host", host.name, problem)
    aggregate = replace(tx.aggregates.get(aggregate_id), updated_at=svc.clock.now())
    tx.aggregates.update(aggregate)
    _audit(tx, svc, caller, action, aggregate, {"host": host.name})
    return _views(tx, [aggregate])[0]


def _changed(tx: Transaction, svc: Services, host_ids: Iterable[HostId]) -> str | None:
    """Void what was decided about hosts; say what is wrong with what aggregates say of one now.

    The generation comes first: from then on nobody places a server there, or changes aggregates of
    the host, until this transaction ends.
    """
    hosts = [tx.hosts.get(host_id, Lock.EXCLUSIVE) for host_id in host_ids]
    for host in hosts:
        raise_generation(tx, svc, host)
        svc.fleet.reload_after(tx, host.id)
    ids = [host.id for host in hosts]
    metadata = tx.aggregates.metadata_of(ids)
    pinned = tx.servers.zones_asked_for(ids)
    for host in hosts:
        zones = sorted(value for key, value in metadata[host.id] if key == ZONE_KEY)
        if len(zones) > 1:
            return f"{host.name} would be in the availability zones {' and '.join(zones)}"
        zone = zones[0] if zones else svc.default_zone
        for asked in sorted(pinned.get(host.id, set()) - {zone}):
            return f"{host.name} has servers that were asked for in availability zone {asked}"
    return None


def _views(tx: Transaction, found: Collection[Aggregate]) -> list[AggregateView]:
    hosts = tx.hosts.get_many({host_id for one in found for host_id in one.host_ids})
    return [
        AggregateView(one, tuple(hosts[host_id].name for host_id in one.host_ids)) for one in found
    ]


def _audit(
    tx: Transaction,
    svc: Services,
    caller: Caller,
    action: str,
    aggregate: Aggregate,
    details: Mapping[str, object] | None = None,
) -> None:
    audit.record(
        tx, audit.actor_of(caller), svc.clock.now(), f"aggregate.{action}",
        f"aggregate {aggregate.id}", details={"name": aggregate.name, **(details or {})},
    )  # fmt: skip

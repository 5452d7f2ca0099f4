"""What would be if hosts were drained, PFs lost or hosts added. Nothing is held or changed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from trunkline.control.access import require
from trunkline.control.demands import shape_request
from trunkline.control.moving_words import with_servers
from trunkline.control.owners import Owners, owners_of
from trunkline.control.requests import ExplainRequest
from trunkline.control.residents import residents_of
from trunkline.control.services import Services
from trunkline.domain.device import DeviceKind, DeviceRef, OfferedDevice
from trunkline.domain.errors import Invalid, NotFound
from trunkline.domain.host import Host
from trunkline.domain.identity import Caller
from trunkline.domain.ids import DeviceId, HostId, HostName
from trunkline.domain.pci import PciAddress
from trunkline.domain.policy import trunkline_rules as rules
from trunkline.placement.asks.request import Explanation, Placed, PlacementRequest
from trunkline.placement.hosts.views import HostView
from trunkline.placement.index.fleet import Fleet
from trunkline.placement.place import place
from trunkline.placement.planning.capacity import Capacity, HostRow, Unlimited, capacity, rows_of
from trunkline.placement.planning.resettling import Resettled, resettle
from trunkline.placement.planning.residents import Resident
from trunkline.store.transaction import Transaction

DRAINED_MAX: Final = 20  # Hosts in one question: each may have a hundred servers to be placed.
LOST_MAX: Final = 20
ADDED_MAX: Final = 1000
EXPLAINED_MAX: Final = 10  # Servers that find no place of which is told why: each takes some time.


@dataclass(frozen=True, slots=True)
class LostPf:
    """A PF that would be gone, with its VFs."""

    host: HostName
    address: PciAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """What would be otherwise, and what is asked about it besides."""

    drained: tuple[HostName, ...] = ()
    lost: tuple[LostPf, ...] = ()
    added: int = 0  # Hosts.
    like: HostName | None = None  # What they are built like.
    shape: ExplainRequest | None = None  # A server that would be asked for then.


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """A server that found no place."""

    resident: Resident
    explanation: Explanation | None  # None: not worked out; see `EXPLAINED_MAX`.


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeAdvice:
    """What one more server, and how many, would meet."""

    answer: Placed | Explanation
    before: Capacity | None  # As things are; None: nothing limits the number.
    after: Capacity | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """The answer."""

    resettled: Resettled
    stuck: tuple[Stuck, ...]
    shape: ShapeAdvice | None
    host_names: Mapping[HostId, HostName]
    devices: Mapping[DeviceRef, OfferedDevice]  # Those that moves name.
    owners: Owners  # Of what changes would free, once servers are where they would be.


def what_if(svc: Services, caller: Caller, question: WhatIf) -> Outlook:
    """Try a question on a copy of the index. Admins only.

    Raises:
        NotFound: A host or PF that is not there.
        Invalid: Too much at once, or hosts to add without saying what they are like.
    """
    require(caller, rules.ASK_WHAT_IF)
    _check(question)
    svc.store.write(svc.fleet.refresh)  # A snapshot is not followed.
    scene = svc.store.read(lambda tx: _look(tx, svc, caller, question))
    before = None
    if scene.request is not None:
        before = _capacity(scene.request, svc.fleet.rows())
    fleet = svc.fleet.branch((*scene.damaged, *scene.added))
    for host_id in scene.drained:
        fleet.remove_host(host_id)  # Not disabled only: to enable it again is no advice.
    for resident in scene.residents:
        if fleet.find_host(resident.host_id) is not None:
            fleet.vacate(resident.placed, resident.request)
    resettled = resettle(scene.residents, fleet, spread_key=svc.fleet.spread_key)
    shape = None
    if scene.request is not None:
        shape = ShapeAdvice(
            answer=_place(svc, scene.request, fleet),
            before=before,
            after=_capacity(scene.request, rows_of(fleet.hosts())),
        )
    stuck = tuple(_stuck(svc, resettled.stuck, fleet))
    names = scene.names | {view.id: view.name for view in scene.added}
    return svc.store.read(lambda tx: _outlook(tx, resettled, stuck, shape, names))


def _check(question: WhatIf) -> None:
    if len(question.drained) > DRAINED_MAX:
        raise Invalid("drain", f"at most {DRAINED_MAX} hosts, not {len(question.drained)}")
    if len(question.lost) > LOST_MAX:
        raise Invalid("lose_pf", f"at most {LOST_MAX} PFs, not {len(question.lost)}")
    if question.added > ADDED_MAX:
        raise Invalid("add_hosts", f"at most {ADDED_MAX}, not {question.added}")
    if question.added and question.like is None:
        raise Invalid("like", "say which host the added ones are built like")
    if question.like is not None and not question.added:
        raise Invalid("add_hosts", "say how many hosts to add")
    if not (question.drained or question.lost or question.added or question.shape):
        raise Invalid("body", "ask something: drain, lose_pf, add_hosts, or a server")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    """What the store says about the question."""

    drained: tuple[HostId, ...]
    damaged: tuple[HostView, ...]  # Hosts as they would be without PFs that are lost.
    added: tuple[HostView, ...]
    residents: tuple[Resident, ...]  # Those that must leave their devices.
    request: PlacementRequest | None
    names: dict[HostId, HostName]


def _look(tx: Transaction, svc: Services, caller: Caller, question: WhatIf) -> _Scene:
    drained = [tx.hosts.get_by_name(name) for name in question.drained]
    damaged = [(tx.hosts.get_by_name(pf.host), pf.address) for pf in question.lost]
    lost = {_pf_id(tx, host, address) for host, address in damaged}
    going = {host.id for host in drained}
    hosts = {host.id: host for host, _ in damaged}
    residents = residents_of(tx, svc, going | hosts.keys())
    return _Scene(
        drained=tuple(going),
        damaged=tuple(_without(svc.fleet.stored_view(tx, host), lost) for host in hosts.values()),
        added=tuple(_added(tx, svc, question)),
        residents=tuple(
            resident
            for resident in residents
            if resident.host_id in going or _has_any(resident, lost)
        ),
        request=None if question.shape is None else shape_request(tx, svc, caller, question.shape),
        names={host.id: host.name for host in (*drained, *hosts.values())},
    )


def _without(host: HostView, kin: Collection[DeviceId]) -> HostView:
    return replace(host, pools=tuple(pool for pool in host.pools if pool.kin_id not in kin))


def _pf_id(tx: Transaction, host: Host, address: PciAddress) -> DeviceId:
    record = tx.devices.find_at(host.id, str(address))
    if record is None:
        raise NotFound("PF", f"{host.name}/{address}")
    if record.kind is not DeviceKind.PF:
        raise Invalid("lose_pf", f"{host.name}/{address} is a {record.kind.value}, not a PF")
    return record.id


def _has_any(resident: Resident, kin: Collection[DeviceId]) -> bool:
    return any(
        choice.device is not None and choice.device.kin_id in kin
        for choice in resident.placed.choices
    )


def _added(tx: Transaction, svc: Services, question: WhatIf) -> Iterator[HostView]:
    """Hosts like another one as it would be without any server."""
    if question.like is None:
        return
    host = tx.hosts.get_by_name(question.like)
    alone = Fleet()
    alone.put_host(svc.fleet.stored_view(tx, host))
    for resident in residents_of(tx, svc, [host.id]):
        alone.vacate(resident.placed, resident.request)
    model = alone.view(host.id)
    empty = replace(
        model,
        enabled=True,
        up=True,
        pools=tuple(replace(pool, taken=0, problem="") for pool in model.pools),
    )
    for number in range(1, question.added + 1):
        name = HostName(f"new host {number} like {host.name}")  # No host can be called so.
        yield replace(empty, id=HostId(name), name=name)


def _capacity(request: PlacementRequest, rows: Sequence[HostRow]) -> Capacity | None:
    try:
        return capacity(request, rows)
    except Unlimited:
        return None


def _place(svc: Services, request: PlacementRequest, fleet: Fleet) -> Placed | Explanation:
    answer = place(request, fleet, spread_key=svc.fleet.spread_key)
    return answer if isinstance(answer, Placed) else answer.explanation


def _stuck(svc: Services, residents: Sequence[Resident], fleet: Fleet) -> Iterator[Stuck]:
    for number, resident in enumerate(residents):
        answer = _place(svc, resident.request, fleet) if number < EXPLAINED_MAX else None
        assert not isinstance(answer, Placed), "it found no place among the others"
        yield Stuck(resident=resident, explanation=answer)


def _outlook(
    tx: Transaction,
    resettled: Resettled,
    stuck: tuple[Stuck, ...],
    shape: ShapeAdvice | None,
    names: Mapping[HostId, HostName],
) -> Outlook:
    placed = [move.placed for move in resettled.moves]
    if shape is not None and isinstance(shape.answer, Placed):
        placed.append(shape.answer)
    ids = {each.host_id for each in placed} - names.keys()
    ids |= {resident.host_id for resident in resettled.stuck} - names.keys()
    refs = {choice.device for each in placed for choice in each.choices if choice.device}
    devices = {ref: record.device for ref, record in tx.devices.named(refs).items()}
    owners = _owners(tx, resettled, stuck, shape, devices)
    return Outlook(
        resettled=resettled,
        stuck=tuple(_stuck_told(one, owners) for one in stuck),
        shape=None if shape is None else _shape_told(shape, owners),
        host_names={**names, **{host.id: host.name for host in tx.hosts.get_many(ids).values()}},
        devices=devices,
        owners=owners,
    )


def _owners(
    tx: Transaction,
    resettled: Resettled,
    stuck: Sequence[Stuck],
    shape: ShapeAdvice | None,
    devices: Mapping[DeviceRef, OfferedDevice],
) -> Owners:
    told = [one.explanation for one in stuck]
    told += [None if shape is None or isinstance(shape.answer, Placed) else shape.answer]
    owners = owners_of(tx, (host for one in told if one for host in one.nearest[:1]))
    owners.resettled(resettled, devices)
    return owners


def _stuck_told(stuck: Stuck, owners: Owners) -> Stuck:
    if stuck.explanation is None:
        return stuck
    return replace(stuck, explanation=with_servers(stuck.explanation, owners, named=True))


def _shape_told(shape: ShapeAdvice, owners: Owners) -> ShapeAdvice:
    if isinstance(shape.answer, Placed):
        return shape
    return replace(shape, answer=with_servers(shape.answer, owners, named=True))

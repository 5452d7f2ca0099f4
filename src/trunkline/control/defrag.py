"""The fewest moves that free devices on a PF, a NUMA node or a switch. Nothing is held or moved."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from trunkline.control.access import require
from trunkline.control.networking import ConnectivityCheck
from trunkline.control.residents import residents_of
from trunkline.control.services import Services
from trunkline.domain.device import SWITCH_TAG, DeviceKind, DeviceRef, OfferedDevice
from trunkline.domain.errors import NotFound
from trunkline.domain.identity import Caller
from trunkline.domain.ids import DeviceId, HostId, HostName
from trunkline.domain.pci import PciAddress
from trunkline.domain.policy import trunkline_rules as rules
from trunkline.placement.asks.request import Explanation, Placed
from trunkline.placement.hosts.views import HostView
from trunkline.placement.planning.defrag import (
    Cover,
    Goal,
    NoPlan,
    Plan,
    covers,
    find_plan,
    inquiries,
)
from trunkline.placement.planning.residents import Resident
from trunkline.store.transaction import Transaction

EXPLAINED_MAX = 3  # Servers that can go nowhere of which is told why: each costs an explanation.


@dataclass(frozen=True, slots=True)
class OnPf:
    """One PF of a host."""

    host: HostName
    address: PciAddress


@dataclass(frozen=True, slots=True)
class OnNumaNode:
    """The PFs on one NUMA node of a host."""

    host: HostName
    node: int


@dataclass(frozen=True, slots=True)
class OnSwitch:
    """The PFs, of all hosts, that are cabled to one top-of-rack switch."""

    name: str


Where = OnPf | OnNumaNode | OnSwitch


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """A server that could go nowhere."""

    resident: Resident
    why: Explanation | None  # Of the hosts off the target; None: not worked out.


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DefragAdvice:
    """The answer: a plan, or why there is none."""

    found: Plan | NoPlan
    pfs: tuple[tuple[HostName, str], ...]  # The target: host and address of each; one if whole.
    stuck: tuple[Stuck, ...]
    host_names: Mapping[HostId, HostName]
    devices: Mapping[DeviceRef, OfferedDevice]  # Those that the plan names.


def defrag(
    svc: Services, caller: Caller, where: Where, goal: Goal, *, states_max: int
) -> DefragAdvice:
    """Find the fewest moves of servers that reach the goal. Admins only.

    Raises:
        NotFound: No such host, PF, NUMA node or switch.
    """
    require(caller, rules.PLAN_MOVES)
    # A plan must hold when devices are bound, whatever placement is told to look at.
    networking = replace(svc.networking, connectivity_check=ConnectivityCheck.PLACEMENT)
    svc = replace(svc, networking=networking)
    # A snapshot may be older than what the index has followed already.
    svc.store.write(svc.fleet.refresh)
    scene = svc.store.read(lambda tx: _look(tx, svc, where))
    found = covers(goal, scene.target, scene.hosts, scene.residents)
    takers = _takers(svc, found, scene.hosts)
    plan = find_plan(found, scene.hosts, takers, states_max=states_max)
    return svc.store.read(lambda tx: _advice(tx, svc, scene, plan))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Scene:
    """The hosts of the target, as one transaction has seen them."""

    target: tuple[DeviceId, ...]
    hosts: tuple[HostView, ...]
    residents: tuple[Resident, ...]


def _look(tx: Transaction, svc: Services, where: Where) -> _Scene:
    ids: Collection[HostId]
    match where:
        case OnPf(host, _) | OnNumaNode(host, _):
            ids = (tx.hosts.get_by_name(host).id,)
        case OnSwitch(name):
            ids = svc.fleet.hosts_having((f"e.{SWITCH_TAG}", name))
    views = [svc.fleet.stored_view(tx, host) for host in tx.hosts.get_many(ids).values()]
    target = tuple(kin_id for view in views for kin_id in _kin_at(view, where))
    if not target:
        raise _nothing_at(where)
    here = set(target)
    hosts = [view for view in views if any(pool.kin_id in here for pool in view.pools)]
    names = {view.id: view.name for view in hosts}
    return _Scene(
        target=target,
        hosts=tuple(sorted(hosts, key=lambda view: (view.name, view.id))),
        residents=tuple(
            _kept_by_group(resident, names[resident.host_id])
            for resident in residents_of(tx, svc, [view.id for view in hosts])
        ),
    )


def _kept_by_group(resident: Resident, host: HostName) -> Resident:
    """Keep a member of a group with a hard policy on its host: a search looks at no fellows.

    Moves may be made in any order, so that no two of them may depend on each other.
    """
    fellows = resident.request.fellows
    if fellows is None:
        return resident
    request = replace(resident.request, fellows=None)
    if not fellows.policy.is_soft:
        request = replace(request, only_host=host)
    return replace(resident, request=request)


def _kin_at(view: HostView, where: Where) -> Iterator[DeviceId]:
    match where:
        case OnPf(_, address):
            for pool in view.pools:
                if pool.kind is DeviceKind.PF and pool.address == str(address):
                    yield pool.kin_id
        case OnNumaNode(_, node):
            yield from _kin_with(view, "numa_node", str(node))
        case OnSwitch(name):
            yield from _kin_with(view, f"e.{SWITCH_TAG}", name)


def _kin_with(view: HostView, attribute: str, value: str) -> Iterator[DeviceId]:
    """Devices of which each that says where it is says the same."""
    told: dict[DeviceId, set[str]] = {}
    for pool in view.pools:
        if attribute in pool.attributes:
            told.setdefault(pool.kin_id, set()).add(pool.attributes[attribute])
    return (kin_id for kin_id, values in told.items() if values == {value})


def _nothing_at(where: Where) -> NotFound:
    match where:
        case OnPf(host, address):
            return NotFound("PF", f"{host}/{address}")
        case OnNumaNode(host, node):
            return NotFound("NUMA node with devices on offer", f"{host}/{node}")
        case OnSwitch(name):
            return NotFound("switch with PFs on offer", name)


def _takers(
    svc: Services, found: Collection[Cover], hosts: Sequence[HostView]
) -> Mapping[object, Sequence[HostView]]:
    """The hosts that servers may go to. The index is let go after each question.

    A host that changes between two questions counts for those only that saw it as at first.
    """
    first: dict[HostId, HostView] = {}
    takers = {}
    for inquiry in inquiries(found, hosts):
        views = svc.fleet.takers(inquiry.request, at_most=inquiry.at_most)
        takers[inquiry.shape] = [view for view in views if first.setdefault(view.id, view) == view]
    return takers


def _advice(tx: Transaction, svc: Services, scene: _Scene, found: Plan | NoPlan) -> DefragAdvice:
    moves = found.moves if isinstance(found, Plan) else ()
    ids = {view.id for view in scene.hosts} | {move.placed.host_id for move in moves}
    refs = {
        ref
        for move in moves
        for change in move.changes
        for ref in (change.before, change.after)
        if ref is not None
    }
    return DefragAdvice(
        found=found,
        pfs=_pfs(scene, found.target if isinstance(found, Plan) else scene.target),
        stuck=tuple(_stuck(tx, svc, scene, found)) if isinstance(found, NoPlan) else (),
        host_names={host.id: host.name for host in tx.hosts.get_many(ids).values()},
        devices={ref: record.device for ref, record in tx.devices.named(refs).items()},
    )


def _pfs(scene: _Scene, target: Collection[DeviceId]) -> tuple[tuple[HostName, str], ...]:
    return tuple(
        sorted(
            (view.name, pool.address)
            for view in scene.hosts
            for pool in view.pools
            if pool.kind is DeviceKind.PF and pool.kin_id in target
        )
    )


def _stuck(tx: Transaction, svc: Services, scene: _Scene, found: NoPlan) -> Iterator[Stuck]:
    own = frozenset(view.id for view in scene.hosts)
    for number, resident in enumerate(found.stuck):
        why = _refusal(tx, svc, resident, own) if number < EXPLAINED_MAX else None
        yield Stuck(resident=resident, why=why)


def _refusal(
    tx: Transaction, svc: Services, resident: Resident, own: frozenset[HostId]
) -> Explanation | None:
    """Why hosts that have nothing of the target don't take a server; None: one does by now."""
    request = resident.request
    request = replace(request, excluded_hosts=request.excluded_hosts | own)
    answer = svc.fleet.explain(tx, request, nearest=1, left_out=own)
    return None if isinstance(answer, Placed) else answer

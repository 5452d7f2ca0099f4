"""Where servers that leave a target can go, one by one and several together on one host.

A server goes to another host; or it is re-fitted: it stays, keeps its devices off the target, and
gets other ones for the rest. Either way it gets only what is free before any server has moved, and
nothing of the target. So the moves of a plan can be made in any order, and each by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, permutations
from typing import Final

from trunkline.domain.device import DeviceKind, DeviceRef
from trunkline.domain.device_pool import DevicePool
from trunkline.domain.ids import DeviceId, HostId
from trunkline.placement.asks.demand import make_demand
from trunkline.placement.asks.request import NicDemand, Placed, PlacementRequest
from trunkline.placement.hosts.views import HostView
from trunkline.placement.index.fleet import Fleet
from trunkline.placement.place import candidates, find_placement
from trunkline.placement.planning.defrag_goal import Cover, Mover

# More NICs under rules than this, of several servers on one host, are not matched together: it
# could take for ever. If they don't fit one after another, that they can't is left unproven.
RULED_NICS_MAX: Final = 16
ORDERS_MAX: Final = 24  # In which servers with NUMA policies are tried one after another.

_KEPT_FOR: Final = "kept_for"  # Set apart from all attributes of devices, which operators can name.


@dataclass(frozen=True, slots=True, eq=False)
class Visit:
    """A server on a host of a plan."""

    mover: Mover
    is_refit: bool

    @property
    def key(self) -> tuple[str, bool]:
        """What tells visits apart."""
        return self.mover.resident.server_id, self.is_refit


@dataclass(frozen=True, slots=True, eq=False)
class Party:
    """Servers that are together on one host of a plan, each with its devices."""

    host: HostView  # With what they take taken.
    visits: tuple[Visit, ...]
    placed: tuple[Placed, ...]  # Of each.


class Grounds:
    """The hosts of a plan, as far as their devices are not of the target.

    `undecided` is set when a party was refused that might have fitted all the same.
    """

    def __init__(
        self,
        hosts: Iterable[HostView],
        cover: Cover,
        takers: Mapping[object, Sequence[HostView]],
        *,
        reach_max: int,
    ) -> None:
        """Take the hosts of the target, and for each shape of a mover others that could take it."""
        self._reach_max = reach_max
        requests = [mover.resident.request for mover in cover.movers]
        own = [_shut(host, cover.target) for host in hosts]
        self.hosts: dict[HostId, HostView] = {host.id: host for host in own}
        for others in takers.values():
            self.hosts.update((host.id, host) for host in others)
        self._own = _fleet_of(own)
        self._takers = takers
        self._reach: dict[object, list[HostId]] = {}
        self._parties: dict[object, tuple[Party | None, bool]] = {}
        self.undecided = False
        # Hosts that servers are on, or that have refused one, are not as others to them.
        self._singular = {mover.resident.host_id for mover in cover.movers}.union(
            *(request.excluded_hosts for request in requests)
        )
        self._names = {request.only_host for request in requests}

    def reach(self, mover: Mover) -> tuple[HostId, ...]:
        """The other hosts that could take the server alone, best first; `reach_max` at most."""
        request, own = mover.resident.request, mover.resident.host_id
        shape = shape_of(request)
        found = self._reach.get(shape)
        if found is None:
            found = self._reach[shape] = [host.id for host in self._takers[shape]]
            if len(found) < self._reach_max:
                found += [placed.host_id for placed in candidates(request, self._own)]
        return tuple([host_id for host_id in found if host_id != own][: self._reach_max])

    def join(self, party: Party | None, visit: Visit, host_id: HostId) -> Party | None:
        """Let one more server come to a host; None: it does not fit beside the others."""
        visits = (visit,) if party is None else (*party.visits, visit)
        key = host_id, frozenset(each.key for each in visits)
        known = self._parties.get(key)
        if known is None:
            known = self._parties[key] = self._join(party, visit, host_id)
        found, is_decided = known
        self.undecided |= not is_decided
        return found

    def likeness(self, host_id: HostId) -> object:
        """What hosts are equal in that may be exchanged in any plan."""
        host = self.hosts[host_id]
        if host_id in self._singular or host.name in self._names:
            return host_id
        kin: dict[DeviceId, list[object]] = {}
        for pool in host.pools:
            counts = pool.members, pool.choosable, pool.taken
            told = pool.kind.value, sorted(pool.attributes.items()), pool.address, pool.alone
            owes = repr(host.bandwidth_left.get(pool.kin_id))
            kin.setdefault(pool.kin_id, []).append((told, counts, owes))
        return (
            (host.enabled, host.up, host.bridges, host.numa),
            (host.free_vcpus, host.free_memory_mib, host.free_disk_gib),
            repr(sorted(sorted(pools, key=repr) for pools in kin.values())),
        )

    def _join(
        self, party: Party | None, visit: Visit, host_id: HostId
    ) -> tuple[Party | None, bool]:
        host = self.hosts.get(host_id) if party is None else party.host
        if host is None:
            return None, True
        found = _seat(host, (visit,))
        if found is not None:
            before = party or Party(host, (), ())
            after, placed = found
            return Party(after, (*before.visits, visit), (*before.placed, *placed)), True
        if party is None:
            return None, True
        return _rearranged(self.hosts[host_id], (*party.visits, visit))


def shape_of(request: PlacementRequest) -> object:
    """What requests are equal in that fit on the same hosts."""
    return (
        make_demand(request),
        request.vcpus,
        request.memory_mib,
        request.disk_gib,
        request.excluded_hosts,
        request.only_host,
    )


def is_ruled(request: PlacementRequest) -> bool:
    """Whether it matters for a NIC where the server's other devices, or its guest, are."""
    return bool(request.rules) or any(nic.numa is not None for nic in request.nics)


def _rearranged(host: HostView, visits: Sequence[Visit]) -> tuple[Party | None, bool]:
    """Give several servers devices anew, as one after another they did not fit."""
    requests = [visit.mover.resident.request for visit in visits]
    if any(nic.numa is not None for request in requests for nic in request.nics):
        # Guests on nodes of their own are no single problem of matching.
        for order in islice(permutations(visits), ORDERS_MAX):
            party = _one_by_one(host, order)
            if party is not None:
                return party, True
    elif sum(len(request.nics) for request in requests if is_ruled(request)) <= RULED_NICS_MAX:
        found = _seat(host, visits)
        return None if found is None else Party(found[0], tuple(visits), found[1]), True
    return None, _seat(host, visits, relaxed=True) is None


def _one_by_one(host: HostView, visits: Sequence[Visit]) -> Party | None:
    party = Party(host, (), ())
    for visit in visits:
        found = _seat(party.host, (visit,))
        if found is None:
            return None
        party = Party(found[0], (*party.visits, visit), (*party.placed, *found[1]))
    return party


def _seat(
    host: HostView, visits: Sequence[Visit], *, relaxed: bool = False
) -> tuple[HostView, tuple[Placed, ...]] | None:
    """Match all these servers together, as if they were one; relaxed, without their rules."""
    parts = [_part(visit, relaxed=relaxed) for visit in visits]
    kept = {device: label for part in parts for device, label in part.kept.items()}
    merged = PlacementRequest(
        nics=tuple(nic for part in parts for nic in part.request.nics),
        rules=tuple(rule for part in parts for rule in part.request.rules),
        vcpus=sum(part.request.vcpus for part in parts),
        memory_mib=sum(part.request.memory_mib for part in parts),
        disk_gib=sum(part.request.disk_gib for part in parts),
        excluded_hosts=frozenset().union(*(part.request.excluded_hosts for part in parts)),
        only_host=next((p.request.only_host for p in parts if p.request.only_host), None),
    )
    fleet = _fleet_of([_with_kept(_at_home(host, visits), kept)])
    placed = find_placement(merged, fleet)
    if placed is None:
        return None
    fleet.hold(placed, merged)
    devices = [choice.device for choice in placed.choices if choice.device is not None]
    new = (device for device in devices if device not in kept)
    after = replace(fleet.view(host.id), pools=tuple(_taking(host.pools, new)))
    if any(visit.is_refit for visit in visits):
        after = replace(after, numa=host.numa)  # What a server has that stays, it has already.
    chosen = iter(placed.choices)
    return after, tuple(
        replace(placed, choices=tuple(islice(chosen, len(part.request.nics)))) for part in parts
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """What one server asks of a host."""

    request: PlacementRequest  # NICs are named so that those of several servers differ.
    kept: Mapping[DeviceRef, str]  # Devices that it has, each for the NIC that has it.


def _part(visit: Visit, *, relaxed: bool) -> _Part:
    request, own = visit.mover.resident.request, visit.mover.resident.server_id
    if relaxed:
        request = replace(request, rules=(), nics=tuple(_unruled(nic) for nic in request.nics))
    kept: dict[DeviceRef, str] = {}
    if visit.is_refit:
        nics, kept = _refitted(visit.mover, request.nics, with_kept=is_ruled(request))
        # Processors, memory and disk it has already.
        request = replace(request, nics=nics, vcpus=0, memory_mib=0, disk_gib=0)

    def name(nic: str) -> str:
        return f"{own}/{nic}"

    return _Part(
        replace(
            request,
            nics=tuple(replace(nic, nic=name(nic.nic)) for nic in request.nics),
            rules=tuple(
                replace(rule, nics=frozenset(map(name, rule.nics))) for rule in request.rules
            ),
        ),
        kept,
    )


def _unruled(nic: NicDemand) -> NicDemand:
    return replace(nic, numa=None, egress_mbps=0, ingress_mbps=0)


def _refitted(
    mover: Mover, nics: Sequence[NicDemand], *, with_kept: bool
) -> tuple[tuple[NicDemand, ...], dict[DeviceRef, str]]:
    """The NICs that need another device; and, where rules are about them, those that keep theirs.

    A kept device is asked for by an attribute that it alone has; what it guarantees, it has.
    """
    asked: list[NicDemand] = []
    kept: dict[DeviceRef, str] = {}
    has = {choice.nic: choice.device for choice in mover.resident.placed.choices}
    for nic in nics:
        device = has.get(nic.nic)
        if nic.nic in mover.nics:
            asked.append(nic)
        elif with_kept and device is not None:
            label = f"{mover.resident.server_id}/{nic.nic}"
            kept[device] = label
            asked.append(
                NicDemand(
                    nic=nic.nic,
                    kind=nic.kind,
                    or_kinds=nic.or_kinds,
                    options=(),
                    attributes={_KEPT_FOR: label},
                    numa=nic.numa,
                )
            )
    return tuple(asked), kept


def _at_home(host: HostView, visits: Sequence[Visit]) -> HostView:
    """The host as it is for a server that stays: its guest stays on its NUMA node, too."""
    if len(visits) > 1 or not visits[0].is_refit:
        return host
    home = visits[0].mover.resident.placed.numa_node
    if home is None:
        return host
    nodes = (node for node in host.numa if node.number == home)
    return replace(
        host, numa=tuple(replace(node, free_vcpus=0, free_memory_mib=0) for node in nodes)
    )


def _fleet_of(hosts: Iterable[HostView]) -> Fleet:
    fleet = Fleet()
    for host in hosts:
        fleet.put_host(host)
    return fleet


def _shut(host: HostView, target: Collection[DeviceId]) -> HostView:
    if not any(pool.kin_id in target for pool in host.pools):
        return host
    pools = (
        replace(pool, taken=pool.members) if pool.kin_id in target else pool for pool in host.pools
    )
    return replace(host, pools=tuple(pools))


def _with_kept(host: HostView, kept: Mapping[DeviceRef, str]) -> HostView:
    """Offer each of these devices, in a pool of its own, to the one that asks by its label."""
    for device, label in kept.items():
        host = replace(host, pools=tuple(_split(host.pools, device, label)))
    return host


def _split(pools: Iterable[DevicePool], device: DeviceRef, label: str) -> Iterator[DevicePool]:
    for pool in pools:
        if not _is_in(device, pool):
            yield pool
            continue
        rest = pool.members & ~device.bit
        if rest:
            yield replace(pool, members=rest, offered=pool.offered & rest, taken=pool.taken & rest)
        yield replace(
            pool,
            attributes={**pool.attributes, _KEPT_FOR: label},
            members=device.bit,
            offered=device.bit,
            taken=0,
            problem="",  # It stays with who has it, whatever has become of its PF.
        )


def _taking(pools: Iterable[DevicePool], devices: Iterable[DeviceRef]) -> Iterator[DevicePool]:
    taken = tuple(devices)
    for pool in pools:
        bits = [device.bit for device in taken if _is_in(device, pool)]
        yield replace(pool, taken=pool.taken | sum(bits)) if bits else pool


def _is_in(device: DeviceRef, pool: DevicePool) -> bool:
    if device.kin_id != pool.kin_id or not device.bit & pool.members:
        return False
    of_vf = pool.kind.of_function is DeviceKind.VF and not pool.alone
    return of_vf if device.vf_index is not None else not of_vf

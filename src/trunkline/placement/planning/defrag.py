"""The fewest servers to move so that devices are free. The module to read first.

A plan moves servers off a target: a PF, or several. `defrag_goal` says what a move gains,
`defrag_grounds` where servers can go, `defrag_search` finds the fewest that are enough, with
`defrag_bounds` proving that fewer are not. Nothing is held, and no host of a fleet is changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from trunkline.domain.device import DeviceRef
from trunkline.domain.ids import DeviceId
from trunkline.placement.asks.request import Placed, PlacementRequest
from trunkline.placement.hosts.views import HostView
from trunkline.placement.index.fleet import Fleet
from trunkline.placement.place import candidates
from trunkline.placement.planning.defrag_goal import Cover, Goal, covers
from trunkline.placement.planning.defrag_grounds import Grounds, shape_of
from trunkline.placement.planning.defrag_search import Chosen, Findings, Search
from trunkline.placement.planning.residents import Resident

__all__ = ["Cover", "Goal", "Inquiry", "Move", "NoPlan", "Plan", "covers", "find_plan", "inquiries"]

MOVES_MAX: Final = 128  # A plan with more is not looked for: that is to drain a host or a rack.
STATES_MAX: Final = 2_000  # Looked at unless asked otherwise: a second or two.


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceChange:
    """A NIC, or a device besides NICs, that gets another device."""

    nic: str
    before: DeviceRef | None  # None: it lacked its device.
    after: DeviceRef


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Move:
    """One server and where it goes: to another host, or onto other devices of its own."""

    resident: Resident
    placed: Placed  # All that it has then, in the order of its request.
    changes: tuple[DeviceChange, ...]

    @property
    def is_refit(self) -> bool:
        """Whether it stays on its host."""
        return self.placed.host_id == self.resident.host_id


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """Moves that reach the goal: in any order, each by itself."""

    moves: tuple[Move, ...]  # By the servers' names.
    at_least: int  # No plan has fewer moves than this.
    is_best: bool  # No plan with as few moves moves fewer devices; or as few, and less memory.
    target: frozenset[DeviceId]  # Of a goal of one PF: that PF.
    free_before: int  # Devices of the goal.
    free_after: int
    states: int

    @property
    def is_optimal(self) -> bool:
        """Whether it is proven that no plan has fewer moves."""
        return len(self.moves) == self.at_least


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NoPlan:
    """No plan was found."""

    at_least: int | None  # More moves than may be looked at, or states; None: there is no plan.
    size: int  # Devices of the goal's kind on the target.
    free: int  # Of these, now.
    most: int  # That can be free at once: for sure,
    most_bound: int  # and no more than this.
    ownerless: int  # That are not free, and no server's.
    stuck: tuple[Resident, ...]  # Servers with such devices that can go nowhere.
    states: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inquiry:
    """A question to the fleet: which hosts could take such a server, best first?

    More than `at_most` need not be told: a server that so many could take is in nobody's way.
    """

    shape: object  # Of the servers that it is for.
    request: PlacementRequest
    at_most: int


def inquiries(found: Collection[Cover], hosts: Iterable[HostView]) -> tuple[Inquiry, ...]:
    """What to ask the fleet before a plan can be found.

    Args:
        found: Of `covers`.
        hosts: Those that have the target; of these it is not asked.
    """
    own = frozenset(host.id for host in hosts)
    every = [mover.resident.request for cover in found for mover in cover.movers]
    at_most = max((_moves_max(cover) for cover in found), default=0)
    requests = {shape_of(request): request for request in every}
    return tuple(
        Inquiry(
            shape=shape,
            request=replace(request, excluded_hosts=request.excluded_hosts | own),
            at_most=at_most,
        )
        for shape, request in requests.items()
    )


def find_plan(
    found: Collection[Cover],
    hosts: Collection[HostView],
    takers: Mapping[object, Sequence[HostView]],
    *,
    states_max: int = STATES_MAX,
) -> Plan | NoPlan:
    """Find the fewest moves that reach a goal.

    Args:
        found: Of `covers`: one of them has to be done.
        hosts: Those that have the target.
        takers: The answer to each of the `inquiries`, by shape. No host in two states.
        states_max: States to look at before a plan is taken without proof that it is the best.
    """
    searches = [_Search.of(cover, hosts, takers) for cover in found]
    # What may take the fewest moves first; what can't be done at all last.
    searches.sort(key=lambda one: (one.search.at_least is None, one.search.at_least or 0))
    best: tuple[_Search, Chosen] | None = None
    findings: list[Findings] = []
    states = 0
    for one in searches:
        least = one.search.at_least
        if best is not None and (least is None or least > len(best[1].picks)):
            break
        told = one.search.run(states_max=max(0, states_max - states))
        findings.append(told)
        states += told.states
        if told.best is not None and (best is None or _merit(told.best) < _merit(best[1])):
            best = one, told.best
    if best is None:
        return _no_plan([one.cover for one in searches], findings, states)
    number = len(best[1].picks)
    return Plan(
        moves=tuple(_moves(best[1], best[0].grounds)),
        at_least=min(number, *(each.at_least for each in findings if each.at_least is not None)),
        is_best=all(
            each.is_best or each.at_least is None or each.at_least > number for each in findings
        ),
        target=best[0].cover.target,
        free_before=best[0].cover.free,
        free_after=_free_after(best[0].cover, best[1]),
        states=states,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Search:
    """What is searched for one cover."""

    cover: Cover
    grounds: Grounds
    search: Search

    @classmethod
    def of(
        cls,
        cover: Cover,
        hosts: Collection[HostView],
        takers: Mapping[object, Sequence[HostView]],
    ) -> _Search:
        grounds = Grounds(hosts, cover, takers, reach_max=_moves_max(cover))
        return cls(cover, grounds, Search(cover, grounds, moves_max=_moves_max(cover)))


def _moves_max(cover: Cover) -> int:
    """How many moves the fewest are at the most: each gains something."""
    return min(MOVES_MAX, len(cover.movers), cover.need)


def _merit(chosen: Chosen) -> tuple[int, int]:
    return len(chosen.picks), chosen.cost


def _free_after(cover: Cover, chosen: Chosen) -> int:
    if cover.is_of_pf:
        return 1
    return cover.free + chosen.gain


def _no_plan(found: Sequence[Cover], findings: Sequence[Findings], states: int) -> NoPlan:
    """Of several PFs, tell of the one with the least in the way."""
    if not found:
        return NoPlan(
            at_least=None, size=0, free=0, most=0, most_bound=0, ownerless=0, stuck=(), states=0
        )
    nearest = min(
        range(len(found)),
        key=lambda at: (found[at].ownerless + len(findings[at].stuck), len(found[at].movers), at),
    )
    cover, told = found[nearest], findings[nearest]
    bounds = [each.at_least for each in findings if each.at_least is not None]
    return NoPlan(
        at_least=min(bounds) if bounds else None,
        size=cover.size,
        free=cover.free,
        most=0 if cover.is_of_pf else cover.free + told.most,
        most_bound=min(1, len(bounds)) if cover.is_of_pf else cover.free + told.most_bound,
        ownerless=cover.ownerless,
        stuck=tuple(mover.resident for mover in told.stuck),
        states=states,
    )


def _moves(chosen: Chosen, grounds: Grounds) -> list[Move]:
    placed = {
        visit.mover.resident.server_id: one
        for party in chosen.parties.values()
        for visit, one in zip(party.visits, party.placed, strict=True)
    }
    anywhere = [pick.candidate.mover for pick in chosen.picks if pick.host_id is None]
    if anywhere:
        fleet = Fleet()
        for host in grounds.hosts.values():
            party = chosen.parties.get(host.id)
            fleet.put_host(host if party is None else party.host)
        for mover in anywhere:
            placed[mover.resident.server_id] = _place(mover.resident, fleet)
    residents = [pick.candidate.mover.resident for pick in chosen.picks]
    residents.sort(key=lambda resident: (resident.name, resident.server_id))
    return [_move(resident, placed[resident.server_id]) for resident in residents]


def _place(resident: Resident, fleet: Fleet) -> Placed:
    every = candidates(resident.request, fleet)
    placed = next(one for one in every if one.host_id != resident.host_id)
    fleet.hold(placed, resident.request)
    return placed


def _move(resident: Resident, placed: Placed) -> Move:
    """Say all that the server has then, what it keeps too."""
    before = {choice.nic: choice for choice in resident.placed.choices}
    # Where servers were matched together, the names of NICs begin with the server's.
    new = {choice.nic.removeprefix(f"{resident.server_id}/"): choice for choice in placed.choices}
    choices = []
    changes = []
    for nic in resident.request.nics:
        old, choice = before.get(nic.nic), new.get(nic.nic)
        if choice is None or (old is not None and old.device == choice.device):
            assert old is not None, "what it lacked, it was given"
            choices.append(old)
            continue
        choices.append(replace(choice, nic=nic.nic))
        if choice.device is not None:
            device = None if old is None else old.device
            changes.append(DeviceChange(nic=nic.nic, before=device, after=choice.device))
    return Move(
        resident=resident,
        placed=replace(placed, choices=tuple(choices)),
        changes=tuple(changes),
    )

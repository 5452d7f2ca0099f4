"""A problem laid out for matching: its families numbered from 0, its rules bound to places."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from trunkline.domain.nic_rules import NumaPolicy, Scope
from trunkline.placement.matching.flow import rooms
from trunkline.placement.matching.problem import ClassRule, Costs, Place, Problem, Row


@dataclass(frozen=True, slots=True)
class PlacedRule:
    """A rule, and which families are in one place for it."""

    rule: ClassRule
    place: tuple[int, ...]  # [family] Equal: one place.
    known: tuple[bool, ...]  # [family] Whether it is known to be apart from the other places.

    def broken(self, used: Sequence[Sequence[int]]) -> int:
        """How far the rule is from holding.

        Args:
            used: Devices that each class has of each family.
        """
        families = [f for f in range(len(self.place)) if any(used[c][f] for c in self.rule.classes)]
        if not self.rule.apart:
            return len({self.place[f] for f in families}) - 1
        nic_count = sum(sum(used[c]) for c in self.rule.classes)
        return nic_count - len({self.place[f] for f in families if self.known[f]})


@dataclass(frozen=True, slots=True)
class Home:
    """Where the guest would be. None: not known, or nobody asks."""

    node: int | None = None
    socket: int | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """What all homes of a problem share."""

    problem: Problem
    family: tuple[int, ...]  # [slot], from 0 without gaps.
    family_count: int
    places: tuple[Place, ...]  # [family]; empty if no rule asks.
    rules: tuple[PlacedRule, ...]
    egress_left: tuple[int | None, ...]  # [family]; empty if no NIC has a guarantee.
    ingress_left: tuple[int | None, ...]
    unit: int  # What one thing costs that is soft; all ranks of packing together stay below it.
    soft_scale: int  # Costs are multiplied by it; all that is soft together stays below it.
    ranks: tuple[int, ...]  # [family] In packing; empty if no NIC packs.

    def used(self, taken: Sequence[Sequence[int]]) -> list[list[int]]:
        """Turn [class][slot] into [class][family]."""
        used = [[0] * self.family_count for _ in taken]
        for c, row in enumerate(taken):
            for slot, count in enumerate(row):
                if count:
                    used[c][self.family[slot]] += count
        return used


def lay_out(problem: Problem) -> Layout:
    """Number families anew and bind rules to places."""
    ids = sorted(set(problem.family))
    number = {family: n for n, family in enumerate(ids)}
    places = tuple(problem.places[f] for f in ids) if problem.places else ()
    family_of = tuple(number[f] for f in problem.family)
    nic_count = sum(problem.counts)
    ranks = _ranks(rooms(problem.free, family_of)) if any(problem.packs) else ()
    packing = sum(problem.counts[c] for c, packs in enumerate(problem.packs) if packs)
    unit = 1 + len(ids) * packing
    return Layout(
        problem,
        family_of,
        len(ids),
        places,
        tuple(_placed(rule, places, len(ids)) for rule in problem.rules),
        tuple(problem.egress_left[f] for f in ids) if any(problem.egress) else (),
        tuple(problem.ingress_left[f] for f in ids) if any(problem.ingress) else (),
        unit,
        unit * (1 + nic_count * (1 + len(problem.rules))) if problem.is_ruled else unit,
        ranks,
    )


def _ranks(room: Mapping[int, int]) -> tuple[int, ...]:
    order = sorted(room, key=lambda f: (room[f], f))
    return tuple(order.index(f) for f in range(len(order)))


def _placed(rule: ClassRule, places: Sequence[Place], family_count: int) -> PlacedRule:
    families = range(family_count)
    if rule.scope is Scope.PF:
        return PlacedRule(rule, tuple(families), (True,) * family_count)
    at = [place.at(rule.scope) for place in places]
    first = {number: f for f, number in reversed(list(enumerate(at)))}
    return PlacedRule(
        rule,
        tuple(f if at[f] is None else first[at[f]] for f in families),
        tuple(number is not None for number in at),
    )


def homes(layout: Layout) -> list[Home]:
    """Where the guest can be, as far as that makes a difference to its devices."""
    problem = layout.problem
    if not any(problem.numa):
        return [Home()]
    socket_of: dict[int, int | None] = {}
    for place in layout.places:
        if place.numa_node is not None and socket_of.get(place.numa_node) is None:
            socket_of[place.numa_node] = place.socket
    if problem.numa_nodes is not None:
        told = problem.numa_sockets or [socket_of.get(node) for node in problem.numa_nodes]
        return [Home(*pair) for pair in zip(problem.numa_nodes, told, strict=True)]
    known = [Home(node, socket_of[node]) for node in sorted(socket_of)]
    # Of devices whose node is not known the socket may be.
    sockets = {place.socket for place in layout.places} - {None} - set(socket_of.values())
    return known + [Home(None, socket) for socket in sorted(sockets, key=str)] or [Home()]


def rows_at(layout: Layout, home: Home) -> Costs:
    """What devices cost each class with the guest there; None: alone against a rule already."""
    problem = layout.problem
    if not problem.is_ruled and not layout.ranks:
        return problem.costs
    shut = [set[int]() for _ in problem.counts]  # [class] Families.
    for c in range(len(problem.counts)):
        shut[c].update(_without_guarantee(problem.egress, layout.egress_left, c))
        shut[c].update(_without_guarantee(problem.ingress, layout.ingress_left, c))
    for placed in layout.rules:
        if placed.rule.hard and placed.rule.apart:
            for c in placed.rule.classes:
                shut[c].update(f for f, known in enumerate(placed.known) if not known)
    return tuple(_row(layout, home, c, shut[c]) for c in range(len(problem.counts)))


def _without_guarantee(wanted: Sequence[int], left: Sequence[int | None], c: int) -> Iterable[int]:
    """Families that cannot guarantee so much to even one NIC of the class."""
    if not wanted or not wanted[c]:
        return ()
    return [f for f, mbps in enumerate(left) if mbps is None or mbps < wanted[c]]


def _row(layout: Layout, home: Home, c: int, shut: set[int]) -> Row:
    policy = layout.problem.numa[c] if layout.problem.numa else None
    packs = bool(layout.ranks) and layout.problem.packs[c]
    row: list[int | None] = []
    for slot, cost in enumerate(layout.problem.costs[c]):
        family = layout.family[slot]
        if cost is None or family in shut:
            row.append(None)
            continue
        penalty = 0 if policy is None else _penalty(policy, layout.places[family], home)
        if penalty is None:
            row.append(None)
            continue
        rank = layout.ranks[family] if packs else 0
        row.append(cost * layout.soft_scale + penalty * layout.unit + rank)
    return tuple(row)


def _penalty(policy: NumaPolicy, place: Place, home: Home) -> int | None:
    on_node = place.numa_node is not None and place.numa_node == home.node
    match policy:
        case NumaPolicy.REQUIRED:
            holds = on_node
        case NumaPolicy.LEGACY:
            holds = on_node or place.numa_node is None
        case NumaPolicy.SOCKET:
            holds = on_node or (place.socket is not None and place.socket == home.socket)
        case NumaPolicy.PREFERRED:
            return 0 if on_node else 1
    return 0 if holds else None

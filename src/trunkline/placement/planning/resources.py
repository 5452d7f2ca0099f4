"""What copies of a server compete for on one host, when as many as fit are wanted.

Devices that no class of NICs and no rule tells apart are one resource, however many pools and PFs
they come from; so are the guarantees that a PF can still give, and the room of a NUMA node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from trunkline.domain.nic_rules import NumaPolicy
from trunkline.placement.matching.layout import Home, Layout, homes, lay_out, rows_at
from trunkline.placement.matching.problem import Costs, Problem

_AMPLE: Final = 1 << 40  # Mbps: whether a PF's are enough is a matter of amounts, not of fit.


Seats = tuple[tuple[int, int], ...]  # NUMA nodes, and how many servers each has room for.


@dataclass(frozen=True, slots=True)
class Supply:
    """What one host has just now. Hosts with one layout differ in it only."""

    free: tuple[int, ...]  # [slot]
    egress_left: tuple[int | None, ...] = ()  # [family] Mbps; None: not accounted.
    ingress_left: tuple[int | None, ...] = ()
    seats: Seats = ()


@dataclass(frozen=True, slots=True)
class Share:
    """What one server takes of a host."""

    devices: tuple[tuple[tuple[int, ...], int], ...]  # Of these slots, so many together.
    egress: Mapping[int, int]  # [family] Mbps that are guaranteed to it.
    ingress: Mapping[int, int]
    node: int | None  # The guest is confined to it.


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Something of which each copy takes a number."""

    slots: tuple[int, ...] = ()  # Devices of these.
    family: int | None = None  # Guarantees of this PF, or devices that must be told apart by PF.
    egress: int = 0  # Mbps that make one; 0: it is not about egress.
    ingress: int = 0
    node: int | None = None  # Room for a guest on this NUMA node.
    whole: bool = False  # PFs given away whole.
    places: tuple[int, ...] = ()  # [rule] Where its devices are.

    def amount(self, supply: Supply) -> int:
        """How many there are of it on a host."""
        if self.slots:
            return sum([supply.free[slot] for slot in self.slots])
        if self.node is not None:
            return max(0, dict(supply.seats).get(self.node, 0))
        assert self.family is not None, "what is no device and no node is a PF's"
        found = []
        if self.egress:
            found.append((supply.egress_left[self.family] or 0) // self.egress)
        if self.ingress:
            found.append((supply.ingress_left[self.family] or 0) // self.ingress)
        return min(found)


@dataclass(frozen=True, slots=True)
class Ground:
    """A problem laid out as resources, for every home that a guest can have."""

    layout: Layout
    resources: tuple[Resource, ...]
    homes: tuple[Home, ...]
    allowed: tuple[tuple[tuple[int, ...], ...], ...]  # [home][class] Resources with devices for it.
    seat: tuple[int | None, ...]  # [home] The resource that is room there.
    guarantees: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """[devices' resource] What the guarantees of NICs there are taken from."""

    def amounts(self, supply: Supply) -> list[int]:
        """How much of each resource there is on a host."""
        return [resource.amount(supply) for resource in self.resources]

    def share(self, amounts: Sequence[int]) -> Share:
        """Say what so much of each resource is of a host."""
        taken = [pair for pair in zip(self.resources, amounts, strict=True) if pair[1]]
        return Share(
            tuple((resource.slots, amount) for resource, amount in taken if resource.slots),
            {
                r.family: r.egress * amount
                for r, amount in taken
                if r.family is not None and r.egress
            },
            {
                r.family: r.ingress * amount
                for r, amount in taken
                if r.family is not None and r.ingress
            },
            next((resource.node for resource, _ in taken if resource.node is not None), None),
        )

    @property
    def is_plain(self) -> bool:
        """Whether a flow says all, once a guest's home is chosen."""
        return not self.layout.rules and not self.guarantees

    @property
    def mixed(self) -> dict[int, tuple[list[int], list[int]]]:
        """PFs that can be given whole or in parts here: the resources of either."""
        found: dict[int, tuple[list[int], list[int]]] = {}
        for number, resource in enumerate(self.resources):
            if resource.slots and resource.family is not None:
                found.setdefault(resource.family, ([], []))[not resource.whole].append(number)
        return {family: both for family, both in found.items() if all(both)}


def survey(problem: Problem) -> Ground:
    """Lay out what copies of the problem's NICs would compete for. Soft rules refuse nothing."""
    problem = _hard_only(problem)
    layout = lay_out(problem)
    where = homes(layout)
    rows = [rows_at(layout, home) for home in where]
    resources, of_slot = _devices(layout, rows)
    guarantees = _guarantees(layout, resources)
    seat: list[int | None] = []
    for home in where:
        if home.node is None or not problem.numa_nodes:
            seat.append(None)
            continue
        seat.append(len(resources))
        resources.append(Resource(node=home.node))
    allowed = tuple(
        tuple(
            tuple(sorted({of_slot[s] for s, cost in enumerate(row) if cost is not None}))
            for row in at_home
        )
        for at_home in rows
    )
    return Ground(layout, tuple(resources), tuple(where), allowed, tuple(seat), guarantees)


def _hard_only(problem: Problem) -> Problem:
    preferred = NumaPolicy.PREFERRED
    ample = (_AMPLE,) * (max(problem.family, default=-1) + 1)
    return replace(
        problem,
        rules=tuple(rule for rule in problem.rules if rule.hard),
        numa=tuple(None if policy is preferred else policy for policy in problem.numa),
        egress_left=ample,
        ingress_left=ample,
    )


def _devices(layout: Layout, rows: Sequence[Costs]) -> tuple[list[Resource], dict[int, int]]:
    """Gather slots that are one resource; slots that fit nothing are of none."""
    problem = layout.problem
    apart = _told_apart(layout, rows)
    found: dict[object, list[int]] = {}
    for slot, f in enumerate(layout.family):
        fits = tuple(tuple(row[slot] is not None for row in at_home) for at_home in rows)
        if any(map(any, fits)):
            places = tuple(placed.place[f] for placed in layout.rules)
            key = fits, places, f if f in apart else None, problem.whole[slot] and f in apart
            found.setdefault(key, []).append(slot)
    resources: list[Resource] = []
    of_slot: dict[int, int] = {}
    for number, slots in enumerate(found.values()):
        f = layout.family[slots[0]]
        resources.append(
            Resource(
                slots=tuple(slots),
                family=problem.family[slots[0]] if f in apart else None,
                whole=problem.whole[slots[0]] and f in apart,
                places=tuple(placed.place[f] for placed in layout.rules),
            )
        )
        of_slot |= dict.fromkeys(slots, number)
    return resources, of_slot


def _told_apart(layout: Layout, rows: Sequence[Costs]) -> set[int]:
    """Families whose own devices must not be counted with those of others."""
    problem = layout.problem
    if any(problem.egress) or any(problem.ingress):
        return set(layout.family)
    used: dict[int, set[bool]] = {}
    for slot, f in enumerate(layout.family):
        if any(row[slot] is not None for at_home in rows for row in at_home):
            used.setdefault(f, set()).add(problem.whole[slot])
    return {f for f, kinds in used.items() if len(kinds) > 1}


def _guarantees(layout: Layout, resources: list[Resource]) -> dict[int, tuple[int, ...]]:
    """Add what PFs can guarantee to the resources, and say which devices draw on it."""
    problem = layout.problem
    if not any(problem.egress) and not any(problem.ingress):
        return {}
    pairs = set(zip(problem.egress, problem.ingress, strict=True)) - {(0, 0)}
    drawn: dict[int, tuple[int, ...]] = {}
    for family in sorted(set(problem.family)):
        devices = [n for n, r in enumerate(resources) if r.slots and r.family == family]
        if not devices:
            continue
        first = len(resources)
        if len(pairs) == 1:  # Then a guarantee is a thing that can be counted, as a device is.
            [(egress, ingress)] = pairs
            resources.append(Resource(family=family, egress=egress, ingress=ingress))
        else:
            if any(problem.egress):
                resources.append(Resource(family=family, egress=1))
            if any(problem.ingress):
                resources.append(Resource(family=family, ingress=1))
        drawn |= dict.fromkeys(devices, tuple(range(first, len(resources))))
    return drawn

"""The matching problem of one host, as numbers: what NICs ask for, and what there is.

All indexes count from 0. A *class* is a set of NICs that nothing tells apart, a *slot* a pool of
devices that nothing tells apart, a *family* a PF with its VFs.
"""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.domain.nic_rules import NumaPolicy, Scope

Row = tuple[int | None, ...]  # [slot]
Costs = tuple[Row, ...]  # [class][slot]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a family is. Numbers mean only "the same or not" within the host; None: not known."""

    numa_node: int | None
    socket: int | None
    card: int
    switch: int | None

    def at(self, scope: Scope) -> int | None:
        """Its number in one scope; for PFs, which are places of their own, there is none."""
        match scope:
            case Scope.CARD:
                return self.card
            case Scope.SWITCH:
                return self.switch
            case Scope.NUMA:
                return self.numa_node
            case Scope.PF:
                raise AssertionError("a PF is a place of its own")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRule:
    """A rule over all NICs of some classes, of which there are two or more."""

    scope: Scope
    apart: bool
    hard: bool
    classes: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """NIC classes, their rules, and slots to get their devices from.

    What is left empty asks for nothing, or is not known. Where rules ask for it, `places`,
    `egress_left` and `ingress_left` are by family, and families are numbered from 0.
    """

    counts: tuple[int, ...]  # [class] NICs in it.
    costs: Costs  # Of one device from there; None: does not fit. Never negative.
    free: tuple[int, ...]  # [slot] devices to be had.
    family: tuple[int, ...]  # [slot]
    whole: tuple[bool, ...]  # [slot] taking it shuts all other slots of its family.

    numa: tuple[NumaPolicy | None, ...] = ()  # [class]
    egress: tuple[int, ...] = ()  # [class] Mbps guaranteed to each of its NICs.
    ingress: tuple[int, ...] = ()
    rules: tuple[ClassRule, ...] = ()
    packs: tuple[bool, ...] = ()  # [class] Its NICs rather fill a PF than spread over them.

    places: tuple[Place, ...] = ()  # [family]
    egress_left: tuple[int | None, ...] = ()  # [family] Mbps; None: not accounted.
    ingress_left: tuple[int | None, ...] = ()
    numa_nodes: tuple[int, ...] | None = None  # That the guest can be on; None: not reported.
    numa_sockets: tuple[int | None, ...] = ()  # Of `numa_nodes`; empty: as `places` tell.

    @property
    def is_ruled(self) -> bool:
        """Whether there is any rule besides which device fits which NIC."""
        return bool(self.rules) or any(self.numa) or any(self.egress) or any(self.ingress)


@dataclass(frozen=True, slots=True)
class Solution:
    """How many devices each class takes from each slot, and what speaks against it.

    Of two solutions the better one has the lower `cost`; then the lower `broken`; then the lower
    `packed`; then the lower `imbalance`.
    """

    taken: list[list[int]]  # [class][slot]
    cost: int
    broken: int = 0
    """How far soft rules are from holding: for affinity, places beyond the first; for
    anti-affinity, NICs beyond one a place; and NICs that prefer the guest's node and are not on it.
    """
    packed: int = 0
    """The sum, over the NICs that pack, of the rank of their family: families are in order of how
    many devices they had left at the beginning, fewest first, and then as they are numbered."""
    imbalance: int = 0
    """The sum over all devices taken of how many fewer devices were left on its PF, when it was
    taken, than the fullest PF had at the beginning."""
    numa_node: int | None = None  # That the guest is to be on; None: any will do.
    is_proven: bool = True  # Whether it is known that none is better; that it fits always is.

    @property
    def merit(self) -> tuple[int, int, int, int]:
        """What solutions are compared by; less is better."""
        return self.cost, self.broken, self.packed, self.imbalance

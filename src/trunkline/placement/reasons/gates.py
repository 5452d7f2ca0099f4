"""How many NICs stay without a device where some must be apart: cuts over columns of bits.

A NIC goes to a device that fits it; those that must be apart pass a gate first, of which each
place has one, and which lets one through. By how much the worst set of NICs exceeds the devices
and gates that it can reach is how many stay without: the smallest cut of that flow, on all hosts
at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trunkline.placement.hosts.bits import Counter, Planes

Lanes = Sequence[int]  # [lane] Hosts.


@dataclass(frozen=True, slots=True)
class Want:
    """NICs that nothing tells apart."""

    number: int  # Of one of their classes.
    count: int
    profiles: int  # Of the devices that fit, as bits.
    is_apart: bool  # They pass gates.


def blocks_of(wants: Sequence[Want]) -> list[list[int]]:
    """Part wants, by their numbers, into blocks that share no device."""
    blocks: list[tuple[int, list[int]]] = []  # Profiles of all its wants, and these.
    for number, want in enumerate(wants):
        joined, members, others = want.profiles, [number], []
        for block in blocks:
            if block[0] & joined:
                joined |= block[0]
                members = [*block[1], *members]
            else:
                others.append(block)
        blocks = [*others, (joined, members)]
    return [members for _, members in blocks]


@dataclass(frozen=True, slots=True)
class Gates:
    """Where they are. At each, all that fits any NIC that passes fits the same of them."""

    places: Sequence[Lanes] = ()

    def lacking(
        self,
        wants: Sequence[Want],
        blocks: Sequence[Sequence[int]],
        fits: Sequence[Lanes],
        have: Sequence[Planes],
        hosts: int,
    ) -> Counter:
        """Count the NICs that stay without a device.

        Args:
            wants: What is wanted.
            blocks: The same, parted.
            fits: [want][lane] Hosts whose devices there fit.
            have: [lane] How many devices there are.
            hosts: All that matter.
        """
        total = Counter()
        having = [planes.any() for planes in have]
        for block in blocks:
            short: list[int] = []  # [n] Hosts that lack more than n.
            for count, open_to, gated in self._sets(wants, block, fits, hosts):
                room = Counter()
                for lane, planes in enumerate(have):
                    if open_to[lane]:
                        room.add(planes, open_to[lane])
                if gated is not None:
                    through = [
                        every & there ^ every & there & already
                        for every, there, already in zip(gated, having, open_to, strict=True)
                    ]
                    self._add_gates(room, through)
                _note(short, room, count, hosts)
            for lacking in short:
                total.add_one(lacking)
        return total

    @staticmethod
    def _sets(
        wants: Sequence[Want], block: Sequence[int], fits: Sequence[Lanes], hosts: int
    ) -> list[tuple[int, list[int], list[int] | None]]:
        """Each set of wants: NICs, where they reach devices, and where they do through gates."""
        nothing = [0] * len(fits[block[0]])
        sets: list[tuple[int, list[int], list[int] | None]] = [(0, nothing, None)]
        for number in block:
            want, mine = wants[number], [each & hosts for each in fits[number]]
            for count, open_to, gated in sets[:]:
                if want.is_apart:
                    gated = _joined(gated or nothing, mine)
                else:
                    open_to = _joined(open_to, mine)
                sets.append((count + want.count, open_to, gated))
        return sets[1:]

    def _add_gates(self, room: Counter, through: Sequence[int]) -> None:
        for place in self.places:
            reached = 0
            for here, there in zip(place, through, strict=True):
                reached |= here & there
            if reached:
                room.add_one(reached)


def _joined(one: Sequence[int], other: Sequence[int]) -> list[int]:
    return [a | b for a, b in zip(one, other, strict=True)]


def _note(short: list[int], room: Counter, count: int, hosts: int) -> None:
    """Note which hosts lack how many of so many."""
    lacking = hosts ^ room.at_least(count, hosts)
    n = 0
    while lacking:
        if n == len(short):
            short.append(0)
        short[n] |= lacking
        n += 1
        lacking ^= room.at_least(count - n, lacking)

"""How many devices NICs lack, on all hosts at once: Hall's theorem over columns of bits.

NICs can each have a device of their own if and only if every set of them has as many devices to
choose from as it has NICs; and by how much the worst set falls short is how many stay without
one. NICs that want the same count as one, and sets that share no device are looked at apart, so
that there are few sets to try.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import Final

from trunkline.placement.hosts.bits import EVERYWHERE, Counter, numbers_in

# Of kinds of NICs that share devices. All sets of so many are tried: some 5 ms over 10,000 hosts.
KINDS_MAX: Final = 8

CountOf = Callable[[int], Counter]  # How many devices of some profiles (as bits) each host has.


@dataclass(frozen=True, slots=True)
class Want:
    """NICs that the same devices fit."""

    profiles: int  # Of these devices, as bits.
    count: int


@dataclass(frozen=True, slots=True)
class Group:
    """Wants that share devices, with those of no other group."""

    wants: tuple[Want, ...]
    parts: tuple[tuple[int, int], ...]  # Which wants (bits) the devices of some profiles fit.

    @property
    def nic_count(self) -> int:
        """How many NICs are in it."""
        return sum(want.count for want in self.wants)

    @property
    def profiles(self) -> int:
        """Of the devices that fit any of them, as bits."""
        found = 0
        for want in self.wants:
            found |= want.profiles
        return found

    @property
    def is_exact(self) -> bool:
        """Whether all sets are tried. If not, what is found is lacking, but more may be."""
        return len(self.wants) <= KINDS_MAX

    def lacking(self, count_of: CountOf, hosts: int) -> Iterator[int]:
        """Yield those of hosts that lack 1 device or more, those that lack 2 or more, and so on."""
        rooms = list(self._rooms(count_of, self.nic_count))
        for short_by in range(1, self.nic_count + 1):
            found = 0
            for _, count, room in rooms:
                if count >= short_by:
                    found |= hosts ^ room.at_least(count - short_by + 1, hosts)
            yield found

    def crowded(self, count_of: CountOf, fitting: Sequence[int]) -> int:
        """Return the hosts on which the wants that fit there alone do not fit together.

        Args:
            count_of: What hosts have.
            fitting: The hosts on which each want fits alone.
        """
        return self._without(count_of, fitting, margin=0)

    def tight(self, count_of: CountOf, fitting: Sequence[int], *, margin: int) -> int:
        """Return the hosts on which they might not fit together with `margin` devices fewer."""
        if self.is_exact:
            return self._without(count_of, fitting, margin=margin)
        most = self.nic_count + margin
        found = 0
        for want, hosts in zip(self.wants, fitting, strict=True):
            found |= hosts ^ count_of(want.profiles).at_least(most, hosts)
        return found

    def _without(self, count_of: CountOf, fitting: Sequence[int], *, margin: int) -> int:
        found = 0
        for chosen, count, room in self._rooms(count_of, self.nic_count + margin):
            hosts = reduce(and_, [fitting[w] for w in numbers_in(chosen)])
            found |= hosts ^ room.at_least(count + margin, hosts)
        return found

    def _rooms(self, count_of: CountOf, most: int) -> Iterator[tuple[int, int, Counter]]:
        """Yield sets of wants, how many NICs are in each, and what hosts have for it."""
        parts = [(fits, count_of(profiles).up_to(most)) for fits, profiles in self.parts]
        for chosen in self._sets():
            room = Counter()
            for fits, counter in parts:
                if fits & chosen:
                    room.add(counter)
            count = sum([self.wants[w].count for w in numbers_in(chosen)])
            yield chosen, count, room

    def _sets(self) -> Iterator[int]:
        every = (1 << len(self.wants)) - 1
        if self.is_exact:
            yield from range(1, every + 1)
        else:
            yield from (1 << number for number in range(len(self.wants)))
            yield every


def groups_of(wanted: Sequence[tuple[int, int]]) -> tuple[Group, ...]:
    """Part wants, given as profiles and a count, into groups that share no device."""
    merged: dict[int, int] = {}
    for profiles, count in wanted:
        merged[profiles] = merged.get(profiles, 0) + count
    blocks: list[tuple[int, list[Want]]] = []  # Profiles of all its wants, and these.
    for profiles, count in merged.items():
        joined, members = profiles, [Want(profiles, count)]
        apart = []
        for block in blocks:
            if block[0] & joined:
                joined |= block[0]
                members = [*block[1], *members]
            else:
                apart.append(block)
        blocks = [*apart, (joined, members)]
    return tuple(Group(tuple(members), _parts(members)) for _, members in blocks)


def _parts(wants: Sequence[Want]) -> tuple[tuple[int, int], ...]:
    parts = {0: EVERYWHERE}
    for number, want in enumerate(wants):
        split: dict[int, int] = {}
        for fits, profiles in parts.items():
            split[fits | 1 << number] = profiles & want.profiles
            split[fits] = profiles & ~want.profiles
        parts = {fits: profiles for fits, profiles in split.items() if profiles}
    del parts[0]
    return tuple(parts.items())

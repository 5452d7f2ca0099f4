"""Facts about many hosts as bits: bit i of an integer says something about the host at place i.

An integer of ten thousand bits is and-ed with another in a tenth of a microsecond, so a question
to all hosts costs little more than one to a single host.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from types import MappingProxyType
from typing import Final

EVERYWHERE: Final = -1  # All places, however many there are.


def bits_of(bitmap: int) -> Iterator[int]:
    """Yield the bits that are set, lowest first."""
    while bitmap:
        lowest = bitmap & -bitmap
        yield lowest
        bitmap ^= lowest


def bitmap_of(places: Iterable[int], size: int) -> int:
    """Set the bits at these places, all below `size`."""
    octets = bytearray(size // 8 + 1)
    for place in places:
        octets[place >> 3] |= 1 << (place & 7)
    return int.from_bytes(octets, "little")


class Planes:
    """A number for each place, none below 0, kept so that all are compared at once.

    Plane b has bit i set if bit b of the number at place i is.
    """

    __slots__ = ("_planes",)

    def __init__(self, numbers: Mapping[int, int] = MappingProxyType({}), size: int = 0) -> None:
        """Keep the numbers at some places, all below `size`; the others have 0."""
        highest = max(numbers.values(), default=0)
        planes = [bytearray(size // 8 + 1) for _ in range(highest.bit_length())]
        for place, number in numbers.items():
            octet, mask = place >> 3, 1 << (place & 7)
            for bit in bits_of(number):
                planes[bit.bit_length() - 1][octet] |= mask
        self._planes = [int.from_bytes(plane, "little") for plane in planes]

    def at_least(self, least: int, among: int) -> int:
        """Return which of the places `among` have this number or more."""
        if least <= 0:
            return among
        if least.bit_length() > len(self._planes):
            return 0
        above, equal = 0, among
        for b in range(len(self._planes) - 1, -1, -1):
            plane = self._planes[b]
            if least >> b & 1:
                equal &= plane
            else:
                above |= equal & plane
                equal &= ~plane
        return above | equal

    def least(self, among: int) -> tuple[int, int]:
        """Return which of the places `among` have the lowest number of them, and that number."""
        number = 0
        for b in range(len(self._planes) - 1, -1, -1):
            without_bit = among & ~self._planes[b]
            if without_bit:
                among = without_bit
            else:
                number |= 1 << b
        return among, number

    def most(self, among: int) -> int:
        """Return which of the places `among` have the highest number of them."""
        for plane in reversed(self._planes):
            with_bit = among & plane
            if with_bit:
                among = with_bit
        return among

    def above(self, other: Planes) -> int:
        """Return the places where the number is higher than the other's."""
        higher, equal = 0, EVERYWHERE
        pairs = [*zip_longest(self._planes, other._planes, fillvalue=0)]
        for mine, its in reversed(pairs):
            higher |= equal & mine & ~its
            equal &= ~(mine ^ its)
        return higher

    def in_order(self, other: Planes) -> tuple[Planes, Planes]:
        """Return the lower of its number and the other's for each place, and the higher."""
        higher = self.above(other)
        low, high = Planes(), Planes()
        for mine, its in zip_longest(self._planes, other._planes, fillvalue=0):
            low._planes.append(mine & ~higher | its & higher)
            high._planes.append(mine & higher | its & ~higher)
        return low, high

    def planes(self, among: int = EVERYWHERE) -> list[int]:
        """Return the planes of the numbers at some places, lowest first."""
        if among == EVERYWHERE:
            return self._planes
        return [plane & among for plane in self._planes]

    def _flip(self, place: int, changed: int) -> None:
        """Change the bits of a number that are set in `changed`."""
        self._planes += [0] * (changed.bit_length() - len(self._planes))
        for bit in bits_of(changed):
            self._planes[bit.bit_length() - 1] ^= 1 << place


class Counter(Planes):
    """Counts that add up."""

    __slots__ = ()

    @classmethod
    def of(cls, bitmaps: Iterable[int]) -> Counter:
        """Count for each place how many of these bitmaps have it."""
        total = cls()
        for bitmap in bitmaps:
            total._add_planes([bitmap])
        return total

    @classmethod
    def where(cls, bitmap: int, count: int) -> Counter:
        """Count so many at the places of a bitmap."""
        found = cls()
        found._planes = [bitmap if count >> b & 1 else 0 for b in range(count.bit_length())]
        return found

    def put(self, place: int, count: int) -> None:
        """Change one count."""
        before = sum((plane >> place & 1) << b for b, plane in enumerate(self._planes))
        self._flip(place, before ^ count)

    def add(self, other: Planes, among: int = EVERYWHERE) -> None:
        """Add each number of another to the one here, at some places."""
        self._add_planes(other.planes(among))

    def up_to(self, most: int) -> Counter:
        """Return these counts, those above `most` as `most`."""
        capped = Counter()
        if most.bit_length() > len(self._planes):
            capped._planes = list(self._planes)
            return capped
        full = self.at_least(most, EVERYWHERE)
        capped._planes = [
            plane & ~full | (full if most >> b & 1 else 0)
            for b, plane in enumerate(self._planes[: most.bit_length()])
        ]
        return capped

    def _add_planes(self, added: Sequence[int]) -> None:
        planes, carry = [], 0
        for mine, its in zip_longest(self._planes, added, fillvalue=0):
            either = mine ^ its
            planes.append(either ^ carry)
            carry = mine & its | carry & either
        self._planes = [*planes, carry] if carry else planes


class Numbers(Planes):
    """Numbers that change often: known one by one, too. One below 0 is only known to be that."""

    __slots__ = ("_below_zero", "_values")

    def __init__(self, values: Iterable[int]) -> None:
        given = list(values)
        self._values = array("q", (max(value, 0) for value in given))
        super().__init__(dict(enumerate(self._values)), len(self._values))
        below = (place for place, value in enumerate(given) if value < 0)
        self._below_zero = bitmap_of(below, len(given))

    def put(self, place: int, value: int) -> None:
        """Change the number at one place."""
        if (value < 0) != bool(self._below_zero >> place & 1):
            self._below_zero ^= 1 << place
        changed = self._values[place] ^ max(value, 0)
        if changed:
            self._values[place] ^= changed
            self._flip(place, changed)

    def at_least(self, least: int, among: int) -> int:
        """Return which of the places `among` have this number, none below 0, or more."""
        if least <= 0:
            return among & ~self._below_zero if self._below_zero else among
        return super().at_least(least, among)

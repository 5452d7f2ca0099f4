"""Facts about many hosts as bits: bit i of an integer says something about the host at place i.

An integer of ten thousand bits is and-ed with another in a tenth of a microsecond, so a question
to all hosts costs little more than one to a single host. A complement takes five times as long, as
any work on integers below 0 does: bits are taken away by `a ^ a & b`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import zip_longest
from operator import or_
from types import MappingProxyType
from typing import Final

EVERYWHERE: Final = -1  # All places, however many there are.
SIZES_KEPT_MAX: Final = 16  # Each costs time at every change.


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


def union(bitmaps: Iterable[int]) -> int:
    """Set the bits that are set in any of them."""
    return reduce(or_, bitmaps, 0)


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
            with_bit = equal & self._planes[b]
            if least >> b & 1:
                equal = with_bit
            else:
                above |= with_bit
                equal ^= with_bit
        return above | equal

    def least(self, among: int) -> tuple[int, int]:
        """Return which of the places `among` have the lowest number of them, and that number."""
        number = 0
        for b in range(len(self._planes) - 1, -1, -1):
            without_bit = among ^ among & self._planes[b]
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

    def highest(self, among: int) -> int:
        """Return the highest number at the places `among`; 0 if there are none."""
        best = self.most(among)
        return sum(1 << b for b, plane in enumerate(self._planes) if best & plane)

    def change(self, place: int, before: int, after: int) -> None:
        """Change one number. What it was is not looked up, as most planes need not be touched."""
        changed = before ^ after
        planes, here = self._planes, 1 << place
        planes += [0] * (changed.bit_length() - len(planes))
        while changed:
            lowest = changed & -changed
            planes[lowest.bit_length() - 1] ^= here
            changed ^= lowest

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
        self.change(place, before, count)

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
        if not self._planes:
            self._planes = [*added]
            return
        planes, carry = [], 0
        for mine, its in zip_longest(self._planes, added, fillvalue=0):
            either = mine ^ its
            planes.append(either ^ carry)
            carry = mine & its | carry & either
        self._planes = [*planes, carry] if carry else planes

    def add_one(self, places: int) -> None:
        """Add 1 at each of these places."""
        self._add_planes([places])

    def add_times(self, factor: int, other: Counter) -> None:
        """Add so many times each count of another."""
        for bit in bits_of(factor):
            self._add_planes([0] * (bit.bit_length() - 1) + other._planes)

    def inverse(self, places: int) -> Counter:
        """Return counts at these places that fall by what the counts here rise."""
        return Counter.of_planes([places ^ places & plane for plane in self._planes])

    @staticmethod
    def of_planes(planes: list[int]) -> Counter:
        """Make a counter of its planes."""
        made = Counter()
        made._planes = planes
        return made

    @staticmethod
    def of_parts(parts: Mapping[int, int]) -> Counter:
        """Make a counter of disjoint sets of places, each of which has one count."""
        made = Counter()
        for count, places in parts.items():
            made._planes += [0] * (count.bit_length() - len(made._planes))
            for bit in bits_of(count):
                made._planes[bit.bit_length() - 1] |= places
        return made


class Numbers(Planes):
    """Numbers that change often: known one by one, too. One below 0 is only known to be that.

    What was asked for last is kept for each least number: servers come in few sizes.
    """

    __slots__ = ("_below_zero", "_kept", "_values")

    def __init__(self, values: Iterable[int]) -> None:
        given = list(values)
        self._values = array("q", (max(value, 0) for value in given))
        self._kept: dict[int, int] = {}
        super().__init__(dict(enumerate(self._values)), len(self._values))
        below = (place for place, value in enumerate(given) if value < 0)
        self._below_zero = bitmap_of(below, len(given))

    def at_least(self, least: int, among: int) -> int:
        """Return which of the places `among` have this number, none below 0, or more."""
        if least <= 0:
            return among ^ among & self._below_zero
        found = self._kept.get(least)
        if found is None:
            if len(self._kept) >= SIZES_KEPT_MAX:
                del self._kept[next(iter(self._kept))]
            everywhere = (1 << len(self._values)) - 1
            found = self._kept[least] = super().at_least(least, everywhere)
        return found & among

    def put(self, place: int, value: int) -> None:
        """Change the number at one place."""
        if (value < 0) != bool(self._below_zero >> place & 1):
            self._below_zero ^= 1 << place
        value = max(value, 0)
        before = self._values[place]
        if value == before:
            return
        self._values[place] = value
        self.change(place, before, value)
        for least in self._kept:
            if (value >= least) is not (before >= least):
                self._kept[least] ^= 1 << place

"""Facts about many hosts as bits: bit i of an integer says something about the host at place i.

An integer of ten thousand bits is and-ed with another in a tenth of a microsecond, so a question
to all hosts costs little more than one to a single host. A complement takes five times as long, as
any work on integers below 0 does: bits are taken away by `a ^ a & b`.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import zip_longest
from operator import or_
from typing import Final

EVERYWHERE: Final = -1  # All places, however many there are.
LEAST_KEPT_MAX: Final = 16  # Each costs time at every change.
# Counts up to it are found without adding numbers up: the work grows with its square.
APART_MAX: Final = 8

# [bit] What turns octets into the digits of that bit.
_DIGITS: Final = [bytes(ord("0") + (octet >> b & 1) for octet in range(256)) for b in range(8)]


def bits_of(bitmap: int) -> Iterator[int]:
    """Yield the bits that are set, lowest first."""
    while bitmap:
        lowest = bitmap & -bitmap
        yield lowest
        bitmap ^= lowest


def numbers_in(bitmap: int) -> Iterator[int]:
    """Yield the places of the bits that are set, lowest first."""
    return (bit.bit_length() - 1 for bit in bits_of(bitmap))


def minus(bitmap: int, other: int) -> int:
    """Return the bits that are not set in the other."""
    return bitmap ^ bitmap & other


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

    def __init__(self, numbers: Sequence[int] | Mapping[int, int] = ()) -> None:
        """Keep the number of each place, or of some places; the others have 0."""
        if isinstance(numbers, Mapping):
            some, numbers = numbers, [0] * (max(numbers, default=-1) + 1)
            for place, number in some.items():
                numbers[place] = number
        self._planes = _planes_of(numbers)

    def at_least(self, least: int, among: int) -> int:
        """Return which of the places `among` have this number or more."""
        if least <= 0:
            return among
        if least.bit_length() > len(self._planes):
            return 0
        above, equal = 0, self.any() if among == EVERYWHERE else among
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
        higher, equal = 0, self.any()
        pairs = [*zip_longest(self._planes, other._planes, fillvalue=0)]
        for mine, its in reversed(pairs):
            differing = equal & (mine ^ its)
            higher |= differing & mine
            equal ^= differing
        return higher

    def below(self, other: Planes, among: int) -> int:
        """Return which of the places `among` have a lower number here than the other has."""
        lower, equal = 0, among
        pairs = [*zip_longest(self._planes, other._planes, fillvalue=0)]
        for mine, its in reversed(pairs):
            differing = equal & (mine ^ its)
            lower |= differing & its
            equal ^= differing
        return lower

    def at(self, place: int) -> int:
        """Return the number at one place."""
        return sum((plane >> place & 1) << b for b, plane in enumerate(self._planes))

    def any(self) -> int:
        """Return the places where the number is not 0."""
        return union(self._planes)

    def in_order(self, other: Planes) -> tuple[Planes, Planes]:
        """Return the lower of its number and the other's for each place, and the higher."""
        higher = self.above(other)
        low, high = Planes(), Planes()
        for mine, its in zip_longest(self._planes, other._planes, fillvalue=0):
            swapped = (mine ^ its) & higher
            low._planes.append(mine ^ swapped)
            high._planes.append(its ^ swapped)
        return low, high

    def up_to(self, most: int) -> Counter:
        """Return these numbers, those above `most` as `most`."""
        if most.bit_length() > len(self._planes):
            return Counter.of_planes([*self._planes])
        full = self.at_least(most, EVERYWHERE)
        return Counter.of_planes(
            [
                plane | full if most >> b & 1 else plane ^ plane & full
                for b, plane in enumerate(self._planes[: most.bit_length()])
            ]
        )

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
        self.change(place, self.at(place), count)

    def add(self, other: Planes, among: int = EVERYWHERE) -> None:
        """Add each number of another to the one here, at some places."""
        self._add_planes(other.planes(among))

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

    def less(self, other: Planes, among: int) -> Counter:
        """Return by how much the numbers at some places exceed the other's, which are no higher."""
        planes, borrowed = [], 0
        for mine, its in zip_longest(self.planes(among), other.planes(among), fillvalue=0):
            taken = its | borrowed
            planes.append(mine ^ its ^ borrowed)
            borrowed = taken ^ taken & mine | its & borrowed
        return Counter.of_planes(planes)

    def put_at(self, places: int, other: Counter) -> None:
        """Take the other's numbers at some places."""
        self._planes = [
            mine ^ (mine ^ its) & places
            for mine, its in zip_longest(self._planes, other.planes(), fillvalue=0)
        ]

    def padded(self, width: int, among: int = EVERYWHERE) -> list[int]:
        """Return so many planes of the numbers at some places, none of which takes more."""
        planes = self.planes(among)[:width]
        return planes + [0] * (width - len(planes))

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


class Kept(Planes):
    """Numbers that change often, and are often compared with the same few.

    What was found for each least number is kept: servers come in few sizes.
    """

    __slots__ = ("_with_least",)

    def __init__(self, numbers: Sequence[int] = ()) -> None:
        super().__init__(numbers)
        self._with_least: dict[int, int] = {}

    def at_least(self, least: int, among: int) -> int:
        """Return which of the places `among` have this number or more."""
        if least <= 0:
            return among
        found = self._with_least.get(least)
        if found is None:
            if len(self._with_least) >= LEAST_KEPT_MAX:
                del self._with_least[next(iter(self._with_least))]
            found = self._with_least[least] = super().at_least(least, EVERYWHERE)
        return found & among

    def change(self, place: int, before: int, after: int) -> None:
        """Change one number."""
        super().change(place, before, after)
        for least in self._with_least:
            if (after >= least) is not (before >= least):
                self._with_least[least] ^= 1 << place


class Numbers(Kept):
    """The same, known one by one too. One below 0 is only known to be that."""

    __slots__ = ("_below_zero", "_values")

    def __init__(self, values: Iterable[int]) -> None:
        self._values = array("q", values)
        below = (place for place, value in enumerate(self._values) if value < 0)
        self._below_zero = bitmap_of(below, len(self._values))
        super().__init__([max(value, 0) for value in self._values])

    def at_least(self, least: int, among: int) -> int:
        """Return which of the places `among` have this number, none below 0, or more."""
        if least <= 0:
            return among ^ among & self._below_zero
        return super().at_least(least, among)

    def put(self, place: int, value: int) -> None:
        """Change the number at one place."""
        before = self._values[place]
        if value == before:
            return
        self._values[place] = value
        if (value < 0) != (before < 0):
            self._below_zero ^= 1 << place
        self.change(place, max(before, 0), max(value, 0))


def at_least_together(parts: Collection[tuple[Kept, int]], count: int, among: int) -> int:
    """Return which of the places `among` have so many in all.

    Args:
        parts: Numbers to be added up, and the places where each counts.
        count: One or more.
        among: Places.
    """
    if count == 1:
        found = 0
        for numbers, places in parts:
            found |= numbers.at_least(1, places)
        return found & among
    if count > APART_MAX:
        total = Counter()
        for numbers, places in parts:
            total.add(numbers, places)
        return total.at_least(count, among)
    having = [among] + [0] * count  # [n] The places that have n or more so far.
    for numbers, places in parts:
        enough = [numbers.at_least(n, places) for n in range(1, count + 1)]
        for n in range(count, 0, -1):
            for more in range(n):
                having[n] |= having[n - 1 - more] & enough[more]
    return having[count]


def _planes_of(numbers: Sequence[int]) -> list[int]:
    """Turn numbers into planes eight bits at a time: bit by bit takes twenty times as long."""
    planes: list[int] = []
    bits = max(numbers, default=0).bit_length()
    for shift in range(0, bits, 8):
        octets = bytes([number >> shift & 0xFF for number in reversed(numbers)])
        planes += [int(octets.translate(digits), 2) for digits in _DIGITS[: bits - shift]]
    return planes

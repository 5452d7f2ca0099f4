"""Facts about many hosts as bits: bit i of an integer says something about the host at place i.

An integer of ten thousand bits is and-ed with another in a tenth of a microsecond, so a question
to all hosts costs little more than one to a single host.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest


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


class Counter:
    """A count for each place, from 0 up.

    Plane b has bit i set if bit b of the count at place i is, as in `Numbers`; these add up.
    """

    __slots__ = ("_planes",)

    def __init__(self) -> None:
        self._planes: list[int] = []

    @classmethod
    def of(cls, counts: Mapping[int, int], size: int) -> Counter:
        """Make one of the counts at some places; the others have 0."""
        made = cls()
        for b in range(max(counts.values(), default=0).bit_length()):
            places = (place for place, n in counts.items() if n >> b & 1)
            made._planes.append(bitmap_of(places, size))
        return made

    def put(self, place: int, count: int) -> None:
        """Change one count."""
        self._planes += [0] * (count.bit_length() - len(self._planes))
        for b, plane in enumerate(self._planes):
            if (plane >> place ^ count >> b) & 1:
                self._planes[b] ^= 1 << place

    def add(self, other: Counter) -> None:
        """Add each count of another to the one here."""
        planes, carry = [], 0
        for mine, its in zip_longest(self._planes, other._planes, fillvalue=0):
            either = mine ^ its
            planes.append(either ^ carry)
            carry = mine & its | carry & either
        self._planes = [*planes, carry] if carry else planes

    def most(self, among: int) -> int:
        """Return which of the places `among` have the highest count of them."""
        for plane in reversed(self._planes):
            with_bit = among & plane
            if with_bit:
                among = with_bit
        return among

    def at_least(self, least: int) -> int:
        """Return the places that have this count, which is not 0, or more."""
        if least.bit_length() > len(self._planes):
            return 0
        above, equal = 0, -1
        for b in range(len(self._planes) - 1, -1, -1):
            plane = self._planes[b]
            if least >> b & 1:
                equal &= plane
            else:
                above |= equal & plane
                equal &= ~plane
        return above | equal


class Numbers:
    """One number for each place, none below 0, kept so that all are compared at once.

    Plane b has bit i set if bit b of the number at place i is.
    """

    __slots__ = ("_planes", "_values")

    def __init__(self, values: Iterable[int]) -> None:
        self._values = array("q", (max(value, 0) for value in values))
        size = len(self._values)
        highest = max(self._values, default=0)
        planes = [bytearray(size // 8 + 1) for _ in range(highest.bit_length())]
        for place, value in enumerate(self._values):
            octet, bit = place >> 3, 1 << (place & 7)
            while value:
                lowest = value & -value
                planes[lowest.bit_length() - 1][octet] |= bit
                value ^= lowest
        self._planes = [int.from_bytes(plane, "little") for plane in planes]

    def put(self, place: int, value: int) -> None:
        """Change the number at one place; one below 0 counts as 0."""
        value = max(value, 0)
        changed = self._values[place] ^ value
        if not changed:
            return
        self._values[place] = value
        self._planes += [0] * (changed.bit_length() - len(self._planes))
        while changed:
            lowest = changed & -changed
            self._planes[lowest.bit_length() - 1] ^= 1 << place
            changed ^= lowest

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

    def most(self, among: int) -> int:
        """Return which of the places `among` have the highest number of them."""
        for plane in reversed(self._planes):
            with_bit = among & plane
            if with_bit:
                among = with_bit
        return among

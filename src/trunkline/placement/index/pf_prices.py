"""How many devices must lose their owners before a PF can be given away whole, on all hosts.

That is the PF itself, if it has an owner, and those of its VFs that have one. Kept only once a
request for whole PFs has been explained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from trunkline.placement.hosts.bits import Counter, Planes, bitmap_of, bits_of, numbers_in
from trunkline.placement.hosts.host_state import HostState

PRICE_MAX: Final = 1023  # What is dearer counts as this: nobody asks which of two such is nearer.
_NONE: Final = PRICE_MAX + 1  # Where there is no further PF that would have to be freed.


class PfPrices:
    """By profile: the prices of a host's PFs on offer that can't be given away, cheapest first."""

    def __init__(self, hosts: Sequence[HostState]) -> None:
        self._size = len(hosts)
        self._every = (1 << self._size) - 1
        self._on = [_prices_on(host) for host in hosts]  # [place][profile]
        self._columns: dict[tuple[int, int], Counter] = {}  # [profile, which]
        found: dict[tuple[int, int], dict[int, int]] = {}
        for place, prices in enumerate(self._on):
            for profile, listed in prices.items():
                for which, price in enumerate(listed):
                    found.setdefault((profile, which), {})[place] = price
        for key, by_place in found.items():
            column = self._columns[key] = _sparse(by_place, self._size)
            column.add(Counter.where(self._every & ~bitmap_of(by_place, self._size), _NONE))

    def follow(self, place: int, host: HostState) -> None:
        """Follow a change of one host's owners, or a host put anew."""
        before, now = self._on[place], _prices_on(host)
        if before == now:
            return
        self._on[place] = now
        for profile in before.keys() | now.keys():
            was, listed = before.get(profile, ()), now.get(profile, ())
            for which in range(max(len(was), len(listed))):
                self._put(profile, which, place, listed[which] if which < len(listed) else _NONE)

    def cheapest(self, profiles: int, count: int) -> list[Planes]:
        """Return the price of each host's cheapest PF of these profiles, of the next, and so on.

        Above `PRICE_MAX` where the host has no more of them; fewer than `count` if none has.
        """
        found: list[Planes] = []
        for bit in bits_of(profiles):
            which = 0
            while (column := self._columns.get((bit.bit_length() - 1, which))) is not None:
                which += 1
                rest: Planes = column
                for number, cheaper in enumerate(found):
                    found[number], rest = cheaper.in_order(rest)
                if len(found) < count:
                    found.append(rest)
        return found

    def _put(self, profile: int, which: int, place: int, price: int) -> None:
        column = self._columns.get((profile, which))
        if column is None:
            column = Counter.where(self._every, _NONE)
            self._columns[profile, which] = column
        column.put(place, price)


def _sparse(by_place: Mapping[int, int], size: int) -> Counter:
    """Count at few of many places: a bit at a time is quick then."""
    highest = max(by_place.values())
    planes = [bytearray(size // 8 + 1) for _ in range(highest.bit_length())]
    for place, number in by_place.items():
        octet, mask = place >> 3, 1 << (place & 7)
        for plane in numbers_in(number):
            planes[plane][octet] |= mask
    return Counter.of_planes([int.from_bytes(plane, "little") for plane in planes])


def _prices_on(host: HostState) -> dict[int, tuple[int, ...]]:
    structure, usable = host.structure, host.usable
    prices: dict[int, tuple[int, ...]] = {}
    for family in structure.families:
        whole = family.whole
        if whole is None or usable[whole] or not host.offered[whole]:
            continue
        owned = sum([host.owned(part).bit_count() for part in family.parts])
        price = min(owned + bool(host.owned(whole)), PRICE_MAX)
        profile = structure.profile_numbers[whole]
        prices[profile] = tuple(sorted((*prices.get(profile, ()), price)))
    return prices

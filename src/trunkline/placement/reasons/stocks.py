"""What a host has of what NICs want: all that decides how far it is from taking them, and no more.

Hosts differ in many ways that make no difference to a request: in cards that it can't use, in how
many more devices they have than there are NICs, in whose they are. What is left here of two hosts
is equal on most of them, so that what would have to change is worked out once for both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from trunkline.placement.asks.demand import NicClass
from trunkline.placement.hosts.fitting import Fits, Fitting
from trunkline.placement.hosts.host_state import HostState
from trunkline.placement.hosts.structure import Family


class Stock(NamedTuple):
    """Devices that the same NICs want, no more than there are of these."""

    fits: int  # Classes of NICs, as bits.
    free: int  # Without an owner, though their PF may have one.
    owned: int  # If those without owners are too few.


class FamilyStock(NamedTuple):
    """What is wanted of a PF and its VFs: it can be given away whole only while no VF is."""

    parts: tuple[Stock, ...] = ()
    whole: int = 0  # The classes of NICs that want the PF itself, as bits.
    vfs_owned: int = 0  # How many VFs have owners, wanted or not; counted if the PF is wanted.
    is_shut: bool = False  # The PF has an owner, which leaves its VFs to nobody.

    @property
    def is_wanted(self) -> bool:
        """Whether there is anything."""
        return bool(self.parts or self.whole)


_NOTHING: Final = FamilyStock()


class Wanted:
    """Classes of NICs that want devices, and what hosts have of these."""

    def __init__(self, classes: Sequence[tuple[NicClass, int]], fitting: Fitting) -> None:
        self.classes = classes
        self.nic_count = sum(count for _, count in classes)
        self._enough_for: dict[int, int] = {}
        self._fitting = fitting

    def fits(self, host: HostState) -> Fits:
        """Return which classes the devices of each slot fit."""
        return self._fitting.of(host.structure)

    def on(self, host: HostState) -> tuple[FamilyStock, ...]:
        """[family] What a host has."""
        fits = self.fits(host)
        return tuple([self._of(family, host, fits) for family in host.structure.families])

    def _of(self, family: Family, host: HostState, fits: Fits) -> FamilyStock:
        whole, parts = family.whole, [part for part in family.parts if fits[part]]
        wants_whole = fits[whole] if whole is not None and host.offered[whole] else 0
        if not parts and not wants_whole:
            return _NOTHING
        is_shut = whole is not None and bool(host.owned(whole))
        stocks = []
        for part in parts:
            free = host.free(part).bit_count() if is_shut else host.usable[part]
            stocks.append(Stock(fits[part], free, host.offered[part] - free))
        vfs_owned = 0
        if wants_whole:
            vfs_owned = sum([host.owned(part).bit_count() for part in family.parts])
        return FamilyStock(self._added_up(stocks), wants_whole, vfs_owned, is_shut)

    def pooled(self, families: Sequence[FamilyStock]) -> tuple[FamilyStock, ...]:
        """Return the same where it does not matter of which PF a device is.

        That is where no PF is wanted whole, nor has an owner. Then it is one family.
        """
        if any(family.whole or family.is_shut for family in families):
            return tuple(families)
        stocks = [stock for family in families for stock in family.parts]
        return (FamilyStock(self._added_up(stocks)),)

    def _added_up(self, stocks: Iterable[Stock]) -> tuple[Stock, ...]:
        free: dict[int, int] = {}
        owned: dict[int, int] = {}
        for stock in stocks:
            free[stock.fits] = free.get(stock.fits, 0) + stock.free
            owned[stock.fits] = owned.get(stock.fits, 0) + stock.owned
        found = []
        for fits in sorted(free):
            enough = self._enough(fits)
            without_owner = min(free[fits], enough)
            found.append(Stock(fits, without_owner, min(owned[fits], enough - without_owner)))
        return tuple(found)

    def _enough(self, fits: int) -> int:
        """How many devices that fit these classes can be of use."""
        found = self._enough_for.get(fits)
        if found is None:
            counts = [count for c, (_, count) in enumerate(self.classes) if fits >> c & 1]
            found = self._enough_for[fits] = sum(counts)
        return found

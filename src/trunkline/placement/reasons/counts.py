"""What hosts have of devices of some profiles: counted once for all that a request asks of them.

Profiles are given as bits. To find the slots with devices of many profiles is what takes long, and
few sets of profiles are asked about, each several times.
"""

from __future__ import annotations

from collections.abc import Sequence

from trunkline.placement.asks.demand import NicClass
from trunkline.placement.hosts.bits import Counter, Planes, numbers_in
from trunkline.placement.index.columns import Columns
from trunkline.placement.index.lanes import Fits


class Counts:
    """Counts for one request. Only as long as the fleet does not change."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._lanes, self._offers = columns.lanes(), columns.offers()
        self._fits: dict[int, Fits] = {}
        self._usable: dict[int, Counter] = {}
        self._offered: dict[int, Counter] = {}
        self._having: dict[int, int] = {}

    def of_class(self, one: NicClass) -> int:
        """Return the profiles of the devices that fit a class of NICs."""
        columns = self._columns.of_class(one)
        self._fits[columns.profiles] = columns.fits
        return columns.profiles

    def usable(self, profiles: int) -> Counter:
        """Count the devices that each host could give."""
        total = self._usable.get(profiles)
        if total is None:
            total = self._usable[profiles] = Counter()
            for numbers, hosts in self._lanes.parts(self._fits_of(profiles)):
                total.add(numbers, hosts)
        return total

    def offered(self, profiles: int) -> Counter:
        """Count the devices on offer, whoever owns them."""
        total = self._offered.get(profiles)
        if total is None:
            total = self._offered[profiles] = self._offers.offered(self._fits_of(profiles))
        return total

    def having(self, profiles: int) -> int:
        """Return the hosts that offer any."""
        found = self._having.get(profiles)
        if found is None:
            found = self._having[profiles] = self._offers.having(self._fits_of(profiles))
        return found

    def shut(self, profiles: int) -> Counter:
        """Count PFs that have owners, and VFs without owners of these PFs."""
        return self._offers.shut(self._fits_of(profiles))

    def out(self, profiles: int) -> int:
        """Return the hosts that would offer any by PFs out of service."""
        return self._offers.out(self._fits_of(profiles))

    def pf_prices(self, profiles: int, count: int) -> Sequence[Planes]:
        """Count what would have to be free to have PFs whole: see `Offers.pf_prices`."""
        return self._offers.pf_prices(self._fits_of(profiles), count)

    def _fits_of(self, profiles: int) -> Fits:
        found = self._fits.get(profiles)
        if found is None:
            found = self._fits[profiles] = self._lanes.fitting(numbers_in(profiles))
        return found

"""Which devices with owners would do, were they free: for each edit that frees some.

What is claimed: any `count` of the devices of each such edit, no device for two of them, make the
request fit together with the other edits. It holds since the assignment that an edit was read from
leaves `count` NICs of one class without a device, and takes nothing that any of these would need:
no VF of a PF that goes to a NIC whole. Under rules it matters
where a device is, so that only those of the PF that the edit names are meant: they are all in one
place.
"""

from __future__ import annotations

from collections.abc import Iterator

from trunkline.placement.asks.edits import Devices
from trunkline.placement.hosts.host_state import HostState
from trunkline.placement.reasons.shortfall import Change, Shortfall
from trunkline.placement.reasons.stocks import Wanted

_Some = tuple[int, int]  # A slot, and the bitmap of devices there.


class Freeing:
    """The devices of one host, as its shortfall looks at them."""

    def __init__(self, host: HostState, wanted: Wanted, shortfall: Shortfall) -> None:
        self._host, self._fits, self._wholes = host, wanted.fits(host), shortfall.wholes
        self._opened = {change.family for change in shortfall.changes if change.class_index is None}

    def of_whole_pf(self, change: Change) -> Devices:
        """The PF that would have to go, or all VFs of it that have owners: each is needed."""
        assert change.family is not None
        host, family = self._host, self._host.structure.families[change.family]
        assert family.whole is not None
        if not change.empties:
            return host.refs([(family.whole, 1)])
        is_owned = host.owned(family.whole) and change.family not in self._opened
        vfs = [(part, host.owned(part)) for part in family.parts]
        return host.refs([(family.whole, int(bool(is_owned))), *vfs])

    def of_class(self, c: int, family: int | None) -> Devices:
        """All that fit NICs of a class and that a NIC could be given once they are free.

        Args:
            c: The class.
            family: Those of this one; None: of any.
        """
        every = range(len(self._host.structure.families))
        families = every if family is None else (family,)
        return self._host.refs([some for f in families for some in self._of(c, f)])

    def _of(self, c: int, f: int) -> Iterator[_Some]:
        host, fits = self._host, self._fits
        family = host.structure.families[f]
        whole, parts = family.whole, family.parts
        if whole is not None and host.owned(whole) and f not in self._opened:
            if not any(host.owned(part) for part in parts) and fits[whole] >> c & 1:
                yield whole, host.choosable(whole)
        elif f not in self._wholes:
            for part in parts:
                if fits[part] >> c & 1:
                    yield part, host.owned(part) & host.choosable(part)

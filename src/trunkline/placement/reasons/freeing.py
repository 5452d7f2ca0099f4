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

from trunkline.domain.device import DeviceRef
from trunkline.placement.hosts.bits import bits_of
from trunkline.placement.hosts.host_state import HostState
from trunkline.placement.reasons.shortfall import Change, Shortfall, Wanted


class Freeing:
    """The devices of one host, as its shortfall looks at them."""

    def __init__(self, host: HostState, wanted: Wanted, shortfall: Shortfall) -> None:
        self._host, self._wanted, self._shortfall = host, wanted, shortfall
        self._opened = {change.family for change in shortfall.changes if change.class_index is None}

    def of_whole_pf(self, change: Change) -> tuple[DeviceRef, ...]:
        """The PF that would have to go, or all VFs of it that have owners: each is needed."""
        assert change.family is not None
        host, family = self._host, self._host.structure.families[change.family]
        assert family.whole is not None
        vfs = [ref for part in family.parts for ref in _refs(host, part, host.owned(part))]
        if not change.empties:
            return tuple(_refs(host, family.whole, 1))
        is_owned = host.owned(family.whole) and change.family not in self._opened
        return (*_refs(host, family.whole, int(bool(is_owned))), *vfs)

    def of_class(self, c: int) -> tuple[DeviceRef, ...]:
        """All that fit NICs of a class and that a NIC could be given once they are free."""
        families = range(len(self._host.structure.families))
        return tuple(ref for f in families for ref in self._of(c, f))

    def of_class_on(self, c: int, family: int) -> tuple[DeviceRef, ...]:
        """Those of them that are of one family."""
        return tuple(self._of(c, family))

    def _of(self, c: int, f: int) -> Iterator[DeviceRef]:
        host, shortfall = self._host, self._shortfall
        family = host.structure.families[f]
        given_away = family.whole is not None and bool(host.owned(family.whole))
        if family.whole is not None and given_away and f not in self._opened:
            if not any(host.owned(part) for part in family.parts) and self._fits(c, family.whole):
                yield from _refs(host, family.whole, self._offered(family.whole))
            return
        if f not in shortfall.wholes:
            for part in family.parts:
                if self._fits(c, part):
                    yield from _refs(host, part, host.owned(part) & self._offered(part))

    def _fits(self, c: int, slot: int) -> bool:
        fits = self._wanted.fitting(self._host.structure.slots[slot].profile)
        return bool(fits) and fits[c]

    def _offered(self, slot: int) -> int:
        return self._host.choosable(slot)


def _refs(host: HostState, slot: int, bitmap: int) -> Iterator[DeviceRef]:
    return (host.ref(slot, bit) for bit in bits_of(bitmap))

"""Which NICs the devices of hosts fit: what is asked can use far fewer kinds than hosts have.

Which classes of NICs a device fits is a bitmap of classes, worked out once for devices that are
alike. Hosts whose slots have equal bitmaps are alike for what is asked, however unlike they are.
"""

from __future__ import annotations

from collections.abc import Sequence

from trunkline.placement.asks.demand import NicClass
from trunkline.placement.hosts.structure import BySlot, Profile, Structure
from trunkline.placement.matching.problem import Costs

Fits = tuple[int, ...]  # [slot] Bitmap of the classes that its devices fit.


class Fitting:
    """Says which classes the devices of each slot fit."""

    def __init__(self, classes: Sequence[NicClass], known: dict[int, int] | None = None) -> None:
        """Begin.

        Args:
            classes: Of NICs.
            known: Bitmaps that were worked out already, by the number of the devices' profile.
        """
        self._classes = classes
        self._by_slot = BySlot(self._classes_fitting, known)

    def of(self, structure: Structure) -> Fits:
        """Return the bitmap of each slot."""
        return self._by_slot.of(structure)

    def costs(self, fits: Fits) -> Costs:
        """Return what a match asks of slots that fit so, where all that fits is as good."""
        return costs_of(fits, range(len(self._classes)))

    def _classes_fitting(self, profile: Profile) -> int:
        found = 0
        for c, one in enumerate(self._classes):
            if one.fits(profile.kind, profile.attributes):
                found |= 1 << c
        return found


def costs_of(fits: Fits, classes: Sequence[int]) -> Costs:
    """Return the same for some of the classes."""
    return tuple(tuple([0 if mask >> c & 1 else None for mask in fits]) for c in classes)

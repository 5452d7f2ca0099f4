"""Cuts for hosts of all builds: what a shape can use of them differs far less than they do.

Which classes of NICs a device fits is a bitmap of classes. Hosts whose slots have equal bitmaps
share their cuts, and those whose bitmaps are the same in any order share the work of finding them.
"""

from __future__ import annotations

from trunkline.placement.asks.demand import Demand
from trunkline.placement.hosts.feasibility import wasted_tags
from trunkline.placement.hosts.structure import BySlot, Profile, Structure
from trunkline.placement.planning.cuts import cuts_of_flow

Fits = tuple[int, ...]  # [slot] Bitmap of the classes that its devices fit.
SlotCuts = tuple[tuple[tuple[int, ...], int], ...]  # Slots, and how many each server takes there.


class Fitting:
    """Says which classes of a demand the devices of each slot fit."""

    def __init__(self, demand: Demand) -> None:
        self.classes = range(len(demand.device_classes))
        self._nic_classes = [one for one, _ in demand.device_classes]
        self._by_slot = BySlot(self._classes_fitting)

    def of(self, structure: Structure) -> Fits:
        """Return the bitmap of each slot."""
        return self._by_slot.of(structure)

    def _classes_fitting(self, profile: Profile) -> int:
        return sum(
            1 << c
            for c, one in enumerate(self._nic_classes)
            if wasted_tags(one, profile) is not None
        )


class FlowCuts:
    """The cuts of a demand that has no rules."""

    def __init__(self, demand: Demand) -> None:
        self._counts = [count for _, count in demand.device_classes]
        self._of_fits: dict[Fits, SlotCuts | None] = {}
        self._of_kinds: dict[tuple[int, ...], list[tuple[frozenset[int], int]] | None] = {}

    def of(self, fits: Fits) -> SlotCuts | None:
        """Return the cuts of hosts whose slots fit so; None: they are too many to be listed.

        What fits no class at all is a cut through nothing: no server fits.
        """
        try:
            return self._of_fits[fits]
        except KeyError:
            cuts = self._of_fits[fits] = self._make(fits)
            return cuts

    def _make(self, fits: Fits) -> SlotCuts | None:
        kinds = tuple(sorted(set(fits) - {0}))
        if kinds not in self._of_kinds:
            self._of_kinds[kinds] = self._of(kinds)
        cuts = self._of_kinds[kinds]
        if cuts is None:
            return None
        return tuple(
            (tuple([slot for slot, mask in enumerate(fits) if mask in masks]), least)
            for masks, least in cuts
        )

    def _of(self, kinds: tuple[int, ...]) -> list[tuple[frozenset[int], int]] | None:
        allowed = [
            [n for n, mask in enumerate(kinds) if mask >> c & 1] for c in range(len(self._counts))
        ]
        if not all(allowed):
            return [(frozenset(), 1)]
        cuts = cuts_of_flow(self._counts, allowed)
        if cuts is None:
            return None
        return [(frozenset(kinds[n] for n in cut.resources), cut.least) for cut in cuts]

"""Cuts for hosts of all builds: what a shape can use of them differs far less than they do.

Hosts whose slots fit the same classes of NICs share their cuts, and those on which that is the same
in any order share the work of finding them.
"""

from __future__ import annotations

from trunkline.placement.asks.demand import Demand
from trunkline.placement.hosts.fitting import Fits
from trunkline.placement.planning.cuts import cuts_of_flow

SlotCuts = tuple[tuple[tuple[int, ...], int], ...]  # Slots, and how many each server takes there.


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

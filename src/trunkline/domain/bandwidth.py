"""Bandwidth: what a PF can guarantee to NICs, and what it owes them. Whole Mbit/s."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Bandwidth:
    """Of one PF, by direction. None: nothing of it is accounted, so nothing is guaranteed."""

    egress_mbps: int | None = None
    ingress_mbps: int | None = None

    def __str__(self) -> str:
        """E.g. ``8000 Mbps egress``."""
        return _text(self.egress_mbps, self.ingress_mbps)

    @property
    def is_accounted(self) -> bool:
        """Whether either direction is."""
        return self.egress_mbps is not None or self.ingress_mbps is not None

    def covers(self, guarantee: Guarantee) -> bool:
        """Whether it is enough; what is not accounted, or owed already, is enough for nothing."""
        return (
            max(self.egress_mbps or 0, 0) >= guarantee.egress_mbps
            and max(self.ingress_mbps or 0, 0) >= guarantee.ingress_mbps
        )

    def less(self, guarantee: Guarantee) -> Bandwidth:
        """Return what is left once that is owed; below 0 if it is more than there is."""
        egress, ingress = self.egress_mbps, self.ingress_mbps
        return Bandwidth(
            egress_mbps=None if egress is None else egress - guarantee.egress_mbps,
            ingress_mbps=None if ingress is None else ingress - guarantee.ingress_mbps,
        )

    def at_most(self, mbps: int | None) -> Bandwidth:
        """Return it cut down to what a link of this speed carries; None: the speed is unknown."""
        if mbps is None:
            return self
        egress, ingress = self.egress_mbps, self.ingress_mbps
        return Bandwidth(
            egress_mbps=None if egress is None else min(egress, mbps),
            ingress_mbps=None if ingress is None else min(ingress, mbps),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarantee:
    """What a PF owes a NIC. A whole PF owes it too: nobody else has it then."""

    egress_mbps: int = 0
    ingress_mbps: int = 0

    def __str__(self) -> str:
        """E.g. ``500 Mbps egress and 200 Mbps ingress``."""
        return _text(self.egress_mbps or None, self.ingress_mbps or None)

    def __bool__(self) -> bool:
        return bool(self.egress_mbps or self.ingress_mbps)

    def __neg__(self) -> Guarantee:
        return Guarantee(egress_mbps=-self.egress_mbps, ingress_mbps=-self.ingress_mbps)

    def __add__(self, other: Guarantee) -> Guarantee:
        return Guarantee(
            egress_mbps=self.egress_mbps + other.egress_mbps,
            ingress_mbps=self.ingress_mbps + other.ingress_mbps,
        )


def _text(egress_mbps: int | None, ingress_mbps: int | None) -> str:
    amounts = ((egress_mbps, "egress"), (ingress_mbps, "ingress"))
    return " and ".join(f"{n} Mbps {name}" for n, name in amounts if n is not None) or "nothing"


NOT_ACCOUNTED: Final = Bandwidth()
NO_GUARANTEE: Final = Guarantee()

"""What may be asked about where the devices of a server's NICs are."""

from __future__ import annotations

import enum


class NumaPolicy(enum.Enum):
    """Where a NIC's device may be, seen from the guest's NUMA node. The values are API."""

    REQUIRED = "required"  # On the guest's node, and known to be.
    PREFERRED = "preferred"  # There if that can be had.
    LEGACY = "legacy"  # There, unless the device's node is not known.
    SOCKET = "socket"  # On the socket of the guest's node, and known to be.

    @property
    def confines(self) -> bool:
        """Whether the guest must keep to one node, since it would mean nothing otherwise."""
        return self is not NumaPolicy.PREFERRED


class Scope(enum.Enum):
    """In what NICs are together or apart. The values are API."""

    PF = "pf"
    CARD = "card"
    SWITCH = "switch"  # The top-of-rack switch that a PF is cabled to.
    NUMA = "numa"  # The NUMA node.

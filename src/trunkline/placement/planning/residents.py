"""Servers that are on hosts already: what they would ask for if they were placed anew."""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.domain.ids import HostId
from trunkline.placement.asks.request import Placed, PlacementRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """A server, and what it holds where it is."""

    server_id: str
    name: str
    host_id: HostId
    request: PlacementRequest  # As a re-placement would make it now.
    placed: Placed  # A choice for each NIC and device that it has; a lost one has none.

"""The JSON of trunkline/v1 for planning: capacity, and what would be; by the rules of `wire.v1`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from trunkline.wire.v1 import EditItem, ExplainNic

HOSTS_MAX: Final = 1000  # Of one answer.


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityBody:
    """A shape of servers, and which hosts to show. All are counted, whatever is shown."""

    nics: tuple[ExplainNic, ...] = ()
    flavor: str | None = None  # ID or name; None: size does not matter.
    hints: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # Scheduler hints.
    host: str | None = None  # This host only.
    availability_zone: str | None = None  # A host of this zone only.
    limit: int | None = None  # Hosts in the answer; None: as many as an answer holds.
    marker: str | None = None  # The last host of the page before.


@dataclass(frozen=True, slots=True, kw_only=True)
class MixPart:
    """One shape of a mix, and how many servers of it each mix has."""

    share: int = 1
    nics: tuple[ExplainNic, ...] = ()
    flavor: str | None = None
    hints: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MixBody:
    """A mix of servers."""

    mix: tuple[MixPart, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCapacityItem:
    """How many more servers fit on one host: `least` do, more than `most` don't."""

    host: str
    least: int
    most: int
    limit: str  # What stands against one more; a reason as in `explain`.


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityAnswer:
    """How many more servers of a shape fit. `least` and `most` are equal where that is proven."""

    least: int
    most: int
    host_count: int  # That were counted.
    limits: Mapping[str, int]  # How many hosts each reason stands at.
    hosts: tuple[HostCapacityItem, ...]  # By name: one page.
    next_marker: str | None  # None: this is the last page.


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIfBody:
    """What would be otherwise; and a server that would be asked for then, if it has any NIC."""

    drain: tuple[str, ...] = ()  # Hosts that would be out of service.
    lose_pf: tuple[str, ...] = ()  # HOST/ADDRESS: PFs that would be gone, with their VFs.
    add_hosts: int = 0
    like: str | None = None  # The host that added ones are built like.
    nics: tuple[ExplainNic, ...] = ()
    flavor: str | None = None
    hints: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    availability_zone: str | None = None  # A host of this zone or none.


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenNic:
    """What one NIC, or device besides, would get."""

    nic: str
    device: str | None  # PCI address; None: it needs none.


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveItem:
    """A server that would have to leave, and where it would be."""

    server_id: str
    server: str
    from_host: str
    to_host: str
    nics: tuple[GivenNic, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckItem:
    """A server that would have to leave, and found no place beside the others."""

    server_id: str
    server: str
    from_host: str
    counts: Mapping[str, int]  # Hosts by reason, as in `explain`; empty: not worked out.
    smallest_change: str
    edits: tuple[EditItem, ...] = ()  # The same, edit by edit.


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundsItem:
    """A number of servers: `least` fit, more than `most` don't."""

    least: int
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeItem:
    """What a server that is asked for would meet."""

    fits: bool
    host: str | None
    nics: tuple[GivenNic, ...]
    counts: Mapping[str, int]  # If it does not fit: hosts by reason.
    smallest_change: str
    edits: tuple[EditItem, ...]  # The same, edit by edit.
    before: BoundsItem | None  # How many fit as things are; None: nothing limits them.
    after: BoundsItem | None  # How many would, once the servers that must leave are placed.


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIfAnswer:
    """What would be. Nothing has changed."""

    leaving: int  # Servers that would have to be placed anew.
    placed: int  # Of these, how many find a place.
    at_most: int  # More of them can't find one; equal to `placed` where that is proven.
    moves: tuple[MoveItem, ...] = ()  # In the order in which they were placed.
    stuck: tuple[StuckItem, ...] = ()
    shape: ShapeItem | None = None

"""The JSON of trunkline/v1 for planning: capacity. Its rules are those of `wire.v1`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from trunkline.wire.v1 import ExplainNic

HOSTS_MAX: Final = 1000  # Of one answer.


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityBody:
    """A shape of servers, and which hosts to show. All are counted, whatever is shown."""

    nics: tuple[ExplainNic, ...] = ()
    flavor: str | None = None  # ID or name; None: size does not matter.
    host: str | None = None  # This host only.
    limit: int | None = None  # Hosts in the answer; None: as many as an answer holds.
    marker: str | None = None  # The last host of the page before.


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

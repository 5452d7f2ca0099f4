"""Host aggregates: sets of hosts with metadata, by which flavors and zones choose among hosts."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from trunkline.domain.ids import AggregateId, HostId, ZoneName

ZONE_KEY: Final = "availability_zone"  # Of metadata: its hosts are in this zone.
DEFAULT_ZONE: Final = ZoneName("nova")  # Of hosts that no aggregate puts into one.
SPEC_PREFIX: Final = "aggregate_instance_extra_specs:"  # Of keys of a flavor's extra specs.

HostMetadata = frozenset[tuple[str, str]]  # Of all aggregates of a host; a key may have several.


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """A set of hosts. A host may be in several, as long as they name one zone at most."""

    id: AggregateId
    uuid: str
    name: str
    metadata: Mapping[str, str]
    host_ids: tuple[HostId, ...]  # In the order in which they were added.
    created_at: datetime
    updated_at: datetime | None = None

    @property
    def zone(self) -> ZoneName | None:
        """The availability zone that its hosts are in by it."""
        zone = self.metadata.get(ZONE_KEY)
        return None if zone is None else ZoneName(zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataDemand:
    """One extra spec of a flavor that a host's aggregates must meet.

    `wanted` is a value, or one of Nova's expressions: an operator, then what it is held against.
    """

    key: str
    wanted: str

    def holds(self, metadata: HostMetadata) -> bool:
        """Whether some aggregate of a host with this metadata has it."""
        return any(meets(value, self.wanted) for key, value in metadata if key == self.key)

    def __str__(self) -> str:
        return f"{self.key}={self.wanted}"


def metadata_demands(extra_specs: Mapping[str, str]) -> tuple[MetadataDemand, ...]:
    """Read what a flavor demands of the aggregates of hosts."""
    return tuple(
        MetadataDemand(key=key.removeprefix(SPEC_PREFIX), wanted=wanted)
        for key, wanted in sorted(extra_specs.items())
        if key.startswith(SPEC_PREFIX)
    )


def zone_of(metadata: HostMetadata) -> ZoneName | None:
    """Return the zone that a host's aggregates put it into, if one does."""
    return next((ZoneName(value) for key, value in sorted(metadata) if key == ZONE_KEY), None)


_NUMBERS: Final[Mapping[str, Callable[[float, float], bool]]] = MappingProxyType({
    "=": operator.ge,  # Nova's: at least.
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
})  # fmt: skip
_TEXTS: Final[Mapping[str, Callable[[str, str], bool]]] = MappingProxyType({
    "s==": operator.eq,
    "s!=": operator.ne,
    "s<": operator.lt,
    "s<=": operator.le,
    "s>": operator.gt,
    "s>=": operator.ge,
    "<in>": operator.contains,  # The value has it as a part.
})  # fmt: skip


def meets(value: str, wanted: str) -> bool:
    """Whether a value of metadata is what an extra spec wants.

    What is to be compared as a number and is none is not met, on either side.
    """
    first, *rest = wanted.split() or [""]
    if first == "<or>":
        return value in rest[::2]
    if first == "<all-in>":
        return bool(rest) and all(word in value for word in rest)
    if first in _TEXTS:
        return bool(rest) and _TEXTS[first](value, rest[0])
    if first in _NUMBERS:
        return bool(rest) and _compare_numbers(_NUMBERS[first], value, rest[0])
    return value == wanted


def _compare_numbers(compare: Callable[[float, float], bool], value: str, wanted: str) -> bool:
    try:
        return compare(float(value), float(wanted))
    except ValueError:
        return False


def merged_metadata(aggregates: Iterable[Aggregate]) -> HostMetadata:
    """All metadata of these aggregates together."""
    return frozenset(pair for one in aggregates for pair in one.metadata.items())

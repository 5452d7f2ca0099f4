"""A request reduced to what decides: how many NICs of which class, in an order of its own.

NICs that the same devices would fit are of one class. Requests that differ only in the order or
the names of their NICs have equal demands, which is why order can't matter further down.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from trunkline.domain.device import DeviceKind
from trunkline.domain.ids import PhysicalNetwork
from trunkline.domain.pci_flavor import DeviceMatch, alternative_holds
from trunkline.placement.request import NicDemand, PlacementRequest, SegmentOption

Attributes = frozenset[tuple[str, str]]

_NO_NETWORK: Final = SegmentOption(segment_id=None)


@dataclass(frozen=True, slots=True)
class NicClass:
    """What a NIC needs. Any of `ways` will do; or, without a device, any of `bridges`."""

    kind: DeviceKind | None
    ways: frozenset[Attributes]  # Each: all of these attributes, on one device.
    bridges: frozenset[PhysicalNetwork]  # `normal` only.
    match: DeviceMatch = ()  # Demanded of the device besides.
    or_kinds: frozenset[DeviceKind] = frozenset()

    @property
    def sort_key(self) -> tuple[object, ...]:
        """An order of classes that depends on nothing but what they say."""
        return (
            "" if self.kind is None else self.kind.value,
            sorted(sorted(way) for way in self.ways),
            sorted(self.bridges),
            [[str(condition) for condition in alternative] for alternative in self.match],
            sorted(kind.value for kind in self.or_kinds),
        )

    def is_of(self, kind: DeviceKind) -> bool:
        """Whether a device of this kind will do."""
        return kind is self.kind or kind in self.or_kinds

    def fits(self, kind: DeviceKind, attributes: Attributes) -> bool:
        """Whether a device of this kind with these attributes will do."""
        return self.is_of(kind) and bool(self.demanded_of(attributes))

    def demanded_of(self, attributes: Attributes) -> list[frozenset[str]]:
        """Which attributes a device with these is demanded for, each way; none: it doesn't fit."""
        ways = [{key for key, _ in way} for way in self.ways if way <= attributes]
        if not ways or not self.match:
            return [frozenset(way) for way in ways]
        values = dict(attributes)
        matched = [
            {condition.attribute for condition in alternative}
            for alternative in self.match
            if alternative_holds(alternative, values)
        ]
        return [frozenset(way | keys) for way in ways for keys in matched]


@dataclass(frozen=True, slots=True)
class Demand:
    """All NICs of a server together."""

    device_classes: tuple[tuple[NicClass, int], ...]  # With how many NICs are of each.
    bridge_classes: tuple[NicClass, ...]  # A bridge takes any number of NICs.


def make_demand(request: PlacementRequest) -> Demand:
    """Reduce a request."""
    counted = Counter(nic_class(nic) for nic in request.nics)
    classes = sorted(counted, key=lambda one: one.sort_key) if len(counted) > 1 else [*counted]
    return Demand(
        tuple((one, counted[one]) for one in classes if one.kind is not None),
        tuple(one for one in classes if one.kind is None),
    )


def nic_class(nic: NicDemand) -> NicClass:
    """Say of which class a NIC is."""
    if nic.kind is None:
        bridges = (option.physical_network for option in nic.options)
        return NicClass(None, frozenset(), frozenset(name for name in bridges if name is not None))
    ways = (way_of(nic, option) for option in nic.options or (_NO_NETWORK,))
    return NicClass(
        nic.kind,
        frozenset(way for way in ways if way is not None),
        frozenset(),
        nic.match,
        nic.or_kinds,
    )


def way_of(nic: NicDemand, option: SegmentOption) -> Attributes | None:
    """What a device needs for this NIC on this segment; None when the two contradict."""
    if any(option.attributes.get(key, value) != value for key, value in nic.attributes.items()):
        return None
    return frozenset(option.attributes.items()) | frozenset(nic.attributes.items())


def fits(attributes: Mapping[str, str], demanded: Mapping[str, str]) -> bool:
    """Whether a device has all that is demanded."""
    return all(attributes.get(key) == value for key, value in demanded.items())

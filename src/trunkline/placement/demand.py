"""A request reduced to what decides: how many NICs of which class, in an order of its own.

NICs that the same devices would fit are of one class. Requests that differ only in the order or
the names of their NICs have equal demands, which is why order can't matter further down.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from trunkline.domain.device import DeviceKind
from trunkline.domain.ids import PhysicalNetwork
from trunkline.domain.nic_rules import NumaPolicy
from trunkline.domain.pci_flavor import DeviceMatch, alternative_holds
from trunkline.placement.groups import numbered_rules
from trunkline.placement.problem import ClassRule
from trunkline.placement.request import GroupRule, NicDemand, PlacementRequest, SegmentOption

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
    numa: NumaPolicy | None = None
    egress_mbps: int = 0
    ingress_mbps: int = 0
    rules: frozenset[int] = frozenset()  # Of the demand's rules, those that are about it.
    packs: bool = False

    @property
    def sort_key(self) -> tuple[object, ...]:
        """An order of classes that depends on nothing but what they say."""
        return (
            "" if self.kind is None else self.kind.value,
            sorted(sorted(way) for way in self.ways),
            sorted(self.bridges),
            [[str(condition) for condition in alternative] for alternative in self.match],
            sorted(kind.value for kind in self.or_kinds),
            "" if self.numa is None else self.numa.value,
            self.egress_mbps,
            self.ingress_mbps,
            sorted(self.rules),
            self.packs,
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
    rules: tuple[ClassRule, ...] = ()  # Over `device_classes`.


def make_demand(request: PlacementRequest) -> Demand:
    """Reduce a request."""
    return demand_of(*classes_and_rules(request))


def demand_of(classes: Sequence[NicClass], rules: Sequence[GroupRule]) -> Demand:
    """Reduce what `classes_and_rules` says of a request."""
    counted = Counter(classes)
    found = sorted(counted, key=lambda one: one.sort_key) if len(counted) > 1 else [*counted]
    device_classes = [one for one in found if one.kind is not None]
    return Demand(
        tuple((one, counted[one]) for one in device_classes),
        tuple(one for one in found if one.kind is None),
        tuple(
            ClassRule(
                scope=rule.scope,
                apart=rule.apart,
                hard=rule.hard,
                classes=tuple(c for c, one in enumerate(device_classes) if number in one.rules),
            )
            for number, rule in enumerate(rules)
        ),
    )


def classes_and_rules(
    request: PlacementRequest,
) -> tuple[tuple[NicClass, ...], tuple[GroupRule, ...]]:
    """The class of each NIC, in the request's order; and the rules, as classes number them."""
    classes = tuple(nic_class(nic) for nic in request.nics)
    if not request.rules:
        return classes, ()
    named = {nic.nic: one for nic, one in zip(request.nics, classes, strict=True)}
    rules = numbered_rules(
        request, {name: one.sort_key for name, one in named.items() if one.kind is not None}
    )
    of_nic = {
        name: frozenset(n for n, rule in enumerate(rules) if name in rule.nics) for name in named
    }
    return tuple(replace(named[nic.nic], rules=of_nic[nic.nic]) for nic in request.nics), rules


def nic_class(nic: NicDemand) -> NicClass:
    """Say of which class a NIC is, as long as no rule of the request tells it from others."""
    if nic.kind is None:
        assert not nic.guarantee, "bridges guarantee nothing"
        bridges = (option.physical_network for option in nic.options)
        return NicClass(None, frozenset(), frozenset(name for name in bridges if name is not None))
    ways = (way_of(nic, option) for option in nic.options or (_NO_NETWORK,))
    return NicClass(
        nic.kind,
        frozenset(way for way in ways if way is not None),
        frozenset(),
        nic.match,
        nic.or_kinds,
        nic.numa,
        nic.egress_mbps,
        nic.ingress_mbps,
        packs=nic.packs,
    )


def way_of(nic: NicDemand, option: SegmentOption) -> Attributes | None:
    """What a device needs for this NIC on this segment; None when the two contradict."""
    if any(option.attributes.get(key, value) != value for key, value in nic.attributes.items()):
        return None
    return frozenset(option.attributes.items()) | frozenset(nic.attributes.items())


def fits(attributes: Mapping[str, str], demanded: Mapping[str, str]) -> bool:
    """Whether a device has all that is demanded."""
    return all(attributes.get(key) == value for key, value in demanded.items())

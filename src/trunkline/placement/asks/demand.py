"""A request reduced to what decides: how many NICs of which class, in an order of its own.

NICs that the same devices would fit are of one class. Requests that differ only in the order or
the names of their NICs have equal demands, which is why order can't matter further down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from operator import attrgetter
from typing import Final

from trunkline.domain.device import DeviceKind
from trunkline.domain.ids import PhysicalNetwork
from trunkline.domain.nic_rules import NumaPolicy
from trunkline.domain.pci_flavor import DeviceMatch, alternative_holds
from trunkline.placement.asks.groups import numbered_rules
from trunkline.placement.asks.request import GroupRule, NicDemand, PlacementRequest, SegmentOption
from trunkline.placement.matching.problem import ClassRule

_SORT_KEY = attrgetter("sort_key")

Attributes = frozenset[tuple[str, str]]

CLASSES_KNOWN_MAX: Final = 1024

_NO_NETWORK: Final = SegmentOption(segment_id=None)


@dataclass(frozen=True)
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

    def __hash__(self) -> int:
        """Hash what mostly differs, and remembers its own hash."""
        return hash((self.ways, self.bridges))

    @property
    def is_placed(self) -> bool:
        """Whether it matters where its devices are."""
        guaranteed = self.egress_mbps or self.ingress_mbps
        return bool(self.rules or self.numa or guaranteed or self.packs)

    @cached_property
    def kinds(self) -> tuple[DeviceKind, ...]:
        """The kinds of devices that will do; of bridges, there are none."""
        return () if self.kind is None else (self.kind, *self.or_kinds)

    @cached_property
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
        return kind in self.kinds

    def fits(self, kind: DeviceKind, attributes: Attributes) -> bool:
        """Whether a device of this kind with these attributes will do."""
        if kind not in self.kinds or not any(map(attributes.issuperset, self.ways)):
            return False
        if not self.match:
            return True
        values = dict(attributes)
        return any(alternative_holds(alternative, values) for alternative in self.match)

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


@dataclass(frozen=True)
class Demand:
    """All NICs of a server together."""

    device_classes: tuple[tuple[NicClass, int], ...]  # With how many NICs are of each.
    bridge_classes: tuple[NicClass, ...]  # A bridge takes any number of NICs.
    rules: tuple[ClassRule, ...] = ()  # Over `device_classes`.

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """How many NICs are of each of `device_classes`."""
        return tuple([count for _, count in self.device_classes])

    @cached_property
    def is_ruled(self) -> bool:
        """Whether it matters where devices are."""
        return bool(self.rules) or any(one.is_placed for one, _ in self.device_classes)


def make_demand(request: PlacementRequest) -> Demand:
    """Reduce a request."""
    return demand_and_classes(request)[0]


def demand_and_classes(request: PlacementRequest) -> tuple[Demand, list[int | None]]:
    """Reduce a request, and say of which device class each NIC is; None: a bridge will do."""
    classes, rules = classes_and_rules(request)
    met: dict[NicClass, int] = {}  # In the order in which they are met.
    met_of_nic = [met.setdefault(one, len(met)) for one in classes]
    found = sorted(met, key=_SORT_KEY) if len(met) > 1 else [*met]
    device_classes = [one for one in found if one.kind is not None]
    number: list[int | None] = [None] * len(met)
    for c, one in enumerate(device_classes):
        number[met[one]] = c
    counts = [0] * len(device_classes)
    class_of_nic = [number[n] for n in met_of_nic]
    for of_nic in class_of_nic:
        if of_nic is not None:
            counts[of_nic] += 1
    demand = Demand(
        tuple(zip(device_classes, counts, strict=True)),
        tuple([one for one in found if one.kind is None]),
        tuple(
            ClassRule(
                scope=rule.scope,
                apart=rule.apart,
                hard=rule.hard,
                classes=tuple(c for c, one in enumerate(device_classes) if n in one.rules),
            )
            for n, rule in enumerate(rules)
        ),
    )
    return demand, class_of_nic


def classes_and_rules(
    request: PlacementRequest,
) -> tuple[tuple[NicClass, ...], tuple[GroupRule, ...]]:
    """The class of each NIC, in the request's order; and the rules, as classes number them."""
    classes = tuple(map(nic_class, request.nics))
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
    ways = [way_of(nic, option) for option in nic.options or (_NO_NETWORK,)]
    return _known_class(
        nic.kind,
        frozenset([way for way in ways if way is not None]),
        nic.match,
        nic.or_kinds,
        nic.numa,
        nic.egress_mbps,
        nic.ingress_mbps,
        nic.packs,
    )


@lru_cache(maxsize=CLASSES_KNOWN_MAX)
def _known_class(
    kind: DeviceKind,
    ways: frozenset[Attributes],
    match: DeviceMatch,
    or_kinds: frozenset[DeviceKind],
    numa: NumaPolicy | None,
    egress_mbps: int,
    ingress_mbps: int,
    packs: bool,  # noqa: FBT001 -- cached by place: keywords cost more than the call.
) -> NicClass:
    """One object for equal classes, so that what is worked out of it is worked out once."""
    return NicClass(
        kind, ways, frozenset(), match, or_kinds, numa, egress_mbps, ingress_mbps, packs=packs
    )


def way_of(nic: NicDemand, option: SegmentOption) -> Attributes | None:
    """What a device needs for this NIC on this segment; None when the two contradict."""
    demanded = nic.attributes
    if not demanded:
        return frozenset(option.attributes.items())
    for key, value in option.attributes.items():
        if demanded.get(key, value) != value:
            return None
    return frozenset({**option.attributes, **demanded}.items())


def fits(attributes: Mapping[str, str], demanded: Mapping[str, str]) -> bool:
    """Whether a device has all that is demanded."""
    return all(attributes.get(key) == value for key, value in demanded.items())

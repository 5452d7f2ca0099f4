"""Query strings of the placement API. A name that is not served is an error, as in Placement."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from trunkline.api.http import Request
from trunkline.domain.errors import Invalid
from trunkline.domain.ids import is_uuid
from trunkline.domain.providers import Inventory, ResourceProvider

# Each name, and the version that brought it.
_SINCE: Final = {
    "uuid": 0, "name": 0, "member_of": 3, "resources": 4, "in_tree": 14, "required": 18,
}  # fmt: skip
_CLASS: Final = re.compile("[A-Z0-9_]{1,255}")
_FORBIDDEN_TRAIT_SINCE: Final = 22
_ANY_TRAIT_SINCE: Final = 39
_MEMBER_OF_REPEATED_SINCE: Final = 24
_MEMBER_OF_FORBIDDEN_SINCE: Final = 32
_NONE_OF_IT: Final = Inventory(total=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraitDemand:
    """One entry of ``required=``."""

    any_of: frozenset[str]
    forbidden: bool = False

    def holds(self, traits: frozenset[str]) -> bool:
        """Whether a provider with these traits will do."""
        return not self.any_of.isdisjoint(traits) is not self.forbidden


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateDemand:
    """One ``member_of=``."""

    any_of: frozenset[str]
    forbidden: bool = False

    def holds(self, aggregates: frozenset[str]) -> bool:
        """Whether a provider in these aggregates will do."""
        return not self.any_of.isdisjoint(aggregates) is not self.forbidden


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvidersWanted:
    """What a list of providers is to have."""

    uuid: str | None = None
    tree_of: str | None = None
    name: str | None = None
    resources: Mapping[str, int] = field(default_factory=dict)  # That much of each must be free.
    traits: Sequence[TraitDemand] = ()
    member_of: Sequence[AggregateDemand] = ()

    def includes(self, provider: ResourceProvider) -> bool:
        """Whether it is one of those."""
        return (
            self.uuid in (None, provider.id)
            and self.name in (None, provider.name)
            and all(
                provider.inventories.get(name, _NONE_OF_IT).free >= amount
                for name, amount in self.resources.items()
            )
            and all(demand.holds(provider.traits) for demand in self.traits)
            and all(demand.holds(provider.aggregates) for demand in self.member_of)
        )


def providers_wanted(request: Request) -> ProvidersWanted:
    """Read the query string of a list of providers.

    Raises:
        Invalid: A name is not served at this version, or a value is of another form.
    """
    query = request.query
    minor = request.version.minor
    for name in query.names():
        if name not in _SINCE:
            raise Invalid(name, f"is not served here; served are {', '.join(_SINCE)}")
        if minor < _SINCE[name]:
            raise Invalid(name, f"is served from version 1.{_SINCE[name]}, not at 1.{minor}")
    return ProvidersWanted(
        uuid=query.find("uuid"),
        tree_of=query.find("in_tree"),
        name=query.find("name"),
        resources=parse_resources(query.find("resources")),
        traits=[
            demand
            for value in query.all("required")
            for demand in parse_traits(value, "required", minor)
        ],
        member_of=parse_member_of(query.all("member_of"), minor),
    )


def require_no_query(request: Request) -> None:
    """Refuse any query string."""
    for name in request.query.names():
        raise Invalid(name, "takes no part in this request: leave it out")


def parse_resources(value: str | None) -> dict[str, int]:
    """Read ``VCPU:2,MEMORY_MB:512``; None asks for nothing."""
    if value is None:
        return {}
    found: dict[str, int] = {}
    for entry in value.split(","):
        name, _, amount = entry.partition(":")
        if not _CLASS.fullmatch(name) or not amount.isdecimal() or len(amount) > 10:
            raise Invalid("resources", f"{entry[:60]!r} is not CLASS:AMOUNT, as in VCPU:2")
        if int(amount) < 1:
            raise Invalid("resources", f"{entry[:60]!r} asks for none: give 1 or more")
        found[name] = int(amount)
    return found


def parse_member_of(values: Sequence[str], minor: int) -> list[AggregateDemand]:
    """Read ``UUID``, ``in:UUID,UUID``, and either of them after a ``!``."""
    if len(values) > 1 and minor < _MEMBER_OF_REPEATED_SINCE:
        raise Invalid("member_of", f"may be repeated from 1.{_MEMBER_OF_REPEATED_SINCE} on")
    found = []
    for value in values:
        forbidden = value.startswith("!")
        if forbidden and minor < _MEMBER_OF_FORBIDDEN_SINCE:
            raise Invalid("member_of", f"takes ! from 1.{_MEMBER_OF_FORBIDDEN_SINCE} on")
        several = value.removeprefix("!")
        listed = several.removeprefix("in:").split(",") if several[:3] == "in:" else [several]
        for each in listed:
            if not is_uuid(each):
                raise Invalid("member_of", f"{each[:60]!r} is not the UUID of an aggregate")
        uuids = frozenset(str(uuid.UUID(each)) for each in listed)
        found.append(AggregateDemand(any_of=uuids, forbidden=forbidden))
    return found


def parse_traits(value: str, name: str, minor: int) -> list[TraitDemand]:
    """Read ``A,!B``: each of them; or ``in:A,B``: any of them; of the parameter `name`."""
    if value.startswith("in:"):
        if minor < _ANY_TRAIT_SINCE:
            raise Invalid(name, f"takes in: from 1.{_ANY_TRAIT_SINCE} on")
        any_of = frozenset(_trait(each, name) for each in value.removeprefix("in:").split(","))
        return [TraitDemand(any_of=any_of)]
    if "!" in value and minor < _FORBIDDEN_TRAIT_SINCE:
        raise Invalid(name, f"takes ! from 1.{_FORBIDDEN_TRAIT_SINCE} on")
    return [
        TraitDemand(
            any_of=frozenset({_trait(each.removeprefix("!"), name)}), forbidden=each[:1] == "!"
        )
        for each in value.split(",")
    ]


def _trait(text: str, name: str) -> str:
    if not _CLASS.fullmatch(text):
        raise Invalid(name, f"{text[:60]!r} is no name of a trait, as HW_NIC_SRIOV is")
    return text

"""Allocation candidates: from which providers of a tree a request could be served, each way.

As Placement finds them. They are counts alone: rules, physical networks and NUMA nodes, by which
placement decides, are not known to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Final, Protocol, TypeAlias

from trunkline.domain.errors import Invalid
from trunkline.domain.providers import Inventory, ResourceProvider

# Of one request. Each tree may have as many as the product of its devices: without an end, one
# request would take the service's memory.
COMBINATIONS_MAX: Final = 1_000_000
CANDIDATES_MAX: Final = 100_000

_NONE_OF_IT: Final = Inventory(total=0)
_Part: TypeAlias = tuple[ResourceProvider, Mapping[str, int]]  # So much of one provider.
_Option: TypeAlias = tuple[_Part, ...]


class Demand(Protocol):
    """What traits, or aggregates, must have."""

    def holds(self, names: frozenset[str]) -> bool:
        """Whether they do."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestGroup:
    """Resources that belong together: with a suffix, all of them come from one provider."""

    suffix: str = ""
    resources: Mapping[str, int] = field(default_factory=dict)
    traits: Sequence[Demand] = ()
    member_of: Sequence[Demand] = ()
    in_tree: str | None = None  # Of the provider with this ID.


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidatesWanted:
    """A whole request."""

    groups: Sequence[RequestGroup]
    isolated: bool = False  # Groups with a suffix come from different providers.
    root_traits: Sequence[Demand] = ()
    same_subtrees: Sequence[frozenset[str]] = ()  # Suffixes of groups.
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One way to serve a request."""

    tree: Sequence[ResourceProvider]
    resources: Mapping[str, Mapping[str, int]]  # By provider's ID, then by class.
    mappings: Mapping[str, Sequence[str]]  # From suffix to the IDs of providers.

    @property
    def is_of_one_provider(self) -> bool:
        """Whether those can make use of it that know nothing of trees."""
        return len(self.resources) == 1


class CandidateSearch:
    """Looks through trees, one by one, for the ways to serve one request."""

    def __init__(self, wanted: CandidatesWanted) -> None:
        """Begin; no tree has been looked at."""
        self._wanted = wanted
        self._found = 0
        self._tried = 0

    @property
    def left(self) -> int:
        """How many more are wanted; of more than there may be, one too many."""
        limit = self._wanted.limit
        return (CANDIDATES_MAX + 1 if limit is None else limit) - self._found

    def of_tree(self, tree: Sequence[ResourceProvider]) -> list[Candidate]:
        """Return the ways to serve it from one tree, no more than are wanted.

        Args:
            tree: Its root first.

        Raises:
            Invalid: There are too many, or too many ways to look through.
        """
        wanted = self._wanted
        if not all(demand.holds(tree[0].traits) for demand in wanted.root_traits):
            return []
        found: list[Candidate] = []
        options = [list(_options(tree, group)) for group in wanted.groups]
        for combination in product(*options):
            self._tried += 1
            if self._tried > COMBINATIONS_MAX:
                raise Invalid("resources", "too many ways to serve this: ask for fewer groups")
            candidate = _joined(tree, wanted, combination)
            if candidate is None:
                continue
            found.append(candidate)
            self.count(1)
            if not self.left:
                break
        return found

    def count(self, known: int) -> None:
        """Count so many that were found, here or before.

        Raises:
            Invalid: There are too many.
        """
        self._found += known
        if self._found > CANDIDATES_MAX:
            raise Invalid("limit", f"more than {CANDIDATES_MAX} candidates: ask for fewer")


def _options(tree: Sequence[ResourceProvider], group: RequestGroup) -> Iterator[_Option]:
    """Yield each way to serve one group."""
    root = tree[0]
    if group.in_tree is not None and all(each.id != group.in_tree for each in tree):
        return
    members = [
        provider
        for provider in tree
        # Who is in an aggregate is so with all below it.
        if all(d.holds(root.aggregates | provider.aggregates) for d in group.member_of)
    ]
    if group.suffix:
        for provider in members:
            if all(
                _has(provider, name, amount) for name, amount in group.resources.items()
            ) and all(demand.holds(provider.traits) for demand in group.traits):
                yield ((provider, group.resources),)
        return
    by_class = [
        [(provider, {name: amount}) for provider in members if _has(provider, name, amount)]
        for name, amount in group.resources.items()
    ]
    for parts in product(*by_class):
        traits = frozenset().union(*(provider.traits for provider, _ in parts))
        if all(demand.holds(traits) for demand in group.traits):
            yield parts


def _has(provider: ResourceProvider, name: str, amount: int) -> bool:
    return provider.inventories.get(name, _NONE_OF_IT).free >= amount


def _joined(
    tree: Sequence[ResourceProvider], wanted: CandidatesWanted, options: Sequence[_Option]
) -> Candidate | None:
    """Put the groups' parts together; None: they do not go together."""
    resources: dict[str, dict[str, int]] = {}
    mappings: dict[str, tuple[str, ...]] = {}
    providers: dict[str, ResourceProvider] = {}
    for group, option in zip(wanted.groups, options, strict=True):
        mappings[group.suffix] = tuple(dict.fromkeys(provider.id for provider, _ in option))
        for provider, amounts in option:
            providers[provider.id] = provider
            for name, amount in amounts.items():
                taken = resources.setdefault(provider.id, {})
                taken[name] = taken.get(name, 0) + amount
    if wanted.isolated and not _are_apart(mappings):
        return None
    root = tree[0].id
    for suffixes in wanted.same_subtrees:
        ids = {one for suffix in suffixes for one in mappings[suffix]}
        if len(ids) > 1 and root not in ids:  # A root is above all, and nothing else above any.
            return None
    if len(options) > 1 and not all(
        _has(providers[one], name, amount)
        for one, amounts in resources.items()
        for name, amount in amounts.items()
    ):
        return None
    return Candidate(tree=tree, resources=resources, mappings=mappings)


def _are_apart(mappings: Mapping[str, Sequence[str]]) -> bool:
    used = [one for suffix, ids in mappings.items() if suffix for one in ids]
    return len(used) == len(set(used))

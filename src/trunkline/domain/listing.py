"""What a list is asked for: filters, order and page. Made from query strings, turned into SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

PAGE_SIZE_MAX: Final = 1000  # Items in one answer; more come by marker.


@dataclass(frozen=True, slots=True)
class SortKey:
    """One key to sort by."""

    name: str
    descending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TagFilter:
    """Which tags things must have to be listed, or must not; empty: it matters not."""

    all_of: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    not_all_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """Filters are ANDed; the values of one filter are ORed. Names are those of the domain's fields.

    `sort` is completed by the ID, so that pages never overlap.
    """

    equals: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    like: Mapping[str, str] = field(default_factory=dict)  # SQL patterns, `\` escapes; case aside.
    at_least: Mapping[str, object] = field(default_factory=dict)
    at_most: Mapping[str, object] = field(default_factory=dict)
    tags: TagFilter = TagFilter()
    sort: tuple[SortKey, ...] = ()
    limit: int | None = None  # None: the largest page.
    marker: str | None = None  # The ID of the last item of the page before.
    visible_to: str | None = None  # Only what this project may see; None: everything.
    page_size_max: int = PAGE_SIZE_MAX

    @property
    def page_size(self) -> int:
        """How many items to return at most."""
        return self.page_size_max if self.limit is None else min(self.limit, self.page_size_max)

"""Query strings of lists: filters, order, page, and which fields to show."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from trunkline.api.http import Query, Request
from trunkline.domain.errors import Invalid
from trunkline.domain.listing import PAGE_SIZE_MAX, ListQuery, SortKey

_BOOLEANS: Final = {"true": True, "false": False, "1": True, "0": False}
SORT_KEYS_MAX: Final = 8


def text(value: str) -> object:
    """Take a filter's value as it is."""
    return value


def boolean(value: str) -> object:
    """Take a filter's value as true or false; raise `ValueError` for anything else."""
    try:
        return _BOOLEANS[value.lower()]
    except KeyError:
        raise ValueError("must be true or false") from None


def integer(value: str) -> object:
    """Take a filter's value as a whole number; raise `ValueError` for anything else."""
    if len(value) > 18 or not value.removeprefix("-").isdecimal():
        raise ValueError("must be a whole number")
    return int(value)


@dataclass(frozen=True, slots=True)
class Filter:
    """What a name in a query string filters by."""

    field: str  # The domain's name for it.
    parse: Callable[[str], object] = text  # Raises `ValueError` for what it can't take.


def list_query(
    request: Request,
    *,
    filters: Mapping[str, Filter],
    sort_keys: Mapping[str, str],
    visible_to: str | None,
    ignored: Collection[str] | None = None,
) -> ListQuery:
    """Read ``?name=a&name=b&sort_key=name&sort_dir=desc&limit=10&marker=ID``.

    Args:
        request: Its query string is read.
        filters: By name in the query string. Values of one name are ORed, names ANDed.
        sort_keys: The domain's field for each `sort_key`.
        visible_to: As in `ListQuery`.
        ignored: Further names that may be there. None: any name may, and does nothing.

    Raises:
        Invalid: Something in it is malformed or unknown.
    """
    query = request.query
    equals: dict[str, tuple[object, ...]] = {}
    for name in query.names():
        if name in filters:
            wanted = filters[name]
            values = tuple(_parse_filter(name, wanted, value) for value in query.all(name))
            equals[wanted.field] = equals.get(wanted.field, ()) + values
        elif name not in _PAGING and ignored is not None and name not in ignored:
            raise Invalid(name, f"not a filter here; there are {', '.join(sorted(filters))}")
    return ListQuery(
        equals=equals,
        sort=_sort(query, sort_keys),
        limit=_limit(query),
        marker=query.find("marker") or None,
        visible_to=visible_to,
    )


_PAGING: Final = frozenset({"limit", "marker", "sort_key", "sort_dir", "fields", "page_reverse"})


def _parse_filter(name: str, wanted: Filter, value: str) -> object:
    try:
        return wanted.parse(value)
    except ValueError as problem:
        raise Invalid(name, str(problem)) from None


def _sort(query: Query, sort_keys: Mapping[str, str]) -> tuple[SortKey, ...]:
    keys, directions = query.all("sort_key"), query.all("sort_dir")
    if len(keys) > SORT_KEYS_MAX:
        raise Invalid("sort_key", f"at most {SORT_KEYS_MAX} of them")
    return tuple(
        sort_key(key, directions[at] if at < len(directions) else "asc", sort_keys)
        for at, key in enumerate(keys)
    )


def sort_key(key: str, direction: str, sort_keys: Mapping[str, str]) -> SortKey:
    """Return one key to sort by; raise `Invalid` if it or its direction is unknown."""
    if key not in sort_keys:
        raise Invalid("sort_key", f"{key[:60]!r} is none of {', '.join(sorted(sort_keys))}")
    if direction not in ("asc", "desc"):
        raise Invalid("sort_dir", f"must be asc or desc, not {direction[:60]!r}")
    return SortKey(sort_keys[key], descending=direction == "desc")


def _limit(query: Query) -> int | None:
    value = query.find("limit")
    if value is None or value == "":
        return None
    if len(value) > 18 or not value.isdecimal():
        raise Invalid("limit", "must be a whole number, not negative")
    return int(value) or None  # Neutron takes 0 as no limit.


def is_full_page(query: ListQuery, count: int) -> bool:
    """Say whether there may be more after a page of `count` items."""
    return count >= query.page_size and count > 0


def next_page_url(request: Request, query: ListQuery, marker: str | None) -> str:
    """Return the URL of the page after the item `marker`, with all else as it was asked.

    Without a marker it is the first page.
    """
    kept = [pair for pair in request.query.pairs if pair[0] not in ("marker", "limit")]
    limit = query.limit or PAGE_SIZE_MAX
    after = [] if marker is None else [("marker", marker)]
    more = urlencode([*kept, ("limit", limit), *after])
    return f"{request.base_url}{request.path}?{more}"


def select_fields(request: Request, items: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Keep only the fields that ``?fields=a&fields=b`` names, if it names any."""
    wanted = set(request.query.all("fields"))
    if not wanted:
        return list(items)
    return [{name: item[name] for name in item if name in wanted} for item in items]

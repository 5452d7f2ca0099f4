"""Order and pages of lists, as Nova's clients ask for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from trunkline.api.compute.links import next_page
from trunkline.api.http import Request
from trunkline.api.listing import SORT_KEYS_MAX, is_full_page, sort_key
from trunkline.domain.errors import Invalid, NotFound
from trunkline.domain.listing import PAGE_SIZE_MAX, ListQuery

T = TypeVar("T")

PAGING: Final = frozenset({"limit", "marker", "sort_key", "sort_dir"})


def page_query(
    request: Request, *, sort_keys: Mapping[str, str | None], direction: str = "desc"
) -> ListQuery:
    """Read ``?limit=10&marker=ID&sort_key=name&sort_dir=asc``.

    Args:
        request: Its query string is read.
        sort_keys: The domain's field for each key; None: the key is known, and does nothing.
        direction: Where none is said.
    """
    query = request.query
    keys, directions = query.all("sort_key"), query.all("sort_dir")
    if len(keys) > SORT_KEYS_MAX:
        raise Invalid("sort_key", f"at most {SORT_KEYS_MAX} of them")
    fields = {key: field for key, field in sort_keys.items() if field is not None}
    return ListQuery(
        sort=tuple(
            sort_key(key, directions[at] if at < len(directions) else direction, fields)
            for at, key in enumerate(keys)
            if key in fields or key not in sort_keys
        ),
        limit=_limit(query.find("limit")),
        marker=query.find("marker") or None,
    )


def _limit(value: str | None) -> int | None:
    if value is None:
        return None
    if not (0 < len(value) <= 18 and value.isascii() and value.isdecimal()):
        raise Invalid("limit", "must be a whole number, not negative")
    return int(value) or None  # 0 asks for no limit of its own.


def read_time(name: str, text: str) -> datetime:
    """Read a time in ISO 8601, in UTC where it names no zone."""
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):  # The second: a time of year 1 in an eastern zone.
        raise Invalid(name, "must be a time in ISO 8601") from None


@contextmanager
def marker_checked() -> Iterator[None]:
    """Turn a marker that names nothing into a fault of the request, as in Nova."""
    try:
        yield
    except NotFound as missing:
        if not missing.what.startswith("marker"):
            raise
        raise Invalid("marker", f"{missing.ref} could not be found") from missing


def page_links(request: Request, name: str, query: ListQuery, ids: Sequence[str]) -> dict[str, Any]:
    """Return the link to the next page, if there may be one."""
    if not is_full_page(query, len(ids)):
        return {}
    links = next_page(request.base_url, request.path, request.query.pairs, marker=ids[-1])
    return {f"{name}_links": links}


def every_page(fetch: Callable[[ListQuery], list[T]], id_of: Callable[[T], str]) -> list[T]:
    """Return all of a list that has no pages on the wire, read in pages all the same."""
    found: list[T] = []
    query = ListQuery(limit=PAGE_SIZE_MAX)
    while True:
        page = fetch(query)
        found += page
        if not is_full_page(query, len(page)):
            return found
        query = ListQuery(limit=PAGE_SIZE_MAX, marker=id_of(page[-1]))

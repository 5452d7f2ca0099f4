"""Query strings of trunkline/v1: an unknown name is a fault, so that no typo lists everything."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from trunkline.api.http import Request
from trunkline.api.listing import Filter, list_query
from trunkline.domain.listing import ListQuery


def strict_query(request: Request, filters: Mapping[str, Filter]) -> ListQuery:
    """Read filters, `limit` and `marker`; raise `Invalid` for any other name."""
    return list_query(request, filters=filters, sort_keys={}, visible_to=None, ignored=())


def any_of(*names: str) -> dict[str, Filter]:
    """Return filters that take any text and are called as the domain calls the field."""
    return {name: Filter(name) for name in names}


def one_of(*values: str) -> Callable[[str], object]:
    """Return a parser that takes only these values."""

    def parse(value: str) -> object:
        if value not in values:
            raise ValueError(f"must be one of {', '.join(values)}, not {value[:60]!r}")
        return value

    return parse

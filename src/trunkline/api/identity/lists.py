"""Keystone's lists: filters by name, pages if asked for, and what clients add of their own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar
from urllib.parse import urlencode

from trunkline.api import listing
from trunkline.api.http import Request, Response
from trunkline.api.listing import Filter
from trunkline.api.parsing import Fields
from trunkline.control.requests import UNSET, Unset
from trunkline.domain.errors import Invalid
from trunkline.domain.ids import DomainId
from trunkline.domain.listing import ListQuery, SortKey
from trunkline.wire.json import encode

T = TypeVar("T")

ITEMS_SHOWN_MAX: Final = 10_000  # To clients that ask for no pages; they are told of more.
EXTRA_BYTES_MAX: Final = 16 * 1024
_COMPARATORS: Final = (
    "contains",
    "icontains",
    "startswith",
    "istartswith",
    "endswith",
    "iendswith",
)


def flag(value: str) -> object:
    """Take a filter's value as true or false, as Keystone does: what is there is true."""
    return value.lower() not in ("false", "0")


def page(
    request: Request,
    name: str,
    *,
    filters: Mapping[str, Filter],
    find: Callable[[ListQuery], Sequence[T]],
    render: Callable[[Request, T], Mapping[str, object]],
) -> Response:
    """Answer a list that `find` gets.

    Args:
        request: Its query string is read. Names that are no filters do nothing, as in Keystone.
        name: What the list is called.
        filters: By name in the query string.
        find: Returns the items of one page.
        render: Renders one.

    Raises:
        Invalid: A filter is malformed, or compares in a way that is not served.
    """
    query = request.query
    for key in query.names():
        field, _, comparator = key.partition("__")
        if field in filters and comparator in _COMPARATORS:
            raise Invalid(key, f"not served: filter by {field}, which must be equal")
    asked = listing.list_query(request, filters=filters, sort_keys={}, visible_to=None)
    asked = replace(asked, sort=(SortKey("name"),), page_size_max=ITEMS_SHOWN_MAX)
    rendered = [render(request, item) for item in find(asked)]
    following = None
    if listing.is_full_page(asked, len(rendered)):
        kept = [pair for pair in query.pairs if pair[0] not in ("marker", "limit")]
        more = [*kept, ("limit", asked.page_size), ("marker", rendered[-1]["id"])]
        following = f"{request.base_url}{request.path}?{urlencode(more)}"
    body = dict(collection(request, name, rendered, following=following))
    if following is not None and asked.limit is None:
        body["truncated"] = True
    return Response(body=body)


def collection(
    request: Request,
    name: str,
    items: Sequence[Mapping[str, object]],
    *,
    following: str | None = None,
) -> Mapping[str, object]:
    """Render a list, and where its next page is."""
    links = {"self": request.base_url + request.path, "previous": None, "next": following}
    return {name: list(items), "links": links}


def whole(
    request: Request, name: str, items: Sequence[Mapping[str, object]], *filters: str
) -> Response:
    """Answer a list that is short, with those of its items that have what `filters` ask for."""
    asked = {key: request.query.all(key) for key in filters if key in request.query}
    shown = [item for item in items if all(item[key] in asked[key] for key in asked)]
    return Response(body=collection(request, name, shown))


def read_name(fields: Fields, default: T, *, length_max: int = 255) -> str | T:
    """Read a name: text that is more than spaces."""
    name = fields.text("name", default, length_min=1, length_max=length_max)
    if isinstance(name, str) and not name.strip():
        raise fields.invalid("name", "must have more than spaces")
    return name


def read_description(fields: Fields, *, length_max: int = 65_535) -> str | Unset:
    """Read a description; null is as well as empty."""
    if "description" not in fields:
        return UNSET
    text = fields.text("description", None, length_max=length_max)
    return "" if text is None else text


def read_domain(fields: Fields) -> DomainId | None:
    """Read which domain a new thing is to be in; null: the default one."""
    domain = fields.text("domain_id", None, length_max=64)
    return None if domain is None else DomainId(domain)


def require_same_domain(fields: Fields, domain_id: DomainId) -> None:
    """Raise `Invalid` for what is to be in another domain than it is in."""
    if fields.text("domain_id", None) not in (None, domain_id):
        raise fields.invalid("domain_id", "cannot change")


def without_own_id(request: Request, fields: Fields) -> Fields:
    """Drop the ID that an update names, if it is that of the path."""
    if fields.raw("id") != request.params["id"]:
        return fields
    kept = {name: fields.raw(name) for name in fields.names() if name != "id"}
    return Fields(kept, fields.path_of("")[:-1])


def refuse_options(fields: Fields) -> None:
    """Raise `Invalid` for an option that is to have an effect: none is served."""
    for name, value in fields.mapping("options", {}).items():
        if value:
            raise fields.invalid(f"options.{name[:64]}", "not served; leave it out")


def read_extra(fields: Fields, known: Collection[str]) -> Mapping[str, object]:
    """Read what a client adds of its own, which is kept and shown as it is.

    Raises:
        Invalid: It is too much, or by a name that says what only the service can say.
    """
    extra = {name: fields.raw(name) for name in fields.names() if name not in known}
    for name in extra:
        if name in ("id", "links", "password_expires_at", "federated"):
            raise fields.invalid(name, "can't be set")
        if len(name) > 255:
            raise fields.invalid(name[:64], "is too long a name")
    if len(encode(extra)) > EXTRA_BYTES_MAX:
        most = max(extra, key=lambda name: len(encode(extra[name])))
        raise fields.invalid(most, f"all properties together may have {EXTRA_BYTES_MAX} bytes")
    return extra

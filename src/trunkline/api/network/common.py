"""What the network face's collections have in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from trunkline.api.http import Request, Response
from trunkline.api.listing import (
    Filter,
    integer,
    is_full_page,
    list_query,
    next_page_url,
    select_fields,
)
from trunkline.api.parsing import Fields, body_fields
from trunkline.api.problems import HttpProblem
from trunkline.domain.errors import GenerationMoved, Invalid
from trunkline.domain.ids import QosPolicyId
from trunkline.domain.listing import ListQuery, SortKey, TagFilter
from trunkline.domain.tags import TAGS_MAX

T = TypeVar("T")
Item = dict[str, Any]

BULK_MAX: Final = 200  # Things made by one request: they share one transaction.
_IF_MATCH: Final = re.compile(r"\"?revision_number=(-?\d{1,18})\"?")
# Each has tags with commas between them.
_TAG_FILTERS: Final = {
    "tags": "all_of", "tags-any": "any_of", "not-tags": "not_all_of", "not-tags-any": "none_of",
}  # fmt: skip
_SINCE: Final = ("changed_since",)
_TIMES_KEPT_MAX: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A kind of thing as the network face lists it."""

    name: str  # ``networks``
    member: str  # ``network``
    filters: Mapping[str, Filter]
    sort_keys: Mapping[str, str]
    # Fields that have the same value for all; filtering by another value finds nothing.
    constants: Mapping[str, str] = field(default_factory=dict)
    # Fields that clients may send though nothing is made of them, each with its harmless values.
    inert: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    tagged: bool = False  # They have tags, by which they can be listed.
    identified_by: str = "id"  # The field that a marker names.


# What every thing that belongs to a project can be listed by.
OWNED_FILTERS: Final[Mapping[str, Filter]] = MappingProxyType({
    "id": Filter("id"),
    "name": Filter("name"),
    "description": Filter("description"),
    "project_id": Filter("project_id"),
    "tenant_id": Filter("project_id"),
    "revision_number": Filter("revision", integer),
})  # fmt: skip
OWNED_SORT_KEYS: Final[Mapping[str, str]] = MappingProxyType({
    "id": "id",
    "name": "name",
    "project_id": "project_id",
    "tenant_id": "project_id",
    "created_at": "created_at",
    "updated_at": "updated_at",
})  # fmt: skip


@lru_cache(maxsize=_TIMES_KEPT_MAX)
def timestamp(at: datetime) -> str:
    """Render a time as Neutron does: ``2026-01-02T03:04:05Z``."""
    text = at.astimezone(UTC).isoformat(timespec="seconds")  # A tenth of what `strftime` takes.
    return f"{text.removesuffix('+00:00')}Z"


def answer_list(
    request: Request,
    collection: Collection,
    find: Callable[[ListQuery], Sequence[T]],
    render: Callable[[T], Item],
) -> Response:
    """Answer a page of the collection, with links to the pages before and after it.

    ``page_reverse=True`` asks for the items before the marker, still in the order asked for.
    """
    query = list_query(
        request,
        filters=collection.filters,
        sort_keys=collection.sort_keys,
        visible_to=None,
        ignored=(*collection.constants, *(_TAG_FILTERS if collection.tagged else ()), *_SINCE),
    )
    query = replace(query, tags=_tag_filter(request), at_least=_changed_since(request, collection))
    if not _constants_match(request, collection):
        return Response(body={collection.name: []})
    backwards = (request.query.find("page_reverse") or "").lower() in ("true", "1")
    found = find(_reversed(query) if backwards else query)
    items = [render(one) for one in found]
    if backwards:
        items.reverse()
    full = is_full_page(query, len(items))
    body: dict[str, object] = {collection.name: select_fields(request, items)}
    links = []
    # An empty page, after the last item or before the first, is left the way it was come by.
    first, last = (
        (items[0][collection.identified_by], items[-1][collection.identified_by])
        if items
        else (None, None)
    )
    paged = bool(items) or query.marker is not None
    if paged and (full or backwards):
        links.append({"rel": "next", "href": _next(request, query, last)})
    if paged and (query.marker is not None if not backwards else full):
        links.append({"rel": "previous", "href": _previous(request, query, first)})
    if links:
        body[f"{collection.name}_links"] = links
    return Response(body=body)


def answer_item(
    request: Request, collection: Collection, item: Item, *, status: int = 200
) -> Response:
    """Answer one item, or only its fields that ``?fields=`` names."""
    (selected,) = select_fields(request, [item])
    return Response(status=status, body={collection.member: selected})


def answer_created(
    request: Request,
    collection: Collection,
    parse: Callable[[Fields], T],
    create: Callable[[Sequence[T]], Sequence[Item]],
) -> Response:
    """Make what the body asks for: one thing, or several in a list."""
    body = body_fields(request)
    if collection.name in body:
        wanted = body.objects(collection.name)
        if not 1 <= len(wanted) <= BULK_MAX:
            raise Invalid(collection.name, f"must have 1 to {BULK_MAX} items")
        items = create([parse(_bulk_item(each, collection)) for each in wanted])
        return Response(status=201, body={collection.name: list(items)})
    (item,) = create([parse(_without_inert(body.fields(collection.member), collection))])
    return Response(status=201, body={collection.member: item})


def update_fields(request: Request, collection: Collection) -> Fields:
    """Return the fields of an update."""
    return _without_inert(body_fields(request, collection.member), collection)


def seen_revision(request: Request) -> int | None:
    """Read ``If-Match: revision_number=N``; None without the header."""
    header = request.headers.get("if-match")
    if header is None:
        return None
    match = _IF_MATCH.fullmatch(header.strip())
    if match is None:
        raise Invalid("If-Match", "must be revision_number=N")
    return int(match[1])


@contextmanager
def precondition(seen: int | None) -> Iterator[None]:
    """Answer 412 if what was to be changed is not at the revision that the client has seen."""
    try:
        yield
    except GenerationMoved as moved:
        if seen is None:
            raise
        raise HttpProblem(412, f"{moved.what} {moved.ref} is not at revision {seen}") from moved


def project_of(fields: Fields) -> str | None:
    """Read the project that a new thing is to belong to, by its new name or its old one."""
    # PostgreSQL keeps it in 36 characters.
    return fields.text("project_id", fields.text("tenant_id", None, length_max=36), length_max=36)


def parse_qos_policy(fields: Fields) -> QosPolicyId | None:
    """Read which QoS policy a port or a network is to have; null: none."""
    policy_id = fields.uuid("qos_policy_id", None)
    return None if policy_id is None else QosPolicyId(policy_id)


def _bulk_item(fields: Fields, collection: Collection) -> Fields:
    """Return the fields of one of several, which may be wrapped as if it came alone."""
    wrapped = fields.names() == [collection.member]
    return _without_inert(fields.fields(collection.member) if wrapped else fields, collection)


def _without_inert(fields: Fields, collection: Collection) -> Fields:
    """Drop fields that ask for nothing; refuse those that ask for what is not served."""
    kept = {}
    for name in fields.names():
        if name not in collection.inert:
            kept[name] = fields.raw(name)
        elif fields.raw(name) not in collection.inert[name]:
            raise fields.invalid(name, "not supported here")
    return Fields(kept, collection.member)


def _tag_filter(request: Request) -> TagFilter:
    wanted: dict[str, tuple[str, ...]] = {}
    for name, field_name in _TAG_FILTERS.items():
        tags = tuple(tag for value in request.query.all(name) for tag in value.split(","))
        if len(tags) > TAGS_MAX:
            raise Invalid(name, f"at most {TAGS_MAX} tags")
        wanted[field_name] = tags
    return TagFilter(**wanted)


def _changed_since(request: Request, collection: Collection) -> dict[str, object]:
    """Read ``changed_since=2026-01-02T03:04:05Z``, for things that tell when they changed."""
    since = request.query.find("changed_since")
    if since is None:
        return {}
    if "updated_at" not in collection.sort_keys:
        raise Invalid("changed_since", "not a filter here: when these changed is not kept")
    try:
        at = datetime.fromisoformat(since)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid("changed_since", "must be a time like 2026-01-02T03:04:05Z") from None
    return {"updated_at": at}


def _constants_match(request: Request, collection: Collection) -> bool:
    return all(
        value.lower() in (given.lower() for given in request.query.all(name))
        for name, value in collection.constants.items()
        if name in request.query
    )


def _reversed(query: ListQuery) -> ListQuery:
    keys = (
        query.sort if any(key.name == "id" for key in query.sort) else (*query.sort, SortKey("id"))
    )
    return replace(
        query, sort=tuple(SortKey(key.name, descending=not key.descending) for key in keys)
    )


def _next(request: Request, query: ListQuery, marker: str | None) -> str:
    return next_page_url(_forwards(request), query, marker)


def _previous(request: Request, query: ListQuery, marker: str | None) -> str:
    url = next_page_url(_forwards(request), query, marker)
    return f"{url}&{urlencode({'page_reverse': 'True'})}"


def _forwards(request: Request) -> Request:
    pairs = tuple(pair for pair in request.query.pairs if pair[0] != "page_reverse")
    return replace(request, query=replace(request.query, pairs=pairs))

"""Query strings of image lists, as Glance reads them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import urlencode

from trunkline.api.http import Request
from trunkline.api.listing import (
    SORT_KEYS_MAX,
    Filter,
    boolean,
    integer,
    list_query,
    sort_key,
    text,
)
from trunkline.domain.errors import Invalid
from trunkline.domain.image import MemberStatus
from trunkline.domain.listing import ListQuery, SortKey

_FILTERS: Final[Mapping[str, Filter]] = MappingProxyType({
    "id": Filter("id", text),
    "name": Filter("name", text),
    "status": Filter("state", text),
    "owner": Filter("project_id", text),
    "disk_format": Filter("disk_format", text),
    "container_format": Filter("container_format", text),
    "visibility": Filter("visibility", text),
    "protected": Filter("protected", boolean),
    "os_hidden": Filter("hidden", boolean),
    "min_disk": Filter("min_disk_gib", integer),
    "min_ram": Filter("min_ram_mib", integer),
    "size": Filter("size_bytes", integer),
    "checksum": Filter("md5", text),
    "os_hash_value": Filter("sha512", text),
    "tag": Filter("tag", text),
})  # fmt: skip
_SEVERAL: Final = frozenset({"id", "name", "status", "disk_format", "container_format"})
_SORT_KEYS: Final = MappingProxyType({
    name: rule.field for name, rule in _FILTERS.items() if name not in ("tag", "checksum")
} | {"created_at": "created_at", "updated_at": "updated_at"})  # fmt: skip
_OTHER: Final = frozenset(
    {"limit", "marker", "sort", "sort_key", "sort_dir", "member_status", "size_min", "size_max"}
)
CONDITIONS_MAX: Final = 64  # Each is one more in the database's query, which takes a thousand.
_REFUSED: Final = frozenset({"created_at", "updated_at", "changes-since"})


def image_list_query(request: Request) -> ListQuery:
    """Read the filters, order and page that are asked for; newest first unless told otherwise."""
    query = list_query(
        request, filters=_FILTERS, sort_keys=_SORT_KEYS, visible_to=None, ignored=None
    )
    equals = dict(query.equals)
    for name in _SEVERAL & set(request.query.names()):
        values = request.query.all(name)
        equals[_FILTERS[name].field] = tuple(one for value in values for one in _in(value))
    if "all" in equals.get("visibility", ()):  # Glance's word for no filter.
        del equals["visibility"]
    if (status := request.query.find("member_status")) is not None:
        equals["member_status"] = _member_statuses(status)
    if "hidden" not in equals:
        equals["hidden"] = (False,)
    properties: list[str] = []
    if len(equals.get("tag", ())) > CONDITIONS_MAX:
        raise Invalid("tag", f"at most {CONDITIONS_MAX} of them")
    for name in request.query.names():
        if name in _REFUSED:
            raise Invalid(name, "not something to filter images by here")
        if name not in _FILTERS and name not in _OTHER:
            properties += (values := request.query.all(name))
            equals[f"property:{name}"] = tuple(values)
            if len(properties) > CONDITIONS_MAX:
                raise Invalid(name, f"at most {CONDITIONS_MAX} properties to filter by")
    sort = _sort(request) or query.sort or (SortKey("created_at", descending=True),)
    return ListQuery(
        equals=equals,
        at_least=_size(request, "size_min"),
        at_most=_size(request, "size_max"),
        sort=sort,
        limit=query.limit,
        marker=query.marker,
    )


def _size(request: Request, name: str) -> dict[str, object]:
    value = request.query.find(name)
    if value is None:
        return {}
    if not value.isdecimal() or len(value) > 18:
        raise Invalid(name, "must be a number of bytes")
    return {"size_bytes": int(value)}


def _member_statuses(text: str) -> tuple[str, ...]:
    known = [status.value for status in MemberStatus]
    if text != "all" and text not in known:
        raise Invalid("member_status", f"must be all or one of {', '.join(known)}")
    return tuple(known) if text == "all" else (text,)


def _in(value: str) -> list[str]:
    """Read ``in:a,b``; commas may be part of a quoted value. Anything else is one value."""
    if not value.startswith("in:"):
        return [value]
    values, held, quoted = [], "", False
    for character in value.removeprefix("in:"):
        if character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            values.append(held)
            held = ""
        else:
            held += character
    return [*values, held]


def _sort(request: Request) -> tuple[SortKey, ...]:
    """Read ``sort=name:asc,created_at:desc``; Glance sorts downward unless told."""
    value = request.query.find("sort")
    if not value:
        return ()
    parts = value.split(",")
    if len(parts) > SORT_KEYS_MAX:
        raise Invalid("sort", f"at most {SORT_KEYS_MAX} keys")
    keys = (part.strip().partition(":") for part in parts)
    return tuple(sort_key(key, direction or "desc", _SORT_KEYS) for key, _, direction in keys)


def page_links(request: Request, query: ListQuery, ids: list[str]) -> dict[str, str]:
    """Return the links to the first page and, where there may be more, to the next one."""
    kept = [pair for pair in request.query.pairs if pair[0] != "marker"]
    first = urlencode(kept)
    links = {"first": "/v2/images" + (f"?{first}" if first else "")}
    if ids and len(ids) >= query.page_size:
        links["next"] = f"/v2/images?{urlencode([*kept, ('marker', ids[-1])])}"
    return links

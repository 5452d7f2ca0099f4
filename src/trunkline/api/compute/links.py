"""The links in bodies. `bookmark` is `self` without the API's version, as Nova gives it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, urlencode

PREFIX: Final = "/compute"
ROOT: Final = f"{PREFIX}/v2.1"

Link = dict[str, str]


def self_links(base_url: str, *path: str) -> list[Link]:
    """Return the two links of one thing, e.g. of ``("servers", ID)``."""
    tail = "/".join(quote(part, safe="") for part in path)
    return [
        {"rel": "self", "href": f"{base_url}{ROOT}/{tail}"},
        {"rel": "bookmark", "href": f"{base_url}{PREFIX}/{tail}"},
    ]


def bookmark(base_url: str, *path: str) -> list[Link]:
    """Return the bookmark alone, as things that are embedded in others have it."""
    return self_links(base_url, *path)[1:]


def next_page(
    base_url: str, path: str, query: Iterable[tuple[str, str]], *, marker: str
) -> list[Link]:
    """Return the link to the page after `marker`, with the rest of the query as it was."""
    pairs = [(name, value) for name, value in query if name != "marker"]
    pairs.append(("marker", marker))
    return [{"rel": "next", "href": f"{base_url}{path}?{urlencode(pairs)}"}]

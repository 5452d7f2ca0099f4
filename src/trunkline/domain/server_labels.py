"""Metadata and tags: what owners write on their servers. The limits are Nova's."""

from __future__ import annotations

import re
from typing import Final

METADATA_CHARS_MAX: Final = 255  # Of a key, and of a value.
TAGS_MAX: Final = 50
TAG_CHARS_MAX: Final = 60

_METADATA_KEY: Final = re.compile(rf"[a-zA-Z0-9-_:. ]{{1,{METADATA_CHARS_MAX}}}")


def metadata_key_problem(key: str) -> str | None:
    """Say why `key` can't be a key of metadata, if it can't."""
    if _METADATA_KEY.fullmatch(key):
        return None
    return f"a key has 1 to {METADATA_CHARS_MAX} letters, digits, spaces, or any of -_:."


def tag_problem(tag: str) -> str | None:
    """Say why `tag` can't be a tag, if it can't. Clients join tags with commas, paths with '/'."""
    if 1 <= len(tag) <= TAG_CHARS_MAX and "," not in tag and "/" not in tag:
        return None
    return f"1 to {TAG_CHARS_MAX} characters, no ',' or '/'"

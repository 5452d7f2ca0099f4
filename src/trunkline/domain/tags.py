"""Tags: words that people hang on networks, ports and the like, to find them by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from trunkline.domain.errors import Invalid

TAG_LENGTH_MAX: Final = 255  # As Neutron's.
TAGS_MAX: Final = 64  # Of one thing: they are read with it, whenever it is.


def check_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """Return the tags, each once, in their order.

    Raises:
        Invalid: One is empty or too long, or there are too many.
    """
    for tag in tags:
        if not 1 <= len(tag) <= TAG_LENGTH_MAX:
            raise Invalid("tags", f"each must have 1 to {TAG_LENGTH_MAX} characters")
    once = tuple(dict.fromkeys(tags))
    if len(once) > TAGS_MAX:
        raise Invalid("tags", f"at most {TAGS_MAX}, not {len(once)}")
    return once

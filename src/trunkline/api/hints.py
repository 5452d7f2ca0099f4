"""Scheduler hints: what is asked about a server beside the server itself."""

from __future__ import annotations

from typing import Final

from trunkline.api.parsing import Fields
from trunkline.domain.nic_rules import (
    AFFINITY_KEY,
    ANTI_AFFINITY_KEY,
    RULES_MAX,
    TEXT_LENGTH_MAX,
    AskedRule,
    parse_rules,
)

_KEYS: Final = (AFFINITY_KEY, ANTI_AFFINITY_KEY)


def parse_hints(hints: Fields) -> tuple[AskedRule, ...]:
    """Read the rules over NICs; a hint given several times is a list.

    Raises:
        Invalid: A hint is malformed, or not known: it would have no effect.
    """
    rules: list[AskedRule] = []
    for key in hints.names():
        if key not in _KEYS:
            raise hints.invalid(key, f"not served; there are the hints {' and '.join(_KEYS)}")
        texts = (
            [hints.text(key, length_max=TEXT_LENGTH_MAX)]
            if isinstance(hints.raw(key), str)
            else hints.texts(key)
        )
        if len(texts) > RULES_MAX:
            raise hints.invalid(key, f"given more than {RULES_MAX} times")
        for text in texts:
            rules += parse_rules(key, text, field=hints.path_of(key))
    return tuple(rules)

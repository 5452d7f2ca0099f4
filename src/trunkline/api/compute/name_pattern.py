"""Filters of servers by text: regular expressions in Nova, here a part of that language.

Text, ``.``, ``.*``, ``.+``, an escaped character, and ``^`` and ``$`` at the ends: as much as the
database can match in its LIKE, whose cost is bounded, unlike that of a regular expression.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from trunkline.domain.errors import Invalid

PATTERN_CHARS_MAX: Final = 255  # As long as a name.

_OTHER_OPERATORS: Final = frozenset("*+?()[]{}|^$")
_LIKE_OPERATORS: Final = frozenset("%_\\")


@dataclass(frozen=True, slots=True)
class Like:
    """A pattern for SQL's LIKE, escaped with a backslash."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Exactly:
    """A name as it stands.

    Clients look for a name such as ``web (1)`` without escaping it. That name must be found; as a
    pattern the text is refused, which `problem` says, if no server has it for a name.
    """

    name: str
    problem: str


def read_name_pattern(text: str, *, field: str = "name") -> Like | Exactly:
    """Return what to look for; raise `Invalid`, of the `field`, if the pattern is too long."""
    if len(text) > PATTERN_CHARS_MAX:
        raise Invalid(field, f"a pattern has {PATTERN_CHARS_MAX} characters at most")
    starts, ends = text.startswith("^"), text.endswith("$") and not text.endswith("\\$")
    inner = text[starts : len(text) - ends]
    parts = [] if starts else ["%"]
    at = 0
    while at < len(inner):
        part, length = _translate(inner, at)
        if not length:
            return Exactly(text, f"{inner[at]!r} is not served in a pattern; . .* .+ ^ and $ are")
        parts.append(part)
        at += length
    return Like("".join(parts if ends else [*parts, "%"]))


def _translate(text: str, at: int) -> tuple[str, int]:
    """Return what stands at `at` for LIKE, and how many characters it took; 0 if it can't."""
    if text[at] == ".":
        match text[at + 1 : at + 2]:
            case "*":
                return "%", 2
            case "+":
                return "_%", 2
            case _:
                return "_", 1
    if text[at] == "\\":
        escaped = text[at + 1 : at + 2]
        if not escaped or escaped.isalnum():  # A class such as \d, or nothing at all.
            return "", 0
        return _literal(escaped), 2
    if text[at] in _OTHER_OPERATORS:
        return "", 0
    return _literal(text[at]), 1


def _literal(character: str) -> str:
    return f"\\{character}" if character in _LIKE_OPERATORS else character

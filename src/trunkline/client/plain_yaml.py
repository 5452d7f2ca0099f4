"""The part of YAML that a clouds.yaml is written in, read without a YAML library.

JSON is YAML, and the files that Trunkline writes are JSON. In other people's files we read nested
mappings with plain or quoted scalars, and comments. Lists, anchors, tags, block scalars and several
documents are refused with their line rather than guessed at: a wrong guess here is a wrong password
sent to a wrong cloud. Every scalar stays text, so a project ID of digits keeps its zeros.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

NESTING_MAX: Final = 20

_LINE = re.compile(
    r"(?P<indent> *)(?P<key>[A-Za-z0-9_.\-]+(?::[A-Za-z0-9_.\-]+)*|'[^']*'|\"[^\"\\]*\")"
    r"\s*:(?:\s+(?P<rest>.*))?$"
)
_LOOKS_SPECIAL = tuple("&*!|>%@`{}[],?-")


class NotPlainYaml(ValueError):
    """The text is not of the part that can be read; `line` counts from 1."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"line {line}: {problem}")
        self.line = line


def parse(text: str) -> dict[str, Any]:
    """Read a mapping of mappings and text.

    Raises:
        NotPlainYaml: `text` is something else; it says where and what.
    """
    if text.lstrip().startswith("{"):
        return _parse_json(text)
    root: dict[str, Any] = {}
    # Open mappings with the column of their keys; None until the first key shows it.
    open_mappings: list[tuple[int | None, dict[str, Any]]] = [(None, root)]
    for number, raw in enumerate(text.splitlines(), start=1):
        if not raw.strip() or raw.lstrip().startswith("#") or (number == 1 and raw == "---"):
            continue
        match = _LINE.fullmatch(raw.rstrip())
        if match is None:
            raise NotPlainYaml(number, _what_it_is(raw))
        mapping = _mapping_at(open_mappings, len(match["indent"]), number)
        key = match["key"].strip("'\"")
        if key in mapping:
            raise NotPlainYaml(number, f"{key!r} is given twice")
        value = _scalar(match["rest"] or "", number)
        mapping[key] = value
        if value is None:
            if len(open_mappings) == NESTING_MAX:
                raise NotPlainYaml(number, f"nested deeper than {NESTING_MAX}")
            mapping[key] = {}
            open_mappings.append((None, mapping[key]))
    return root


def key_lines(text: str) -> dict[str, int]:
    """Return in which line each key of the outermost mapping stands."""
    lines: dict[str, int] = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        match = _LINE.fullmatch(raw.rstrip())
        if match is not None and not match["indent"]:
            lines.setdefault(match["key"].strip("'\""), number)
    return lines


def _mapping_at(
    open_mappings: list[tuple[int | None, dict[str, Any]]], column: int, number: int
) -> dict[str, Any]:
    """Return the mapping that a key in this column belongs to; closes the ones inside it."""
    deepest, mapping = open_mappings[-1]
    outer = open_mappings[-2][0] if len(open_mappings) > 1 else -1
    if deepest is None and outer is not None and column > outer:
        open_mappings[-1] = (column, mapping)
        return mapping
    while open_mappings and open_mappings[-1][0] != column:
        open_mappings.pop()
    if not open_mappings:
        raise NotPlainYaml(number, "indented unlike the keys around it")
    return open_mappings[-1][1]


def _scalar(rest: str, number: int) -> str | None:
    """Return the text of a value; None if there is none on this line."""
    rest = rest.strip()
    if not rest or rest.startswith("#"):
        return None
    if rest[0] == '"':
        match = re.fullmatch(r'("(?:[^"\\]|\\.)*")\s*(?:#.*)?', rest)
        try:
            return str(json.loads(match[1])) if match else _refuse(number, "text after a quote")
        except ValueError:
            raise NotPlainYaml(number, "an escape in double quotes that is not JSON's") from None
    if rest[0] == "'":
        match = re.fullmatch(r"'((?:[^']|'')*)'\s*(?:#.*)?", rest)
        return match[1].replace("''", "'") if match else _refuse(number, "text after a quote")
    if rest[0] in _LOOKS_SPECIAL:
        _refuse(number, f"a value that begins with {rest[0]!r} (put it in quotes if it is text)")
    plain = re.split(r"\s#", rest, maxsplit=1)[0].rstrip()
    if ": " in plain or plain.endswith(":"):
        _refuse(number, "a colon in a value that is not in quotes")
    return plain


def _refuse(number: int, problem: str) -> str:
    raise NotPlainYaml(number, problem)


def _what_it_is(raw: str) -> str:
    stripped = raw.lstrip()
    if "\t" in raw[: len(raw) - len(stripped)]:
        return "a tab in the indentation"
    if stripped.startswith("- "):
        return "a list"
    return "not a `key: value` line"


def _parse_json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as problem:
        raise NotPlainYaml(problem.lineno, f"JSON, and malformed: {problem.msg}") from None
    except RecursionError:
        raise NotPlainYaml(1, "JSON, and nested too deeply") from None
    assert isinstance(found, dict), "it began with a brace"
    return found

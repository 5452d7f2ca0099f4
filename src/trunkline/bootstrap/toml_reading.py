"""Reading a TOML file into typed values, with every fault, its place and the remedy.

msgspec checks one value against one type and stops at the first fault. An operator wants all of
them at once, and for a mistyped key the one that was meant: so tables are walked here, and msgspec
is asked about each value.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

import msgspec

from trunkline.domain.errors import ErrorKind, TrunklineError

FILE_BYTES_MAX: Final = 1024 * 1024  # A configuration is written by hand.

S = TypeVar("S", bound=msgspec.Struct)


class InvalidConfig(TrunklineError):
    """A configuration file can't be used; `faults` has every reason that was found."""

    code = "config.invalid"
    kind = ErrorKind.INVALID

    def __init__(self, file: Path, faults: Sequence[str]) -> None:
        super().__init__("\n".join(f"{file}: {fault}" for fault in faults))
        self.file = file
        self.faults = tuple(faults)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; raise `InvalidConfig` if it can't be read or is no TOML."""
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise InvalidConfig(path, [f"it can't be read: {problem.strerror}"]) from problem
    if len(content) > FILE_BYTES_MAX:
        raise InvalidConfig(path, [f"it is larger than {FILE_BYTES_MAX} bytes"])
    try:
        return tomllib.loads(content.decode())
    except UnicodeDecodeError as problem:
        raise InvalidConfig(path, ["it is not UTF-8 text"]) from problem
    except tomllib.TOMLDecodeError as problem:
        raise InvalidConfig(path, [f"not TOML: {problem}"]) from problem
    except RecursionError as problem:
        raise InvalidConfig(path, ["not TOML that can be read: nested too deep"]) from problem


def is_http_url(text: str) -> bool:
    """Say whether `text` is http(s)://HOST[:PORT][/PATH]."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def read_table(type_: type[S], table: object, place: str, faults: list[str]) -> S | None:
    """Read a table as `type_`; None if something is wrong with it, which is added to `faults`."""
    if not isinstance(table, Mapping):
        faults.append(f"{place}: expected a table ([{place}]), found {_kind(table)}")
        return None
    count = len(faults)
    fields = {field.encode_name: field for field in msgspec.structs.fields(type_)}
    hints = get_type_hints(type_, include_extras=True)  # `Meta` has the limits.
    faults += [
        f"{_inner(place, str(key))}: {_unknown(str(key), list(fields))}"
        for key in table
        if key not in fields
    ]
    values: dict[str, Any] = {}
    for key, field in fields.items():
        inner = _inner(place, key)
        if key in table:
            values[field.name] = _read_value(hints[field.name], table[key], inner, faults)
        elif field.required:
            faults.append(f"{inner}: missing; add it")
    return type_(**values) if len(faults) == count else None


def _read_value(type_: Any, value: object, place: str, faults: list[str]) -> Any:
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        return read_table(type_, value, place, faults)
    element = get_args(type_)[0] if get_origin(type_) is tuple else None
    if isinstance(element, type) and issubclass(element, msgspec.Struct):
        if not isinstance(value, list):
            faults.append(f"{place}: expected tables ([[{place}]]), found {_kind(value)}")
            return ()
        return tuple(
            read_table(element, item, f"{place}[{at}]", faults) for at, item in enumerate(value)
        )
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as problem:
        # msgspec writes the path below the value as ``- at `$[2]` ``; ours is whole.
        said, _, below = str(problem).partition(" - at `$")
        faults.append(f"{place}{below.rstrip('`')}: {said[:1].lower()}{said[1:]}, found {value!r}")
        return None


def _inner(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _unknown(key: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if near:
        return f"unknown; did you mean {near[0]}?"
    return f"unknown; known are {', '.join(known)}"


def _kind(value: object) -> str:
    match value:
        case Mapping():
            return "a table"
        case list():
            return "a list"
        case _:
            return repr(value)

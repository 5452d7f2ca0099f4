"""Bodies as typed fields: every fault is an `Invalid` that names the field by its path."""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, TypeVar, overload

import msgspec

from trunkline.api.http import Request
from trunkline.api.limits import INTEGER_MAX, JSON_DEPTH_MAX
from trunkline.domain.errors import Invalid
from trunkline.domain.ids import is_uuid

D = TypeVar("D")
T = TypeVar("T")
E = TypeVar("E", bound=enum.Enum)

TEXT_LENGTH_MAX: Final = 255


class _Required(enum.Enum):
    REQUIRED = 0


_REQUIRED: Final = _Required.REQUIRED
_BOOLEANS: Final = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}


def parse_json(data: bytes) -> object:
    """Parse a JSON body.

    Raises:
        Invalid: It is no JSON, nested too deep, or has text or a number that can't be stored.
    """
    try:
        value = msgspec.json.decode(data)
    except RecursionError:
        raise Invalid("body", f"nested deeper than {JSON_DEPTH_MAX} levels") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
        raise Invalid("body", f"not JSON: {problem}") from None
    _require_storable(value)
    return value


# Where an item stands: in what, and by which name or number there. It is spelt out for a fault
# only: the paths of all items of a body can be a million times its size.
_Place = tuple["_Place", str | int] | None


def _require_storable(value: object) -> None:
    """Walk the whole value once, without recursion."""
    waiting: list[tuple[_Place, int, object]] = [(None, 0, value)]
    while waiting:
        place, depth, item = waiting.pop()
        if depth > JSON_DEPTH_MAX:
            raise Invalid(_path_of(place), f"nested deeper than {JSON_DEPTH_MAX} levels")
        if isinstance(item, str):
            if (problem := text_problem(item)) is not None:
                raise Invalid(_path_of(place), problem)
        elif isinstance(item, int):
            if not -INTEGER_MAX <= item <= INTEGER_MAX:
                raise Invalid(_path_of(place), f"not between {-INTEGER_MAX} and {INTEGER_MAX}")
        elif isinstance(item, dict):
            for key, inner in item.items():
                if (problem := text_problem(key)) is not None:
                    raise Invalid(_path_of(place), f"a name in it: {problem}")
                waiting.append(((place, key), depth + 1, inner))
        elif isinstance(item, list):
            waiting.extend(((place, at), depth + 1, inner) for at, inner in enumerate(item))


def _path_of(place: _Place) -> str:
    path = ""
    while place is not None:
        place, name = place
        path = (f"[{name}]" if isinstance(name, int) else f".{name[:TEXT_LENGTH_MAX]}") + path
    return path.removeprefix(".") or "body"


def text_problem(text: str) -> str | None:
    """Say why `text` can't be stored, if it can't."""
    if "\0" in text:
        return "has a NUL character"
    if (
        any("\ud800" <= character <= "\udfff" for character in text)
        if not text.isascii()
        else False
    ):
        return "has half of a surrogate pair"
    return None


def body_fields(request: Request, *wrapper: str) -> Fields:
    """Return the fields of a JSON body, from inside ``{"wrapper": {…}}`` where there is one."""
    fields = Fields(parse_json(request.body), "")
    for name in wrapper:
        fields = fields.fields(name)
    return fields


class Fields:
    """One JSON object. Each method reads one field, and checks its type and limits.

    A field that may be missing has a default. JSON's null is the same as missing where the
    default is None, and a fault elsewhere.
    """

    def __init__(self, value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise Invalid(path or "body", f"must be an object, not {_kind(value)}")
        self._values: dict[str, Any] = value
        self._path = path

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def names(self) -> list[str]:
        """Return the names that were sent."""
        return list(self._values)

    def path_of(self, name: str) -> str:
        """Return how messages call the field `name`."""
        return f"{self._path}.{name}" if self._path else name

    def raw(self, name: str) -> object:
        """Return what was sent, as it is; None where nothing was."""
        value: object = self._values.get(name)
        return value

    def invalid(self, name: str, problem: str) -> Invalid:
        """Make the error for a fault of the field `name`."""
        return Invalid(self.path_of(name), problem)

    def require_only(self, allowed: Collection[str]) -> None:
        """Raise `Invalid` for the first field that is not `allowed`."""
        for name in self._values:
            if name not in allowed:
                raise self.invalid(name, f"not known here; there are {', '.join(sorted(allowed))}")

    @overload
    def text(self, name: str, *, length_min: int = 0, length_max: int = TEXT_LENGTH_MAX) -> str: ...
    @overload
    def text(
        self, name: str, default: D, *, length_min: int = 0, length_max: int = TEXT_LENGTH_MAX
    ) -> str | D: ...
    def text(
        self,
        name: str,
        default: object = _REQUIRED,
        *,
        length_min: int = 0,
        length_max: int = TEXT_LENGTH_MAX,
    ) -> object:
        """Read text of `length_min` to `length_max` characters."""

        def check(value: object) -> str:
            if not isinstance(value, str):
                raise self.invalid(name, f"must be text, not {_kind(value)}")
            if not length_min <= len(value) <= length_max:
                raise self.invalid(name, f"must have {length_min} to {length_max} characters")
            return value

        return self._read(name, default, check)

    @overload
    def integer(self, name: str, *, low: int = 0, high: int = INTEGER_MAX) -> int: ...
    @overload
    def integer(
        self, name: str, default: D, *, low: int = 0, high: int = INTEGER_MAX
    ) -> int | D: ...
    def integer(
        self, name: str, default: object = _REQUIRED, *, low: int = 0, high: int = INTEGER_MAX
    ) -> object:
        """Read a whole number; clients also send them as text (``"100"``)."""

        def check(value: object) -> int:
            if isinstance(value, str) and len(value) < 20 and value.removeprefix("-").isdecimal():
                value = int(value)
            if not isinstance(value, int) or isinstance(value, bool):
                raise self.invalid(name, f"must be a whole number, not {_kind(value)}")
            if not low <= value <= high:
                raise self.invalid(name, f"must be between {low} and {high}, not {value}")
            return value

        return self._read(name, default, check)

    @overload
    def boolean(self, name: str) -> bool: ...
    @overload
    def boolean(self, name: str, default: D) -> bool | D: ...
    def boolean(self, name: str, default: object = _REQUIRED) -> object:
        """Read true or false; clients also send them as text (``"True"``)."""

        def check(value: object) -> bool:
            if isinstance(value, bool):
                return value
            if isinstance(value, str | int) and str(value).lower() in _BOOLEANS:
                return _BOOLEANS[str(value).lower()]
            raise self.invalid(name, "must be true or false")

        return self._read(name, default, check)

    @overload
    def uuid(self, name: str) -> str: ...
    @overload
    def uuid(self, name: str, default: D) -> str | D: ...
    def uuid(self, name: str, default: object = _REQUIRED) -> object:
        """Read a UUID."""

        def check(value: object) -> str:
            if not isinstance(value, str) or not is_uuid(value):
                raise self.invalid(name, "must be a UUID")
            return value

        return self._read(name, default, check)

    @overload
    def parsed(self, name: str, parse: Callable[[str], T]) -> T: ...
    @overload
    def parsed(self, name: str, parse: Callable[[str], T], default: D) -> T | D: ...
    def parsed(
        self, name: str, parse: Callable[[str], object], default: object = _REQUIRED
    ) -> object:
        """Read text that `parse` takes or raises `ValueError` for: an enum, a `MacAddress`…"""

        def check(value: object) -> object:
            if not isinstance(value, str):
                raise self.invalid(name, f"must be text, not {_kind(value)}")
            try:
                return parse(value)
            except ValueError as problem:
                raise self.invalid(name, _problem_of(parse, value, problem)) from None

        return self._read(name, default, check)

    @overload
    def fields(self, name: str) -> Fields: ...
    @overload
    def fields(self, name: str, default: D) -> Fields | D: ...
    def fields(self, name: str, default: object = _REQUIRED) -> object:
        """Read an object."""
        return self._read(name, default, lambda value: Fields(value, self.path_of(name)))

    @overload
    def objects(self, name: str) -> list[Fields]: ...
    @overload
    def objects(self, name: str, default: D) -> list[Fields] | D: ...
    def objects(self, name: str, default: object = _REQUIRED) -> object:
        """Read a list of objects."""

        def check(value: object) -> list[Fields]:
            path = self.path_of(name)
            return [
                Fields(item, f"{path}[{at}]") for at, item in enumerate(self._list(name, value))
            ]

        return self._read(name, default, check)

    @overload
    def texts(self, name: str) -> list[str]: ...
    @overload
    def texts(self, name: str, default: D) -> list[str] | D: ...
    def texts(self, name: str, default: object = _REQUIRED) -> object:
        """Read a list of text."""

        def check(value: object) -> list[str]:
            items = self._list(name, value)
            for at, item in enumerate(items):
                if not isinstance(item, str):
                    raise self.invalid(f"{name}[{at}]", f"must be text, not {_kind(item)}")
            return items

        return self._read(name, default, check)

    @overload
    def mapping(self, name: str) -> dict[str, Any]: ...
    @overload
    def mapping(self, name: str, default: D) -> dict[str, Any] | D: ...
    def mapping(self, name: str, default: object = _REQUIRED) -> object:
        """Read an object that is kept as it was sent."""

        def check(value: object) -> dict[str, Any]:
            if not isinstance(value, dict):
                raise self.invalid(name, f"must be an object, not {_kind(value)}")
            return value

        return self._read(name, default, check)

    def _list(self, name: str, value: object) -> list[Any]:
        if not isinstance(value, list):
            raise self.invalid(name, f"must be a list, not {_kind(value)}")
        return value

    def _read(self, name: str, default: object, check: Callable[[object], object]) -> object:
        value = self._values.get(name)
        if value is not None:
            return check(value)
        if default is _REQUIRED:
            raise self.invalid(name, "is required")
        if default is not None and name in self._values:
            raise self.invalid(name, "must not be null")
        return default


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case Mapping():
            return "an object"
        case _:
            return "a list"


def _problem_of(parse: Callable[[str], object], value: str, problem: ValueError) -> str:
    if isinstance(parse, type) and issubclass(parse, enum.Enum):
        known = ", ".join(str(member.value) for member in parse)
        return f"must be one of {known}, not {value[:60]!r}"
    return str(problem)

"""Column types that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Dialect, String, Text
from sqlalchemy.types import TypeDecorator

from trunkline.wire.json import decode, encode

_VALUES_KEPT_MAX: Final = 4096  # Of JSON columns: those of 1,000 hosts and some flavors.


class UtcTime(TypeDecorator[datetime]):
    """A time in UTC, kept as text that sorts as time does."""

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Render a time; its zone must be known."""
        if value is None:
            return None
        assert value.tzinfo is not None
        at = value.astimezone(UTC)
        # In half the time of `isoformat`, which asks the zone for its name.
        return "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ" % (  # noqa: UP031 -- and of a format.
            at.year, at.month, at.day, at.hour, at.minute, at.second, at.microsecond,
        )  # fmt: skip

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Parse what `process_bind_param` wrote."""
        return None if value is None else datetime.fromisoformat(value)


class Json(TypeDecorator[Any]):
    """A value as JSON text, read back as `type_`."""

    impl = Text
    cache_ok = True

    def __init__(self, type_: Any = Any) -> None:
        super().__init__()
        self.type_ = type_

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Render a value of the domain as JSON."""
        return None if value is None else encode(value).decode()

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002
        """Parse what `process_bind_param` wrote."""
        if value is None:
            return None
        # What untyped JSON becomes can be changed by whoever gets it: it is theirs alone.
        return decode(value, Any) if self.type_ is Any else _parsed(value, self.type_)


@lru_cache(maxsize=_VALUES_KEPT_MAX)
def _parsed(text: str, type_: Any) -> Any:
    """Parse a text once: values of the domain never change, and most rows have one of few."""
    return decode(text, type_)

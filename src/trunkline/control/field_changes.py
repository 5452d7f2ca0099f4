"""What a change of a thing comes to, field by field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def changed_fields(before: Any, after: Any) -> list[str]:
    """Return the names of the fields in which two values of a dataclass differ."""
    names = type(before).__dataclass_fields__
    return [name for name in names if getattr(before, name) != getattr(after, name)]


def merged(known: Mapping[str, object], change: Mapping[str, object]) -> dict[str, object]:
    """Return what clients have added of their own after a change: null takes a name away."""
    return {name: value for name, value in {**known, **change}.items() if value is not None}

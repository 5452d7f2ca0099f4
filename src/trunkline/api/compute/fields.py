"""Bodies as tables of what each microversion added or took away.

A client of one microversion gets exactly that version's fields: strict clients refuse any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from trunkline.api.versions import Microversion

S = TypeVar("S")


def _always(_: object) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Field(Generic[S]):
    """One field of a body: from which minor version on, to whom, and how its value is found."""

    name: str
    value: Callable[[S], object]
    since: int = 1
    before: int | None = None  # The minor version that took it away.
    admin: bool = False  # Others don't get it at all,
    everybody_since: int | None = None  # …before this minor version.
    when: Callable[[S], bool] = _always  # Left out of the body otherwise.

    def is_in(self, version: Microversion, *, for_admin: bool) -> bool:
        """Say whether a body of this version has the field."""
        minor = version.minor
        if minor < self.since or (self.before is not None and minor >= self.before):
            return False
        public = self.everybody_since is not None and minor >= self.everybody_since
        return for_admin or public or not self.admin


def render(
    fields: Sequence[Field[S]], subject: S, version: Microversion, *, for_admin: bool
) -> dict[str, Any]:
    """Return the body that a client of `version` gets."""
    return {
        field.name: field.value(subject)
        for field in fields
        if field.is_in(version, for_admin=for_admin) and field.when(subject)
    }

"""Whose things routes are about, who asks, and what each may then be answered."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


class Kind(enum.Enum):
    """Whose the thing is that a route is about."""

    OWNED = "owned"  # The project's: members change it, readers see it, to others it is not there.
    GIVEN = "given"  # The project's, as OWNED, but changed by admins alone.
    LISTED = "listed"  # A list of what the caller's project has: with nothing of another's.
    MADE = "made"  # Making something for the own project: members may.
    MADE_ON = "made on"  # Making something by what the request names of the project.
    PERSONAL = "personal"  # A user's own: not even others of the project see it.
    LISTED_PERSONAL = "listed, personal"
    NAMED = "named"  # The project is named in the path: 403 to others, as Nova answers.
    ADMIN = "admin"  # Admins only: 403 to all others.
    HIDDEN = "hidden"  # Shown to admins only: 404, or an empty list, to all others.
    OPEN = "open"  # The same for everybody.
    AGENT = "agent"  # A host's agent only.
    PUBLIC = "public"  # No token is looked at.


class Who(enum.Enum):
    """Callers, as far as answers differ. A stranger has its role in another project."""

    STRANGER_READER = "o-reader"
    STRANGER_MEMBER = "o-member"
    STRANGER_MANAGER = "o-manager"
    READER = "reader"
    MEMBER = "demo"
    ADMIN = "admin"


STRANGERS: Final = (Who.STRANGER_READER, Who.STRANGER_MEMBER, Who.STRANGER_MANAGER)
NOBODY: Final = ("none", "expired", "revoked", "forged", "agent's")
IN: Final = frozenset({*range(200, 401), *range(402, 403), *range(405, 500), 501})  # Was let in.
UNHARMED: Final = frozenset({400, 403, 404})


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one path is about. `names`: which thing stands in each gap of the path."""

    kind: Kind
    names: Mapping[str, str] = field(default_factory=dict)
    also: tuple[Mapping[str, str], ...] = ()  # Other things that the same path can be about.
    kinds: Mapping[str, Kind] = field(default_factory=dict)  # By method, where they differ.
    bodies: Mapping[str, Any] = field(default_factory=dict)  # By method; a tuple: each of these.
    headers: Mapping[str, str] = field(default_factory=dict)


def expected(kind: Kind, who: Who, *, reads: bool) -> frozenset[int]:
    """Return the statuses that `who` may be answered with."""
    if who is Who.ADMIN or kind is Kind.OPEN:
        return IN
    stranger = who in STRANGERS
    match kind:
        case Kind.OWNED | Kind.GIVEN if stranger:
            return frozenset({404})
        case Kind.OWNED if who is Who.MEMBER:
            return IN
        case Kind.OWNED | Kind.GIVEN:
            return IN if reads else frozenset({403})
        case Kind.LISTED | Kind.LISTED_PERSONAL:
            return IN
        case Kind.MADE:
            return frozenset({403}) if "reader" in who.value else IN
        case Kind.MADE_ON if stranger:
            return UNHARMED
        case Kind.MADE_ON:
            return IN if reads or who is Who.MEMBER else frozenset({403})
        case Kind.PERSONAL:
            return IN if who is Who.MEMBER else UNHARMED - {400}
        case Kind.NAMED:
            return frozenset({403}) if stranger else IN
        case Kind.HIDDEN:
            return frozenset({404}) if reads else frozenset({403})
        case Kind.ADMIN:
            return frozenset({403})
    raise AssertionError(kind)

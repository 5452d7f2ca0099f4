"""Access rules: which requests an application credential may make, as Keystone has them.

A path has ``*`` and ``{tag}`` for some characters of one segment, and ``**`` for any characters,
slashes too. It is matched in one pass, without regular expressions: however it was made, it costs
no more than its length times that of the request's path.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from trunkline.domain.ids import AccessRuleId

PATH_CHARACTERS_MAX: Final = 225  # Keystone's own limit.
SERVICE_CHARACTERS_MAX: Final = 64
# No path that is served is as long; a longer one is in no rule.
_ASKED_CHARACTERS_MAX: Final = 1024
_SLASH_IN_NAME: Final = "\0"  # In no path, and in no rule.


class AccessMethod(enum.Enum):
    """What a rule lets be asked. HEAD is not GET."""

    DELETE = "DELETE"
    GET = "GET"
    HEAD = "HEAD"
    PATCH = "PATCH"
    POST = "POST"
    PUT = "PUT"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRule:
    """One method, on paths of one service. A user has each once; credentials of theirs share it."""

    id: AccessRuleId
    service: str  # Its type, as in the catalog.
    method: AccessMethod
    path: str

    @property
    def what(self) -> tuple[str, AccessMethod, str]:
        """What it allows, by which a user's rules are told apart."""
        return self.service, self.method, self.path


def parse_path(text: str) -> str:
    """Return a rule's path; raise `ValueError` if it is none."""
    if not text.startswith("/"):
        raise ValueError("must begin with a slash")
    if len(text) > PATH_CHARACTERS_MAX:
        raise ValueError(f"must have {PATH_CHARACTERS_MAX} characters at most")
    if not text.isprintable() or " " in text:
        raise ValueError("must have neither spaces nor control characters")
    _compiled(text)
    return text


def permits(
    rules: Iterable[AccessRule], *, service: str, method: str, segments: Sequence[str]
) -> bool:
    """Say whether one of the rules allows a request.

    Args:
        rules: Any of them will do.
        service: The type of the service that is asked.
        method: Of the request.
        segments: The request's path, decoded; a rule may leave out the first one, which tells the
            services of one address apart and is not in Keystone's own examples.
    """
    names = [segment.replace("/", _SLASH_IN_NAME) for segment in segments]
    asked = {"/" + "/".join(names), "/" + "/".join(names[1:])}
    return any(
        rule.service == service and rule.method.value == method and _is_any(rule.path, asked)
        for rule in rules
    )


def _is_any(path: str, asked: Collection[str]) -> bool:
    compiled = _compiled(path.rstrip("/") or "/")
    return any(compiled.matches(each) for each in asked)


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A path as a row of places: a bit for each that the characters so far may have led to."""

    next_on: dict[str, int]  # Places that this very character leads on from.
    next_in_name: int  # Places that any character but a slash leads on from.
    stays_in_name: int  # Places where any character but a slash may come again.
    stays: int  # Places where anything may come.
    end: int

    def matches(self, asked: str) -> bool:
        if len(asked) > _ASKED_CHARACTERS_MAX:
            return False
        reached = 1
        for character in asked:
            leads, keeps = self.next_on.get(character, 0), self.stays
            if character != "/":
                leads |= self.next_in_name
                keeps |= self.stays_in_name
            reached = (reached & leads) << 1 | (reached & keeps)
            if not reached:
                return False
        return bool(reached & self.end)


@lru_cache(maxsize=4096)
def _compiled(path: str) -> _Compiled:
    """Read a path; raise `ValueError` for a brace without its other one."""
    next_on: dict[str, int] = {}
    next_in_name = stays_in_name = stays = at = 0
    place = 1
    while at < len(path):
        if path.startswith("**", at):
            stays |= place
            at += 2
            continue
        if path[at] in "*{":
            close = at if path[at] == "*" else path.find("}", at)
            if close < 0:
                raise ValueError("has a { without its }")
            next_in_name |= place
            stays_in_name |= place << 1
            at = close + 1
        elif path[at] == "}":
            raise ValueError("has a } without its {")
        else:
            next_on[path[at]] = next_on.get(path[at], 0) | place
            at += 1
        place <<= 1
    return _Compiled(next_on, next_in_name, stays_in_name, stays, place)

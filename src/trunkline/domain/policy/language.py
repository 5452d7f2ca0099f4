"""The language of policy rules, which is oslo.policy's: from text to functions that decide.

    rule:admin_only or (role:member and project_id:%(project_id)s)

``not`` binds tighter than ``and``, and that tighter than ``or``. ``@``, and nothing at all, are
always true; ``!`` never is. A text is parsed once, into closures; checking costs no parsing.

Source: oslo.policy's documentation, "Policy rule expressions".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol

CHECK_CHARS_MAX: Final = 4096
NESTING_MAX: Final = 32


class Asker(Protocol):
    """Who is asking, as far as a rule can tell callers apart."""

    @property
    def user_id(self) -> str:
        """The user."""
        ...

    @property
    def project_id(self) -> str | None:
        """The project that the caller speaks for."""
        ...

    @property
    def roles(self) -> frozenset[str]:
        """Names of roles, with the implied ones."""
        ...

    @property
    def is_system(self) -> bool:
        """Whether the caller speaks for the whole system."""
        ...


Target = Mapping[str, str | None]  # What a rule may ask of the thing concerned: `project_id`…
Check = Callable[[Asker, Target], bool]
Find = Callable[[str], Check]  # From the name of another rule to what it checks.


class PolicyFault(ValueError):
    """A rule that can't be used; `rule` is its name."""

    def __init__(self, rule: str, problem: str) -> None:
        super().__init__(f"{rule}: {problem}")
        self.rule = rule
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Parsed:
    """A text that was understood: what it refers to, and how to make the check of it."""

    rules: frozenset[str]  # Names of other rules.
    attributes: frozenset[str]  # Of the target, as in `%(project_id)s`.
    compile: Callable[[Find], Check]


class _Malformed(ValueError):
    """The text is none of the language."""


def parse(name: str, text: str) -> Parsed:
    """Read what the rule `name` says.

    Raises:
        PolicyFault: It is not of the language, or too long, or nested too deeply.
    """
    try:
        if len(text) > CHECK_CHARS_MAX:
            raise _Malformed(f"has more than {CHECK_CHARS_MAX} characters")
        return _Parser(list(_tokens(text))).whole()
    except _Malformed as problem:
        raise PolicyFault(name, str(problem)) from None


# A word ends at a blank or a closing parenthesis, unless that is inside `%(…)s` or quotes.
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<mark>[()])|(?P<word>(?:'[^']*'|\"[^\"]*\"|%\([^()\s]*\)s|[^\s()'\"%])+))"
)


def _tokens(text: str) -> Iterator[str]:
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise _Malformed(
                f"can't be read from here on: {text[position : position + 40].strip()}"
            )
        position = match.end()
        yield match["mark"] or match["word"]


class _Parser:
    """Reads tokens by recursive descent, `NESTING_MAX` deep at most."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def whole(self) -> Parsed:
        if not self._tokens:
            return _constant(answer=True)
        parsed = self._either()
        if self._at < len(self._tokens):
            raise _Malformed(f"'and' or 'or' is missing before {self._tokens[self._at]!r}")
        return parsed

    def _either(self) -> Parsed:
        parts = [self._both()]
        while self._ahead() == "or":
            self._at += 1
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else _joined(parts, any_of)

    def _both(self) -> Parsed:
        parts = [self._one()]
        while self._ahead() == "and":
            self._at += 1
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else _joined(parts, all_of)

    def _one(self) -> Parsed:
        word = self._ahead()
        if word is None:
            raise _Malformed("ends where a check should follow")
        raw = self._tokens[self._at]
        self._at += 1
        if word not in ("not", "("):
            if word in ("and", "or", ")"):
                raise _Malformed(f"has {raw!r} where a check should be")
            return _check(raw)
        self._depth += 1
        if self._depth > NESTING_MAX:
            raise _Malformed(f"is nested deeper than {NESTING_MAX}")
        if word == "not":
            inner = self._one()
            found = Parsed(inner.rules, inner.attributes, lambda find: none_of(inner.compile(find)))
        else:
            found = self._either()
            if self._ahead() != ")":
                raise _Malformed("has a parenthesis that is not closed")
            self._at += 1
        self._depth -= 1
        return found

    def _ahead(self) -> str | None:
        return self._tokens[self._at].lower() if self._at < len(self._tokens) else None


def _joined(parts: list[Parsed], join: Callable[[tuple[Check, ...]], Check]) -> Parsed:
    return Parsed(
        frozenset().union(*(part.rules for part in parts)),
        frozenset().union(*(part.attributes for part in parts)),
        lambda find: join(tuple(part.compile(find) for part in parts)),
    )


def any_of(checks: tuple[Check, ...]) -> Check:
    """Make the check that passes where one of `checks` does."""

    def check(asker: Asker, target: Target) -> bool:
        for each in checks:  # noqa: SIM110 - three times as fast as any() of a generator.
            if each(asker, target):
                return True
        return False

    return check


def all_of(checks: tuple[Check, ...]) -> Check:
    """Make the check that passes where all of `checks` do."""

    def check(asker: Asker, target: Target) -> bool:
        for each in checks:  # noqa: SIM110 - three times as fast as all() of a generator.
            if not each(asker, target):
                return False
        return True

    return check


def none_of(check: Check) -> Check:
    """Make the check that passes where `check` does not."""
    return lambda asker, target: not check(asker, target)


_ATTRIBUTE: Final = re.compile(r"%\(([^()\s]+)\)s")
_ASKED: Final[Mapping[str, Callable[[Asker], str | None]]] = {
    "project_id": lambda asker: asker.project_id,
    "tenant_id": lambda asker: asker.project_id,  # As Neutron's old rules say.
    "user_id": lambda asker: asker.user_id,
}
_LITERALS: Final = ("True", "False")


def _check(word: str) -> Parsed:
    if word in ("@", "!"):
        return _constant(answer=word == "@")
    kind, colon, wanted = _split(word)
    if not colon:
        raise _Malformed(f"{word!r} is no check: a check is KIND:VALUE, as role:member")
    match kind:
        case "rule":
            return Parsed(frozenset({wanted}), frozenset(), lambda find: find(wanted))
        case "role":
            return _role(word, wanted)
        case "is_admin":
            return _is_admin(word, wanted)
        case "system_scope":
            if wanted != "all":
                raise _Malformed(f"{word!r}: the only system scope is all")
            return _plain(lambda asker, _target: asker.is_system)
        case _:
            return _comparison(word, kind, wanted)


def _split(word: str) -> tuple[str, str, str]:
    """Part a check at its first colon outside quotes."""
    if word[0] in "'\"":
        kind, _, rest = word[1:].partition(word[0])
        return word[0] + kind + word[0], rest[:1] if rest[:1] == ":" else "", rest[1:]
    return word.partition(":")


def _role(word: str, wanted: str) -> Parsed:
    if not wanted or "%" in wanted:
        raise _Malformed(f"{word!r}: name a role, as role:member")
    folded = wanted.casefold()
    return _plain(lambda asker, _target: folded in _folded(asker.roles))


@lru_cache(maxsize=1024)
def _folded(roles: frozenset[str]) -> frozenset[str]:
    """Return roles as they are compared: capital or not makes no difference, as in Keystone."""
    return frozenset(role.casefold() for role in roles)


def _is_admin(word: str, wanted: str) -> Parsed:
    if wanted not in ("True", "False"):
        raise _Malformed(f"{word!r}: say is_admin:True or is_admin:False")
    admin = "context_is_admin"  # As Nova and Neutron name what makes an admin.
    return Parsed(
        frozenset({admin}),
        frozenset(),
        lambda find: find(admin) if wanted == "True" else none_of(find(admin)),
    )


def _comparison(word: str, kind: str, wanted: str) -> Parsed:
    """Compare something of the caller, or a literal, with something of the thing asked about."""
    match = _ATTRIBUTE.fullmatch(wanted)
    name = None if match is None else _canonical(match[1])
    if kind in _ASKED:
        asked = _ASKED[kind]
        if name is not None:
            return _of_target(name, lambda a, t: (mine := asked(a)) is not None and mine == t[name])
        if not wanted or "%" in wanted:
            raise _Malformed(f"{word!r}: compare with %(project_id)s, or with an ID")
        return _plain(lambda asker, _target: asked(asker) == wanted)
    quoted = len(kind) > 1 and kind[0] in "'\"" and kind[-1] == kind[0]
    if (quoted or kind in _LITERALS) and name is not None:
        literal = kind[1:-1] if quoted else kind
        return _of_target(name, lambda _asker, target: target[name] == literal)
    raise _Malformed(
        f"{word!r}: there are rule:NAME, role:NAME, is_admin:True, system_scope:all, "
        "project_id:%(project_id)s, user_id:%(user_id)s and 'text':%(NAME)s"
    )


def _canonical(attribute: str) -> str:
    return attribute.replace("tenant_id", "project_id")


def _constant(*, answer: bool) -> Parsed:
    return _plain(lambda _asker, _target: answer)


def _plain(check: Check) -> Parsed:
    return Parsed(frozenset(), frozenset(), lambda _find: check)


def _of_target(name: str, check: Check) -> Parsed:
    return Parsed(frozenset(), frozenset({name}), lambda _find: check)

r"""Patterns that match in linear time, whatever they and the text are.

Python's `re` backtracks: a pattern such as ``(a+)+b``, or only ``.*.*.*.*b``, can keep it busy for
minutes, and placement would stand still with it. So a pattern is read here into a small automaton
that is in many states at once: a text of n characters takes at most n steps of all states.

The language is the part of Python's that such an automaton can do: literals, ``.``, classes
(``[a-f]``, ``[^0-9]``, ``\d \w \s`` and their opposites), groups, ``|``, ``*``, ``+``, ``?`` and
``{m,n}``. A pattern always matches whole. Back-references, look-around and lazy quantifiers are
refused; anchors too, since there is nothing for them to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

PATTERN_CHARS_MAX: Final = 255  # As long as the longest tag.
STATES_MAX: Final = 2000  # ``(a{50}){50}`` is short and large.
STATES_TOGETHER_MAX: Final = 8000  # Of one expression: 100 short patterns, or some large ones.

_DEPTH_MAX: Final = 20  # Of groups: reading recurses.

_QUANTIFIERS: Final[dict[str, tuple[int, int | None]]] = {
    "*": (0, None),
    "+": (1, None),
    "?": (0, 1),
}
_CLASSES: Final = {"d": "0-9", "w": "a-zA-Z0-9_", "s": " \t\n\r\f\v"}


class InvalidPattern(ValueError):
    """The text is no pattern of this language; the message says where, and what to do."""


@dataclass(frozen=True, slots=True)
class _Characters:
    """A set of characters, by ranges, or all others."""

    ranges: tuple[tuple[str, str], ...] = ()
    negated: bool = False

    def __contains__(self, character: str) -> bool:
        return any(low <= character <= high for low, high in self.ranges) != self.negated


_EVERY: Final = _Characters((), negated=True)
_ANY: Final = _Characters((("\n", "\n"),), negated=True)  # As in Python, `.` is no line break.

# States in order: what each takes, and where it goes without a character, relative to itself.
_Piece = list[tuple[_Characters | None, tuple[int, ...]]]


@dataclass(frozen=True, slots=True)
class Pattern:
    """An automaton. State `i` goes to `to[i]` without a character, or to `i + 1` by one it takes.

    The last state is the one that accepts.
    """

    takes: tuple[_Characters | None, ...]  # None: goes on by `to` alone.
    to: tuple[tuple[int, ...], ...]

    @property
    def states(self) -> int:
        """How large it is: each character of a text costs so many steps at most."""
        return len(self.takes)

    def matches(self, text: str) -> bool:
        """Say whether the whole text is of this pattern."""
        states = self._closure({0})
        for character in text:
            states = self._closure(
                {
                    state + 1
                    for state in states
                    for takes in (self.takes[state],)
                    if takes is not None and character in takes
                }
            )
            if not states:
                return False
        return len(self.takes) - 1 in states

    def _closure(self, states: set[int]) -> set[int]:
        waiting = list(states)
        while waiting:
            for state in self.to[waiting.pop()]:
                if state not in states:
                    states.add(state)
                    waiting.append(state)
        return states


@lru_cache(maxsize=1024)
def compile_regex(text: str) -> Pattern:
    """Read a regular expression; raise `InvalidPattern` if it is none of this language."""
    if len(text) > PATTERN_CHARS_MAX:
        raise InvalidPattern(f"is longer than {PATTERN_CHARS_MAX} characters; shorten it")
    return _Reader(text).pattern()


@lru_cache(maxsize=1024)
def compile_glob(text: str) -> Pattern:
    """Read a shell pattern: ``*``, ``?`` and ``[…]``; raise `InvalidPattern` if it is none."""
    if len(text) > PATTERN_CHARS_MAX:
        raise InvalidPattern(f"is longer than {PATTERN_CHARS_MAX} characters; shorten it")
    return _Reader(text).glob()


@dataclass(slots=True)
class _Reader:
    """Reads a pattern into pieces of automaton, each with addresses relative to its beginning.

    A piece is a list of states; it is left by its end, so that pieces follow one another.
    """

    text: str
    at: int = 0
    depth: int = 0

    def pattern(self) -> Pattern:
        piece = self._alternatives()
        if self.at < len(self.text):
            raise self._fault("a ) that closes nothing; write \\) for the character")
        return _finish(piece)

    def glob(self) -> Pattern:
        piece: _Piece = []
        while self.at < len(self.text):
            sign = self._next()
            if sign == "*":
                piece += _repeat([(_EVERY, ())], 0, None)
            elif sign == "?":
                piece.append((_EVERY, ()))
            elif sign == "[":
                piece.append((self._class("!"), ()))
            else:
                piece.append((_Characters(((sign, sign),)), ()))
        return _finish(piece)

    def _next(self) -> str:
        self.at += 1
        return self.text[self.at - 1]

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _fault(self, problem: str) -> InvalidPattern:
        return InvalidPattern(f"at character {self.at + 1}: {problem}")

    def _alternatives(self) -> _Piece:
        piece = self._sequence()
        while self._peek() == "|":
            self.at += 1
            other = self._sequence()
            # In: to either. After the first one: past the other.
            piece = [
                (None, (1, len(piece) + 2)),
                *piece,
                (None, (len(other) + 1,)),
                *other,
            ]
        return piece

    def _sequence(self) -> _Piece:
        piece: _Piece = []
        while self._peek() not in ("", "|", ")"):
            piece += self._quantified(self._atom())
            if len(piece) > STATES_MAX:
                raise self._fault("the pattern repeats too much; use smaller counts")
        return piece

    def _atom(self) -> _Piece:
        begin = self.at
        sign = self._next()
        match sign:
            case "(":
                return self._group()
            case ".":
                return [(_ANY, ())]
            case "[":
                return [(self._class("^"), ())]
            case "\\":
                return [(_Characters(*self._escaped()), ())]
            case "*" | "+" | "?" | "{":
                self.at = begin
                raise self._fault(f"nothing to repeat before {sign}; write \\{sign} for itself")
            case "^" | "$":
                self.at = begin
                raise self._fault(
                    f"{sign} is not needed, a pattern always matches whole; leave it out"
                )
            case _:
                return [(_Characters(((sign, sign),)), ())]

    def _group(self) -> _Piece:
        if self._peek() == "?":
            if self.text[self.at : self.at + 2] != "?:":
                raise self._fault("(?…) is not supported; only plain groups and (?:…) are")
            self.at += 2
        self.depth += 1
        if self.depth > _DEPTH_MAX:
            raise self._fault(f"groups nest deeper than {_DEPTH_MAX}")
        piece = self._alternatives()
        self.depth -= 1
        if self._peek() != ")":
            raise self._fault("a ( that is never closed; add )")
        self.at += 1
        return piece

    def _quantified(self, piece: _Piece) -> _Piece:
        sign = self._peek()
        if sign and sign in "*+?":
            self.at += 1
            low, high = _QUANTIFIERS[sign]
        elif sign == "{":
            low, high = self._counts()
        else:
            return piece
        if self._peek() and self._peek() in "*+?{":
            raise self._fault("a quantifier after a quantifier is not supported; use a group")
        copies = low if high is None else high
        if (copies + 1) * (len(piece) + 2) > STATES_MAX:
            raise self._fault("the pattern repeats too much; use smaller counts")
        return _repeat(piece, low, high)

    def _counts(self) -> tuple[int, int | None]:
        end = self.text.find("}", self.at)
        low, comma, high = self.text[self.at + 1 : end].partition(",") if end > 0 else ("", "", "")
        numbers = [low] if high == "" else [low, high]
        if not all(number.isascii() and number.isdigit() for number in numbers):
            raise self._fault("not a count; write {2}, {2,} or {2,4}, or \\{ for the character")
        self.at = end + 1
        least = int(low)
        most = int(high) if high else (None if comma else least)
        if most is not None and most < least:
            raise self._fault(f"a count from {least} to {most}; put the smaller one first")
        return least, most

    def _escaped(self) -> tuple[tuple[tuple[str, str], ...], bool]:
        if self.at == len(self.text):
            raise self._fault("a \\ at the end; write \\\\ for the character")
        sign = self._next()
        known = _CLASSES.get(sign.lower())
        if known is not None:
            return _ranges(known), sign.isupper()
        if sign.isalnum():
            self.at -= 1
            raise self._fault(f"\\{sign} is not supported; there are \\d, \\w, \\s, \\D, \\W, \\S")
        return ((sign, sign),), False

    def _class(self, negation: str) -> _Characters:
        begin = self.at
        negated = self._peek() == negation
        self.at += negated
        ranges: list[tuple[str, str]] = []
        first = True
        while first or self._peek() != "]":
            if self._peek() == "":
                self.at = begin - 1
                raise self._fault("a [ that is never closed; add ]")
            first = False
            low = self._class_member(ranges, escapes=negation == "^")
            if low is None:
                continue
            if self._peek() == "-" and self.text[self.at + 1 : self.at + 2] not in ("", "]"):
                self.at += 1
                high = self._class_member(ranges, escapes=negation == "^")
                if high is None or high < low:
                    raise self._fault(f"no range of characters begins at {low}; put - last")
                ranges.append((low, high))
            else:
                ranges.append((low, low))
        self.at += 1
        return _Characters(tuple(ranges), negated)

    def _class_member(self, ranges: list[tuple[str, str]], *, escapes: bool) -> str | None:
        """Read one character; of a class such as that of digits, add the ranges and return None."""
        sign = self._next()
        if sign == "[" and self._peek() and self._peek() in ":.=":
            raise self._fault(
                f"[{self._peek()} within [ ] is not supported; write ranges, as in [a-z0-9]"
            )
        if sign != "\\" or not escapes:
            return sign
        found, negated = self._escaped()
        if negated:
            raise self._fault("no \\D, \\W, \\S within [ ]; write [^…]")
        if len(found) == 1 and found[0][0] == found[0][1]:
            return found[0][0]
        ranges.extend(found)
        return None


def _ranges(spec: str) -> tuple[tuple[str, str], ...]:
    """E.g. ``a-z_``: from a to z, and _."""
    ranges: list[tuple[str, str]] = []
    at = 0
    while at < len(spec):
        wide = spec[at + 1 : at + 2] == "-"
        ranges.append((spec[at], spec[at + 2] if wide else spec[at]))
        at += 3 if wide else 1
    return tuple(ranges)


def _repeat(piece: _Piece, low: int, high: int | None) -> _Piece:
    """A piece `low` to `high` times, or any number of times from `low` on."""
    size = len(piece)
    repeated = piece * low
    if high is None:
        # In: through the piece or past it. At its end: back to the choice.
        return [*repeated, (None, (1, size + 2)), *piece, (None, (-size - 1,))]
    for left in range(high - low, 0, -1):
        repeated = [*repeated, (None, (1, left * (size + 1))), *piece]
    return repeated


def _finish(piece: _Piece) -> Pattern:
    """Make addresses absolute, and add the accepting state."""
    takes = tuple(takes for takes, _ in piece)
    to = tuple(tuple(at + step for step in steps) for at, (_, steps) in enumerate(piece))
    return Pattern((*takes, None), (*to, ()))

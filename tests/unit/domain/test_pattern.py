"""Patterns: as Python's where both speak, and never slow."""

from __future__ import annotations

import re
import time
from random import Random

import pytest

from trunkline.domain.pattern import InvalidPattern, compile_glob, compile_regex

ATOMS = ("a", "b", "c", ".", "[ab]", "[^a]", r"\d", r"\D", r"[a-b0-]", r"[\d.]", r"\.", "(?:ab)")
QUANTIFIERS = ("*", "+", "?", "{0,2}", "{2}", "{1,}", "{1,3}")


def _draw(dice: Random, depth: int) -> str:
    kind = dice.random()
    if depth == 0 or kind < 0.3:
        return dice.choice(ATOMS)
    if kind < 0.5:
        return _draw(dice, depth - 1) + _draw(dice, depth - 1)
    if kind < 0.65:
        return f"({_draw(dice, depth - 1)}|{_draw(dice, depth - 1)})"
    return f"({_draw(dice, depth - 1)}){dice.choice(QUANTIFIERS)}"


@pytest.mark.parametrize("seed", range(8))
def test_a_pattern_matches_what_pythons_own_would(seed: int) -> None:
    dice = Random(seed)
    answers = {True: 0, False: 0}
    for _ in range(250):
        pattern = _draw(dice, 4)
        compiled = compile_regex(pattern)
        for _ in range(8):
            text = "".join(dice.choice("abc0.") for _ in range(dice.randint(0, 6)))
            expected = re.fullmatch(pattern, text) is not None
            assert compiled.matches(text) is expected, (pattern, text)
            answers[expected] += 1
    assert min(answers.values()) > 100, answers


@pytest.mark.parametrize(
    "pattern", [r"(a+)+b", r"(a|a)*b", r"(.*.*.*){60}b", r"((a?){20}){20}b", ".*" * 100 + "b"]
)
def test_no_pattern_takes_long(pattern: str) -> None:
    """Each of these takes Python's `re` longer than anybody would wait."""
    began = time.process_time()
    assert not compile_regex(pattern).matches("a" * 255)
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("(ab", "at character 4: a ( that is never closed; add )"),
        ("a)", "at character 2: a ) that closes nothing"),
        ("[ab", "at character 1: a [ that is never closed; add ]"),
        ("a**", "a quantifier after a quantifier"),
        ("a*?", "a quantifier after a quantifier"),
        ("*a", r"nothing to repeat before *; write \* for itself"),
        ("a{", "not a count; write {2}, {2,} or {2,4}"),
        ("a{,3}", "not a count"),
        ("a{3,1}", "a count from 3 to 1; put the smaller one first"),
        ("(a{50}){50}", "repeats too much"),
        ("a{99999999999999}", "repeats too much"),
        ("^a$", "^ is not needed, a pattern always matches whole"),
        ("(?=a)b", "(?…) is not supported"),
        (r"(a)\1", r"\1 is not supported"),
        (r"\bab", r"\b is not supported"),
        (r"[\D]", r"no \D, \W, \S within [ ]; write [^…]"),
        ("ab\\", "a \\ at the end"),
        ("[z-a]", "no range of characters begins at z"),
        ("[[:alpha:]]", "[: within [ ] is not supported; write ranges, as in [a-z0-9]"),
        ("[a[=b=]]", "[= within [ ] is not supported"),
        ("(" * 21 + ")" * 21, "groups nest deeper than 20"),
        ("a" * 256, "is longer than 255 characters"),
    ],
)
def test_what_is_no_pattern_is_told_with_its_place(pattern: str, problem: str) -> None:
    with pytest.raises(InvalidPattern, match=re.escape(problem)):
        compile_regex(pattern)


@pytest.mark.parametrize(
    ("glob", "matching", "other"),
    [
        ("x5*", ("x5", "x520", "x5.+"), ("x7", "ax5")),
        ("r?ck", ("rack", "r.ck"), ("rck", "raack")),
        ("r[a-c]", ("ra", "rc"), ("rd", "r", "r-")),
        ("r[!a]", ("rb", "r!"), ("ra",)),
        ("a.b", ("a.b",), ("axb",)),
        (r"a\*", ("a\\", "a\\b"), ("a*",)),
        ("*", ("", "anything\nat all"), ()),
    ],
)
def test_a_glob_matches_as_in_a_shell(
    glob: str, matching: tuple[str, ...], other: tuple[str, ...]
) -> None:
    compiled = compile_glob(glob)
    assert [text for text in (*matching, *other) if compiled.matches(text)] == list(matching)


def test_brackets_in_brackets_are_characters() -> None:
    assert [text for text in ("[", ":", "a") if compile_regex("[:[]").matches(text)] == ["[", ":"]


def test_a_glob_with_a_named_class_is_refused() -> None:
    with pytest.raises(InvalidPattern, match="write ranges"):
        compile_glob("r[[:digit:]]")


def test_a_glob_with_an_open_bracket_is_refused() -> None:
    with pytest.raises(InvalidPattern, match="never closed"):
        compile_glob("r[ab")

"""Nova's `name` filter as far as it is served: never slow, never silently wrong."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.api.compute.name_pattern import Exactly, Like, read_name_pattern
from trunkline.domain.errors import Invalid


@pytest.mark.parametrize(
    ("pattern", "like"),
    [
        ("web", "%web%"),
        ("^web$", "web"),
        ("^web", "web%"),
        ("web$", "%web"),
        ("^web-.*-db$", "web-%-db"),
        ("^w.b$", "w_b"),
        ("^w.+b$", "w_%b"),
        ("50%_off", r"%50\%\_off%"),
        (r"a\.b", "%a.b%"),
        (r"a\$", "%a$%"),
        ("", "%%"),
    ],
)
def test_what_a_pattern_becomes(pattern: str, like: str) -> None:
    assert read_name_pattern(pattern) == Like(like)


@pytest.mark.parametrize("pattern", ["web (1)", "web[12]", "(a+)+$", "a|b", r"\d", "a\\", "a*"])
def test_what_is_not_served_is_looked_for_as_a_name(pattern: str) -> None:
    found = read_name_pattern(pattern)
    assert isinstance(found, Exactly)
    assert found.name == pattern


def test_a_pattern_longer_than_any_name_is_refused() -> None:
    with pytest.raises(Invalid):
        read_name_pattern("a" * 256)


def matches(like: str, name: str) -> bool:
    """SQL's LIKE with a backslash as its escape, in another engine."""
    parts = re.split(r"(\\.|%|_)", like, flags=re.DOTALL)
    meaning = {"%": ".*", "_": "."}
    regex = "".join(
        meaning.get(part) or re.escape(part[1:] if part.startswith("\\") else part)
        for part in parts
    )
    return re.fullmatch(regex, name, re.DOTALL) is not None


_TEXT = st.text(alphabet="ab.%_-", max_size=6)


@given(pattern=st.text(alphabet=r"ab.*+^$\%_", max_size=6), name=_TEXT)
def test_a_served_pattern_finds_what_the_regular_expression_finds(pattern: str, name: str) -> None:
    read = read_name_pattern(pattern)
    if isinstance(read, Like):
        assert matches(read.pattern, name) == bool(re.search(pattern, name))

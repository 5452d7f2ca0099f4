"""Tables at any width: no value is broken across lines, and no line is too long."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from trunkline.cli.tables import fitted
from trunkline.demo.story import Story

NICS_HEADINGS = ("NIC", "CARD", "VF", "ADDRESS", "NETWORK", "CABLED TO", "#VLAN", "MAC")
NICS = [
    ("direct", "eth3 mlx5_core", 7, "0000:82:00.7", "production-blue", "phy1", 150,
     "fa:16:3e:aa:bb:01"),
    ("direct-physical", "whole card", None, "0000:82:00.0", "production-red", "phy2", 4094,
     "fa:16:3e:aa:bb:02"),
]  # fmt: skip


def told(width: int, headings: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> list[str]:
    out = io.StringIO()
    Story(Console(file=out, width=width, force_terminal=True, color_system=None)).table(
        headings, rows
    )
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 85, 90, 100])
def test_no_value_of_the_demonstration_is_broken_from_80_columns_on(width: int) -> None:
    lines = told(width, NICS_HEADINGS, NICS)
    words = [word for line in lines for word in line.split()]
    for row in NICS:
        for value in row:
            assert all(word in words for word in str("-" if value is None else value).split())
    assert max(len(line.rstrip()) for line in lines) <= width


def test_what_does_not_fit_side_by_side_is_a_block_a_row() -> None:
    rows = [("a" * 36, "b" * 36, "c" * 36), ("d" * 36, "e" * 36, "-")]
    lines = [line.split() for line in told(80, ("ID", "SERVER", "PORT"), rows)[1:]]
    assert lines == [
        ["ID", "a" * 36], ["SERVER", "b" * 36], ["PORT", "c" * 36], [],
        ["ID", "d" * 36], ["SERVER", "e" * 36], ["PORT", "-"],
    ]  # fmt: skip


def test_sentences_are_wrapped_between_words_and_short_columns_stay_whole() -> None:
    why = "no whole card is free on this physical network, since VFs of both are in use"
    lines = told(80, ("HOST", "WHY NOT", "IN DETAIL"), [("h1", "pf_in_use", f"{why}; {why}")])
    assert [line.split()[:2] for line in lines if "h1" in line] == [["h1", "pf_in_use"]]
    assert " ".join(" ".join(lines[3:]).split()) == f"h1 pf_in_use {why}; {why}"


CELLS = st.text(st.sampled_from("ab -:."), max_size=40).map(str.strip)


@given(
    rows=st.lists(st.tuples(CELLS, CELLS, CELLS, CELLS), min_size=1, max_size=4),
    width=st.integers(80, 200),
)
def test_every_word_is_whole_and_every_line_fits(rows: list[tuple[str, ...]], width: int) -> None:
    headings = ("ONE", "#TWO", "THREE AND MORE", "FOUR")
    out = io.StringIO()
    console = Console(file=out, width=width)
    console.print(fitted(headings, [[Text(cell) for cell in row] for row in rows], width))
    lines = out.getvalue().splitlines()
    assert max(len(line.rstrip()) for line in lines) <= width
    found = sorted(word for line in lines for word in line.split() if set(word) <= set("ab-:."))
    assert found == sorted(word for row in rows for cell in row for word in cell.split())

"""What of a console is shown."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.domain.console import shown_console

TEN = b"".join(b"line %d\r\n" % number for number in range(10))


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        (None, "".join(f"line {number}\n" for number in range(10))),
        (0, ""),
        (1, ""),  # What comes after the last line break, as Nova counts.
        (3, "line 8\nline 9\n"),
        (100, "".join(f"line {number}\n" for number in range(10))),
    ],
)
def test_the_last_lines_are_counted_as_nova_counts_them(lines: int | None, shown: str) -> None:
    assert shown_console(TEN, lines=lines) == shown


def test_what_is_no_utf_8_is_shown_as_such_and_a_letter_that_was_cut_spoils_no_other() -> None:
    shown = shown_console("grün".encode()[3:] + b" \xff ok")
    assert shown.replace("\N{REPLACEMENT CHARACTER}", "?") == "?n ? ok"


@given(st.binary())
def test_nothing_that_a_terminal_would_obey_is_shown(said: bytes) -> None:
    shown = shown_console(said)
    controls = {sign for sign in shown if unicodedata.category(sign) == "Cc"}
    assert controls <= {"\t", "\n"}


@given(st.text(st.characters(exclude_categories=("Cc", "Cs"), include_characters="\n\t")))
def test_whatever_can_be_printed_is_shown_as_it_was_said(said: str) -> None:
    assert shown_console(said.encode()) == said

"""Tables that break no value across lines, however narrow the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

_GAP: Final = 3  # Between columns: one blank each side of the box's own.


def fitted(columns: Sequence[str], rows: Sequence[Sequence[Text]], width: int) -> Table:
    """Lay out rows under headings within `width`.

    A column whose heading begins with ``#`` lines up on the right. Where not all fits, sentences
    are wrapped between words. Where not even the longest words fit beside each other, each row is
    shown as a block of its own, a value a line.
    """
    headings = [heading.removeprefix("#") for heading in columns]
    cells = [[Text(heading), *below] for heading, *below in zip(headings, *rows, strict=True)]
    widths = _widths(
        [max(_longest_word(cell) for cell in column) for column in cells],
        [max(cell.cell_len for cell in column) for column in cells],
        width - _GAP * (len(columns) - 1),
    )
    if widths is None:
        return _blocks(headings, rows)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading, column_width in zip(columns, widths, strict=True):
        number = heading.startswith("#")
        table.add_column(
            heading.removeprefix("#"), justify="right" if number else "left", width=column_width
        )
    for row in rows:
        table.add_row(*row)
    return table


def _widths(least: Sequence[int], most: Sequence[int], room: int) -> list[int] | None:
    """Give each column what it must have, then the rest to those that lack least."""
    left = room - sum(least)
    if left < 0:
        return None
    widths = list(least)
    for at in sorted(range(len(widths)), key=lambda at: most[at] - least[at]):
        more = min(most[at] - least[at], left)
        widths[at] += more
        left -= more
    return widths


def _longest_word(text: Text) -> int:
    return max((cell_len(word) for word in text.plain.split()), default=0)


def _blocks(headings: Sequence[str], rows: Sequence[Sequence[Text]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for position, row in enumerate(rows):
        if position:
            table.add_row()
        for heading, cell in zip(headings, row, strict=True):
            table.add_row(Text(heading, style="bold"), cell)
    return table

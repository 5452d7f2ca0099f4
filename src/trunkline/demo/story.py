"""How the demonstration speaks: plain words, tables, commands; colours on a terminal only."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

WIDTH: Final = 100
QUIET_SECONDS_MAX: Final = 2.0  # Whatever takes longer says what it waits for.


class Story:
    """Writes to one console."""

    def __init__(self, console: Console | None = None) -> None:
        console = console or Console(highlight=False)
        if not console.is_terminal or console.width > WIDTH:
            console.width = WIDTH
        self._console = console

    def scene(self, number: int, title: str) -> None:
        """Begin a scene."""
        self._console.print()
        self._console.print(Rule(f"[bold]{number}. {title}", align="left", characters="─"))

    def say(self, text: str) -> None:
        """Say a paragraph."""
        self._console.print()
        self._console.print(Text(text))

    def explain(self, words: Sequence[tuple[str, str]]) -> None:
        """Say what words mean, one sentence each."""
        self._console.print()
        for word, meaning in words:
            self._console.print(Text.assemble("  ", (word, "bold"), f": {meaning}"))

    def command(self, text: str) -> None:
        """Show a command that does what is being done."""
        self._console.print(Text(f"  $ {text}", style="cyan"), soft_wrap=True)

    def lines(self, heading: str, lines: Iterable[str], *, style: str = "dim") -> None:
        """Show lines of a log or a file as they are."""
        self._console.print(Text(f"  {heading}"))
        for line in lines:
            self._console.print(Text(f"    {line}", style=style), soft_wrap=True)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Show a table; a column whose heading begins with ``#`` lines up on the right."""
        table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for heading in columns:
            justify = "right" if heading.startswith("#") else "left"
            table.add_column(heading.removeprefix("#"), justify=justify, overflow="fold")  # type: ignore[arg-type]  # a literal of rich's
        for row in rows:
            table.add_row(*(Text("-" if cell is None else str(cell)) for cell in row))
        self._console.print()
        self._console.print(Padding(table, (0, 0, 0, 2)))

    def verdict(self, line: str, *, holds: bool) -> None:
        """Say what the checker found about a claim."""
        mark, style = ("✓", "green") if holds else ("✗", "bold red")
        text = Text(f"{mark} {line}", style=style)
        self._console.print(Padding(text, (0, 0, 0, 2)))

    @contextmanager
    def waiting(self, for_what: str) -> Iterator[None]:
        """Show a progress line while the block runs, if it takes long enough to need one."""
        if self._console.is_terminal:
            with self._console.status(f"{for_what} …"):
                yield
            return
        timer = threading.Timer(
            QUIET_SECONDS_MAX, lambda: self._console.print(Text(f"  … {for_what}"))
        )
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()

"""How the demonstration speaks: plain words, tables, commands; colours on a terminal only."""

from __future__ import annotations

import textwrap
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.text import Text

from trunkline.cli.tables import fitted

WIDTH: Final = 100
_INDENT: Final = 2  # Of tables.
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
            wrapped = self._wrapped(f"{word}: {meaning}.")
            wrapped.stylize("bold", 2, 2 + len(word))
            self._console.print(wrapped)

    def command(self, text: str) -> None:
        """Show a command that does what is being done."""
        parts = textwrap.wrap(text, self._console.width - 8, break_on_hyphens=False)
        self._console.print(Text("  $ " + " \\\n      ".join(parts), style="cyan"))

    def lines(self, heading: str, lines: Iterable[str], *, style: str = "dim") -> None:
        """Show lines of a log or a file as they are."""
        self._console.print(Text(f"  {heading}"))
        for line in lines:
            self._console.print(Text(f"    {line}", style=style), soft_wrap=True)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Show a table; a column whose heading begins with ``#`` lines up on the right."""
        shown = [[Text("-" if cell is None else str(cell)) for cell in row] for row in rows]
        table = fitted(columns, shown, self._console.width - _INDENT)
        self._console.print()
        self._console.print(Padding(table, (0, 0, 0, _INDENT), expand=False))

    def verdict(self, line: str, *, holds: bool) -> None:
        """Say what the checker found about a claim."""
        mark, style = ("✓", "green") if holds else ("✗", "bold red")
        wrapped = self._wrapped(f"{mark} {line}")
        wrapped.stylize(style)
        self._console.print(wrapped)

    def _wrapped(self, text: str) -> Text:
        lines = textwrap.wrap(
            text,
            self._console.width,
            initial_indent="  ",
            subsequent_indent="    ",
            break_on_hyphens=False,
        )
        return Text("\n".join(lines))

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

"""Tables for people, JSON for programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from trunkline.cli.tables import fitted
from trunkline.wire.json import encode

# Wider than any of our tables: a pipe has no width, and folding there would break `grep`.
WIDTH_WITHOUT_TERMINAL: Final = 4096

_STYLES: Final = {
    "ACTIVE": "green", "active": "green", "up": "green", "enabled": "green", "free": "cyan",
    "BUILD": "yellow", "claimed": "yellow", "releasing": "yellow", "disabled": "yellow",
    "blocked": "yellow", "out_of_service": "red", "ERROR": "red", "quarantined": "red",
    "reserved": "yellow", "down": "red", "stuck": "red",
}  # fmt: skip


def print_json(value: object) -> None:
    """Print a value as indented JSON, ending in a newline."""
    click.echo(msgspec.json.format(encode(value), indent=2).decode())


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, none: str) -> None:
    """Print rows under headings; `none` is said where there are none.

    A column whose heading begins with ``#`` holds numbers, which line up on the right.
    """
    listed = [[_cell(value) for value in row] for row in rows]
    if not listed:
        click.echo(none)
        return
    _print(fitted(columns, listed, _console().width))


def print_fields(fields: Sequence[tuple[str, object]]) -> None:
    """Print names and values below each other; values that don't apply are left out."""
    shown = [(name, _cell(value)) for name, value in fields if value is not None]
    width = max(len(name) for name, _ in shown)
    for name, value in shown:
        _print(Text(f"{name.ljust(width)}  ", style="bold") + value)


def print_heading(text: str) -> None:
    """Print a line that stands over what follows."""
    _print(Text(_printable(text), style="bold"))


def _print(what: Table | Text) -> None:
    console = _console()
    with console.capture() as captured:
        console.print(what, soft_wrap=isinstance(what, Text))
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def _console() -> Console:
    """Return stdout: with colours on a terminal only, and never if NO_COLOR is set."""
    terminal = sys.stdout.isatty()
    return Console(
        file=sys.stdout,
        width=None if terminal else WIDTH_WITHOUT_TERMINAL,
        force_terminal=terminal,
        no_color=bool(os.environ.get("NO_COLOR")) or not terminal,
    )


def _cell(value: Any) -> Text:
    match value:
        case Text():
            return value
        case None | "":
            return Text("-")
        case bool():
            return Text("yes" if value else "no")
        case datetime():
            return Text(time_text(value))
        case str():
            return Text(_printable(value), style=_STYLES.get(value, ""))
        case _:
            return Text(_printable(str(value)))


def time_text(at: datetime) -> str:
    """Render a time in UTC, to the second."""
    return at.strftime("%Y-%m-%d %H:%M:%S")


def _printable(text: str) -> str:
    """Show control characters as escapes: a name must not be able to steer the terminal."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)

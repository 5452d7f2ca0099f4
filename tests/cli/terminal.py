"""A terminal for the commands, and golden files of what they print."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click
from click.testing import CliRunner, Result

from trunkline.cli import commands

GOLDEN: Final = Path(__file__).parents[1] / "golden" / "cli"


class Terminal:
    """Runs commands with a clouds.yaml of its own."""

    def __init__(self, directory: Path, url: str) -> None:
        self.url = url
        self._environ = {
            "OS_CLIENT_CONFIG_FILE": str(directory / "clouds.yaml"),
            "OS_CLOUD": "trunkline",
            "COLUMNS": "80",
        }
        self._root = click.Group("trunkline", commands={str(c.name): c for c in commands})

    def run(self, line: str, *, environ: Mapping[str, str | None] | None = None) -> Result:
        """Run one command line."""
        return CliRunner().invoke(
            self._root, line.split(), prog_name="trunkline",
            env={**self._environ, **(environ or {})}, catch_exceptions=False,
        )  # fmt: skip

    def json(self, line: str) -> Any:
        result = self.run(f"{line} --json")
        return json.loads(result.stdout)


def check_session(terminal: Terminal, name: str, line: str) -> None:
    """Compare all that a command prints, and how it ends, with what was reviewed."""
    result = terminal.run(line)
    text = f"$ trunkline {line}\n{result.output}exit code {result.exit_code}\n"
    golden(name, without_chance(text))


def golden(name: str, text: str) -> None:
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("TRUNKLINE_REWRITE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


def without_chance(text: str) -> str:
    """Number what is random in the order in which it appears; widths stay, and so do columns.

    Whether a command took so long that it said what it waits for is chance, too.
    """
    text = re.sub(r"^waiting for http\S+ …\n", "", text, flags=re.MULTILINE)
    for pattern, form in (
        (r"req-[0-9a-f-]{36}", "req-{:036x}"),
        (r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "{:08x}-0000-4000-8000-000000000000"),
        (r"\btl[0-9a-f]{12}\b", "tl{:012x}"),
        (r"\bfa:16:3e(?::[0-9a-f]{2}){3}\b", "fa:16:3e:00:00:{:02x}"),
    ):
        found = dict.fromkeys(re.findall(pattern, text))
        for number, random in enumerate(found, start=1):
            text = text.replace(random, form.format(number))
    return text

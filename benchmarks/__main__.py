"""Run benchmarks of this folder: a table for people, and build/bench/NAME.json for programs.

    python -m benchmarks [NAME …]

A benchmark is a file here that, run as a program, prints one JSON object: ``benchmark`` (its
name) and ``results`` (a list of objects, one for each size that it measured). A folder is one
too, but runs only when it is named: it needs other people's programs. Files that begin with an
underscore are parts of several.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
TARGET = HERE.parent / "build/bench"


def flatten(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield what an object holds, level by level: ``decide_ms.p50`` and its figure."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from flatten(inner, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, float):
        yield prefix, f"{value:.4g}"
    else:
        yield prefix, str(value)


def as_table(name: str, results: Sequence[Mapping[str, Any]]) -> Table:
    """Return one row for each figure, one column for each size."""
    columns = [dict(flatten(result)) for result in results]
    table = Table(title=name, title_justify="left", show_header=False)
    for key in dict.fromkeys(key for column in columns for key in column):
        table.add_row(key, *(column.get(key, "") for column in columns))
    return table


def benchmarks(wanted: Sequence[str]) -> list[str]:
    """Names of those to run: all files, or the files and folders that are named."""
    files = [path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_")]
    folders = [path.parent.name for path in HERE.glob("*/__main__.py")]
    unknown = set(wanted) - {*files, *folders}
    if unknown:
        raise SystemExit(f"no such benchmark: {', '.join(sorted(unknown))}")
    return sorted(wanted or files)


def main(wanted: Sequence[str]) -> int:
    """Run them one after the other; return how many failed."""
    console, failed = Console(), 0
    TARGET.mkdir(parents=True, exist_ok=True)
    for name in benchmarks(wanted):
        console.print(f"{name} …")
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}"],
            cwd=HERE.parent,
            stdout=subprocess.PIPE,
            text=True,
        )
        if done.returncode != 0:
            console.print(f"{name} failed with exit status {done.returncode}")
            failed += 1
            continue
        target = TARGET / f"{name}.json"
        target.write_text(done.stdout)
        result = json.loads(done.stdout)
        console.print(as_table(result["benchmark"], result["results"]))
        console.print(f"written to {target.relative_to(HERE.parent)}")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

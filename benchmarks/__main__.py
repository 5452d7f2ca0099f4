"""Run every benchmark of this folder: a table for people, and build/bench.json for programs.

    python -m benchmarks [NAME …]

A benchmark is a file here that, run as a program, prints one JSON object: ``benchmark`` (its
name) and ``results`` (a list of objects, one for each size that it measured).
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
TARGET = HERE.parent / "build/bench.json"


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


def main(wanted: Sequence[str]) -> int:
    """Run them one after the other; return how many failed."""
    console, measured, failed = Console(), [], 0
    paths = [p for p in sorted(HERE.glob("*.py")) if p.stem in wanted or not wanted]
    for path in paths:
        if path.stem.startswith("_"):
            continue
        console.print(f"{path.stem} …")
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{path.stem}"],
            cwd=HERE.parent,
            stdout=subprocess.PIPE,
            text=True,
        )
        if done.returncode != 0:
            console.print(f"{path.stem} failed with exit status {done.returncode}")
            failed += 1
            continue
        result = json.loads(done.stdout)
        measured.append(result)
        console.print(as_table(result["benchmark"], result["results"]))
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(json.dumps(measured, indent=1) + "\n")
    console.print(f"written to {TARGET.relative_to(HERE.parent)}")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

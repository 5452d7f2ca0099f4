"""Move the fragments of changelog.d into CHANGELOG.md, as the section of one version."""

from __future__ import annotations

import datetime
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TITLES = {
    "security": "Security",
    "removed": "Removed",
    "changed": "Changed",
    "added": "Added",
    "fixed": "Fixed",
}


def section(version: str, day: datetime.date, fragments: list[tuple[str, str]]) -> str:
    """Return one version's section from (kind, text) pairs; what may hurt comes first."""
    by_kind: dict[str, list[str]] = defaultdict(list)
    for kind, text in fragments:
        by_kind[kind].append(text)
    lines = [f"## {version} ({day.isoformat()})", ""]
    for kind, title in TITLES.items():
        if by_kind[kind]:
            bullets = ["* " + text.strip().replace("\n", "\n  ") for text in by_kind[kind]]
            lines += [f"### {title}", "", *bullets, ""]
    return "\n".join(lines)


def insert(changelog: str, new: str) -> str:
    """Put a section before the newest one there is."""
    head, mark, rest = changelog.partition("\n## ")
    return f"{head.rstrip()}\n\n{new.rstrip()}\n" + (f"\n{mark.lstrip()}{rest}" if mark else "")


def main(version: str) -> None:
    """Rewrite CHANGELOG.md and remove the fragments."""
    paths = [p for p in sorted((ROOT / "changelog.d").glob("*.md")) if p.name != "README.md"]
    fragments = [(path.name.split(".")[1], path.read_text()) for path in paths]
    if not fragments:
        sys.exit("changelog.d has no fragments: nothing to release")
    target = ROOT / "CHANGELOG.md"
    today = datetime.datetime.now(datetime.UTC).date()  # noqa: TID251  # a release has a real date
    target.write_text(insert(target.read_text(), section(version, today, fragments)))
    for path in paths:
        path.unlink()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python3 tools/assemble_changelog.py VERSION")
    main(sys.argv[1])

"""Bring the tables of docs/policy.md up to date: every rule, from the rules themselves."""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.from_code import DOCS
from trunkline.domain.policy.all_rules import RULES_BY_FACE
from trunkline.domain.policy.rule import Rule

TARGET = DOCS / "policy.md"


def table(face: str) -> str:
    """Return the table of one face."""
    rows = [_row(rule) for rule in RULES_BY_FACE[face]]
    return "\n".join(
        ["| rule | default | allows | compares | tokens |", "|---|---|---|---|---|", *rows]
    )


def render(page: str) -> str:
    """Return the page with each table renewed between its two marks."""
    return re.sub(
        r"(<!-- rules of ([a-z ]+) -->\n).*?(<!-- end -->)",
        lambda marks: f"{marks[1]}{table(marks[2])}\n{marks[3]}",
        page,
        flags=re.DOTALL,
    )


def _row(rule: Rule) -> str:
    compares = ", ".join(f"`{name}`" for name in rule.target)
    tokens = ", ".join(rule.scope_types)
    return f"| `{rule.name}` | `{rule.check}` | {rule.about} | {compares} | {tokens} |"


if __name__ == "__main__":
    TARGET.write_text(render(TARGET.read_text()))
